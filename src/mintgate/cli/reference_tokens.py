"""`mintgate pat …` and `mintgate sat …`: reference tokens of people and of services (§8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from mintgate.cli import common, records
from mintgate.cli.administration import Refused, administration, everything, user
from mintgate.cli.administration import application as administered_application
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName
from mintgate.cli.secret_input import read_secret
from mintgate.contract.automation.credentials import NewServiceToken, ReferenceTokenRecord
from mintgate.contract.errors import Refusal
from mintgate.contract.reference_tokens import TokenKind
from mintgate.contract.reminders import SOON, days_left
from mintgate.contract.users import User

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mintgate.contract.applications import TrustedApplication

pat_commands = typer.Typer(
    help="Personal reference tokens: list, create, revoke.", no_args_is_help=True
)
sat_commands = typer.Typer(
    help="Reference tokens of applications: list, create, revoke.", no_args_is_help=True
)

Application = Annotated[
    str, typer.Option("--app", metavar="URI", help="The ApplicationUri.", show_default=False)
]
Scope = Annotated[str, typer.Option(help="Scopes, separated by spaces: read, update.")]
Until = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        help="When it ends (UTC); by default in one year, or at the instance's limit.",
        show_default=False,
    ),
]
Description = Annotated[
    str | None, typer.Option(help="What it is for, at most 128 characters.", show_default=False)
]
TokenId = Annotated[str, typer.Argument(metavar="ID", help="The token's id, as `list` shows it.")]


@pat_commands.command("create")
def create_personal(
    login: Annotated[str, typer.Option("--user", metavar="LOGIN", show_default=False)],
    application: Application,
    scope: Scope = "read",
    until: Until = None,
    description: Description = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    password_env: Annotated[
        str | None,
        typer.Option("--password-env", metavar="NAME", help="Take it from this variable."),
    ] = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Create a token that acts as a person, who proves with the password to be that person.

    The value is printed once and cannot be shown again.
    """
    from mintgate.identity.passwords import password_matches
    from mintgate.store import users

    if common.is_url(instance_name):
        common.fail(
            "nobody makes a personal token for somebody else; sign in to Profile at the instance, "
            "or run this command where its database is"
        )
    # [REF-13] Nobody creates a personal token for somebody else, operators included.
    password = read_secret(
        "password", from_stdin=password_stdin, environment_name=password_env, generate=False
    )

    def creator(connection: Connection, instance_id: str) -> User:
        found = users.for_sign_in(connection, instance_id, login)
        if found is None or not found[0].active:
            records.not_found("active user", login, [], "user list")
        user, stored = found
        if stored is None or not password_matches(password.text, stored):
            common.fail(f"this is not the password of {user.login}")
        return user

    _create(application, creator, scope, until, description, database_url, instance_name)


@sat_commands.command("create")
def create_service(
    application: Application,
    scope: Scope = "read",
    until: Until = None,
    description: Description = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Create a token that acts as an application's system user.

    The value is printed once and cannot be shown again.
    """
    with administration(database_url, instance_name) as admin:
        found = administered_application(admin, application)
        end = _end(until, admin.longest_token_days)
        body = NewServiceToken(
            scopes=tuple(scope.split()), expires_at=end.timestamp(), description=description
        )
        made = admin.call("application_tokens.create", body, application_id=found.id)
    _print_made(made.token.id, made.token.expires_at, made.value)


@pat_commands.command("list")
def list_personal(
    login: Annotated[str, typer.Option("--user", metavar="LOGIN", show_default=False)],
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """List a person's tokens, newest first."""
    with administration(database_url, instance_name) as admin:
        found = everything(admin, "user_tokens.list", user_id=user(admin, login).id)
    _show(found, as_json)


@sat_commands.command("list")
def list_of_application(
    application: Application,
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """List every token of an application, personal ones too, newest first."""
    with administration(database_url, instance_name) as admin:
        of = administered_application(admin, application).id
        found = everything(admin, "application_tokens.list", application_id=of)
    _show(found, as_json)


@pat_commands.command("revoke")
@sat_commands.command("revoke")
def revoke(
    token_id: TokenId,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """End a token at once."""
    with administration(database_url, instance_name) as admin:
        try:
            ended = admin.call("reference_tokens.revoke", token_id=token_id)
        except Refused as refused:
            if refused.kind != "not_found":
                raise
            common.fail(f"there is no token {token_id!r}; list them with: mintgate sat list")
    typer.echo("Revoked." if ended.was_live else "It was revoked before, or has ended.")


def _create(
    client_id: str,
    creator: Callable[[Connection, str], User],
    scope: str,
    until: datetime | None,
    description: str | None,
    database_url: str,
    instance_name: str | None,
) -> None:
    from mintgate.identity import references

    with records.writing(database_url, instance_name) as writing:
        tx, instance_id = writing.tx, writing.instance.id
        application = _application(tx.connection, instance_id, client_id)
        try:
            value, token = references.create(
                tx,
                instance_id,
                kind=TokenKind.PERSONAL,
                application=application,
                creator=creator(tx.connection, instance_id),
                system_user=None,
                scopes=tuple(scope.split()),
                expires_at=_end(until, writing.instance.max_reference_token_days).timestamp(),
                description=description,
            )
        except Refusal as refusal:
            common.fail(refusal.description)
    _print_made(token.id, token.expires_at, value)


def _end(until: datetime | None, longest_days: int | None) -> datetime:
    """The given end, else a year from now [REF-18], or as long as the instance allows [EXT-9]."""
    if until is not None:
        return until.replace(tzinfo=UTC)
    return datetime.now(UTC) + timedelta(days=min(365, longest_days or 365))


def _print_made(token_id: str, expires_at: float, value: str) -> None:
    typer.echo(f"Token {token_id} lives until {_day(expires_at)}. Keep its value now:", err=True)
    typer.echo(value)


def _application(connection: Connection, instance_id: str, client_id: str) -> TrustedApplication:
    from mintgate.store import applications

    found = applications.by_uri(connection, instance_id, client_id)
    if found is None:
        known = [a.application_uri for a in applications.all_of(connection, instance_id)]
        records.not_found("application", client_id, known, "app list")
    return found


def _show(found: list[ReferenceTokenRecord], as_json: bool) -> None:
    if as_json:
        records.print_json(found)
        return
    now = datetime.now(UTC).timestamp()
    records.print_table(
        ("Id", "Kind", "Scopes", "Description", "Created by", "Ends", "Last used", "State"),
        [
            (
                token.id,
                token.kind,
                " ".join(token.scopes),
                token.description or "",
                token.created_by,
                _day(token.expires_at),
                _day(token.last_used_at) if token.last_used_at else "never used",
                _state(token, now),
            )
            for token in found
        ],
        "There are no reference tokens yet.",
    )


def _state(token: ReferenceTokenRecord, now: float) -> str:
    if token.state != "live" or token.expires_at - now > SOON:
        return token.state
    days = days_left(token.expires_at, now)
    return "ends today" if days == 0 else f"ends in {days} day{'s' if days > 1 else ''}"


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
