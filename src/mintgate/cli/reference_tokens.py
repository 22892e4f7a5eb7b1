"""`mintgate pat …` and `mintgate sat …`: reference tokens of people and of services (§8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mintgate.cli import common, records
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName
from mintgate.cli.secret_input import read_secret
from mintgate.contract.errors import Refusal
from mintgate.contract.reference_tokens import TokenKind
from mintgate.contract.reminders import DAY, SOON, days_left
from mintgate.contract.users import User, UserType

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mintgate.contract.applications import TrustedApplication
    from mintgate.store.reference_tokens import ReferenceToken

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

    _create(
        TokenKind.PERSONAL,
        application,
        creator,
        scope,
        until,
        description,
        database_url,
        instance_name,
    )


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
    # Whoever can write the database is its administrator.
    operator = User(id="", login=common.actor(), name={}, user_type=UserType.SYSTEM, is_admin=True)
    _create(
        TokenKind.SERVICE,
        application,
        lambda connection, instance_id: operator,
        scope,
        until,
        description,
        database_url,
        instance_name,
    )


@pat_commands.command("list")
def list_personal(
    login: Annotated[str, typer.Option("--user", metavar="LOGIN", show_default=False)],
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """List a person's tokens, newest first."""
    from mintgate.store import reference_tokens, users

    def read(connection: Connection, instance_id: str) -> list[ReferenceToken]:
        user = users.by_login(connection, instance_id, login)
        if user is None:
            known = [u.login for u in users.all_of(connection, instance_id)]
            records.not_found("user", login, known, "user list")
        return reference_tokens.of_user(connection, instance_id, user.id)

    _show(read, as_json, database_url, instance_name)


@sat_commands.command("list")
def list_of_application(
    application: Application,
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """List every token of an application, personal ones too, newest first."""
    from mintgate.store import reference_tokens

    def read(connection: Connection, instance_id: str) -> list[ReferenceToken]:
        found = _application(connection, instance_id, application)
        return reference_tokens.of_application(connection, instance_id, found.id)

    _show(read, as_json, database_url, instance_name)


@pat_commands.command("revoke")
@sat_commands.command("revoke")
def revoke(
    token_id: TokenId,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """End a token at once."""
    from mintgate.store import AuditEvent, reference_tokens

    with records.writing(database_url, instance_name) as writing:
        tx, instance_id = writing.tx, writing.instance.id
        token = reference_tokens.by_id(tx.connection, instance_id, token_id)
        if token is None:
            common.fail(f"there is no token {token_id!r}; list them with: mintgate sat list")
        if not reference_tokens.revoke(tx, instance_id, token_id, common.actor()):
            typer.echo("It was revoked before.")
            return
        tx.record(
            AuditEvent(
                instance_id=instance_id,
                at=tx.now,
                event="token.revoked",
                actor=common.actor(),
                subject_id=token.user_id,
                jti=token.jti,
                details={"kind": "reference_token"},
            )
        )
    typer.echo("Revoked.")


def _create(
    kind: TokenKind,
    client_id: str,
    creator: Callable[[Connection, str], User],
    scope: str,
    until: datetime | None,
    description: str | None,
    database_url: str,
    instance_name: str | None,
) -> None:
    from mintgate.identity import references
    from mintgate.store import users

    with records.writing(database_url, instance_name) as writing:
        tx, instance_id = writing.tx, writing.instance.id
        application = _application(tx.connection, instance_id, client_id)
        system_user = None
        if application.system_user is not None:
            system_user = users.by_id(tx.connection, instance_id, application.system_user)
        days = min(365, writing.instance.max_reference_token_days or 365)  # [REF-18, EXT-9]
        end = until.replace(tzinfo=UTC).timestamp() if until else tx.now + days * DAY
        try:
            value, token = references.create(
                tx,
                instance_id,
                kind=kind,
                application=application,
                creator=creator(tx.connection, instance_id),
                system_user=system_user,
                scopes=tuple(scope.split()),
                expires_at=end,
                description=description,
            )
        except Refusal as refusal:
            common.fail(refusal.description)
    typer.echo(
        f"Token {token.id} lives until {_day(token.expires_at)}. Keep its value now:", err=True
    )
    typer.echo(value)


def _application(connection: Connection, instance_id: str, client_id: str) -> TrustedApplication:
    from mintgate.store import applications

    found = applications.by_uri(connection, instance_id, client_id)
    if found is None:
        known = [a.application_uri for a in applications.all_of(connection, instance_id)]
        records.not_found("application", client_id, known, "app list")
    return found


def _show(
    read: Callable[[Connection, str], list[ReferenceToken]],
    as_json: bool,
    database_url: str,
    instance_name: str | None,
) -> None:
    database = common.open_database(database_url, must_exist=True)
    instance = common.the_instance(database, instance_name)
    with common.refusals():
        found = database.read_now(lambda connection: read(connection, instance.id))
    if as_json:
        hidden = ("token_key",)
        records.print_json(
            [
                {name: getattr(t, name) for name in t.__struct_fields__ if name not in hidden}
                for t in found
            ]
        )
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


def _state(token: ReferenceToken, now: float) -> str:
    if token.revoked_at:
        return "revoked"
    if not token.is_live(now):
        return "ended"
    if token.expires_at - now > SOON:
        return "live"
    days = days_left(token.expires_at, now)
    return "ends today" if days == 0 else f"ends in {days} day{'s' if days > 1 else ''}"


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
