"""`mintgate session …`: ERP sessions, which take licence slots [SES-26, EXT-17]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from mintgate.cli import common, records, sign_ins
from mintgate.cli.administration import Refused, administration, parts_of, user
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName
from mintgate.contract.automation.licences import ErpSessionRecord, SessionsToClose

session_commands = typer.Typer(
    help="ERP sessions, which take licence slots: list them, close them. Who is signed in: "
    "mintgate sign-in.",
    no_args_is_help=True,
)


_COLUMNS = (
    *("Session", "User", "Applications", "Kind", "Seat", "Started", "Last request", "Closes at"),
    *("Requests", "Running", "MB up", "MB down"),
)


@session_commands.command("list")
def list_sessions(
    login: Annotated[
        str | None,
        typer.Option("--user", metavar="LOGIN", help="Only this user's.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """List the open ERP sessions, newest first. Requests show up to 15 seconds late."""
    with administration(database_url, instance_name) as there:
        named = user(there, login).login if login is not None else None
        found: list[ErpSessionRecord] = list(parts_of(there, "erp_sessions.list", user=named))
    if as_json:
        records.print_json(found)
        return
    records.print_table(
        _COLUMNS,
        [_line(session) for session in found],
        "No ERP session is open." if login is None else f"{login} has no ERP session open.",
    )


def _line(session: ErpSessionRecord) -> Sequence[str]:
    end = session.absolute_expiration_time
    return (
        session.session_id,
        session.user_login,
        session.applications.replace(",", ", "),
        session.kind,
        session.seat,
        records.minute(session.start_time),
        records.minute(session.last_request_time),
        "" if end is None else records.minute(end),
        str(session.total_requests_count),
        str(session.current_requests_count),
        f"{session.upload_mb:.3f}",
        f"{session.download_mb:.3f}",
    )


@session_commands.command("close")
def close(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="[SESSION]",
            help="As `list` shows it; or the whole sid or jti of the token.",
            show_default=False,
        ),
    ] = None,
    login: Annotated[
        str | None,
        typer.Option("--user", metavar="LOGIN", help="All of this user.", show_default=False),
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="All of the instance.")] = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Close ERP sessions at once and free their licence slots; tokens stay as good as they were.

    The next request with such a token opens a session again. Who must not come back: end the
    sign-in (mintgate sign-in end), or revoke the token (mintgate token revoke).
    """
    if sum((key is not None, login is not None, everybody)) != 1:
        common.misuse("say which: SESSION, --user LOGIN or --all")
    with administration(database_url, instance_name) as there:
        if key is not None:
            try:
                closed = there.call("erp_sessions.close", session_id=key)
            except Refused as refused:
                if refused.kind != "not_found":
                    raise
                common.fail(
                    f"no ERP session {key!r} is open; list them with: mintgate session list"
                )
        else:
            named = user(there, login).login if login is not None else None
            wanted = SessionsToClose(user=named, all=everybody)
            closed = there.call("erp_sessions.close_many", wanted)
    typer.echo(f"Closed {closed.sessions} ERP {_sessions(closed.sessions)}.")


def _sessions(number: int) -> str:
    return "session" if number == 1 else "sessions"


@session_commands.command("end", hidden=True)
def end(
    sid: Annotated[str, typer.Argument(metavar="SID")],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """The name that `mintgate sign-in end` had."""
    typer.echo("mintgate: this command is called now: mintgate sign-in end", err=True)
    sign_ins.end(sid, database_url, instance_name)


@session_commands.command("end-all", hidden=True)
def end_all(
    login: sign_ins.Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """The name that `mintgate sign-in end-all` had."""
    typer.echo("mintgate: this command is called now: mintgate sign-in end-all", err=True)
    sign_ins.end_all(login, database_url, instance_name)
