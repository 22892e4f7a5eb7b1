"""`mintgate sign-in …`: who is signed in, and signing out whom [END-4]."""

from __future__ import annotations

from typing import Annotated

import typer

from mintgate.cli import common, records
from mintgate.cli.administration import Refused, administration, everything, user
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName

sign_in_commands = typer.Typer(
    help="Sign-ins of people: list them, end one, end all of a user.", no_args_is_help=True
)

Login = Annotated[str, typer.Option("--user", metavar="LOGIN", show_default=False)]


@sign_in_commands.command("list")
def list_sign_ins(
    login: Annotated[
        str | None,
        typer.Option("--user", metavar="LOGIN", help="Only this user's.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """List the sign-ins that have not ended, newest first."""
    with administration(database_url, instance_name) as admin:
        of = user(admin, login).id if login is not None else None
        found = [
            session
            for session in everything(admin, "sessions.list")
            if of is None or session.user_id == of
        ]
    if as_json:
        records.print_json(found)
        return
    records.print_table(
        ("Sid", "User", "Signed in", "By", "Ends"),
        [
            (
                session.sid,
                session.login or "",
                records.minute(session.auth_time),
                " ".join(session.amr),
                records.minute(session.expires_at),
            )
            for session in found
        ],
        "Nobody is signed in.",
    )


@sign_in_commands.command("end")
def end(
    sid: Annotated[str, typer.Argument(metavar="SID", help="As `list` shows it.")],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """End a sign-in with its refresh tokens and open codes; access tokens run out by themselves."""
    with administration(database_url, instance_name) as admin:
        try:
            ended = admin.call("sessions.end", sid=sid)
        except Refused as refused:
            if refused.kind != "not_found":
                raise
            common.fail(f"there is no sign-in {sid!r}; list them with: mintgate sign-in list")
    typer.echo(f"Ended, with {ended.grants} refresh tokens.")


@sign_in_commands.command("end-all")
def end_all(
    login: Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """End every sign-in of a user."""
    with administration(database_url, instance_name) as admin:
        ended = admin.call("users.end_sessions", user_id=user(admin, login).id)
    typer.echo(f"Ended {ended.sessions} sign-ins, with {ended.grants} refresh tokens.")
