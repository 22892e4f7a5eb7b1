"""`mintgate user …`: users one by one."""

from __future__ import annotations

from typing import Annotated

import typer
from msgspec import UNSET

from mintgate.cli import common, records
from mintgate.cli.administration import administration, everything, user
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName
from mintgate.cli.secret_input import GivenSecret, read_secret, show_if_generated
from mintgate.contract.automation.credentials import PasswordChange
from mintgate.contract.automation.records import NewUser, UserChanges
from mintgate.contract.users import MAX_PASSWORD_BYTES, MAY_SIGN_IN, UserType, translated

user_commands = typer.Typer(
    help="Users: list, add, disable, enable, rename, change the password, export, erase.",
    no_args_is_help=True,
)

Login = Annotated[str, typer.Argument(metavar="LOGIN", help="The user's login.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
PasswordEnv = Annotated[
    str | None,
    typer.Option(
        "--password-env",
        metavar="NAME",
        help="Take the password from this environment variable.",
        show_default=False,
    ),
]
Generate = Annotated[
    bool, typer.Option("--generate", help="Make a password of 256 bits and print it once.")
]


@user_commands.command("list")
def list_users(
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """List the users."""
    with administration(database_url, instance_name) as there:
        found = everything(there, "users.list")
    if as_json:
        records.print_json(found)
        return
    records.print_table(
        ("Login", "Name", "UserType", "Email", "Active", "Admin"),
        [
            (
                listed.login,
                translated(listed.name, listed.default_language or "en") or listed.login,
                listed.user_type,
                listed.email or "",
                "yes" if listed.active else "no",
                "yes" if listed.is_admin else "",
            )
            for listed in found
        ],
        "There are no users yet; add one with: mintgate user add",
    )


@user_commands.command("add")
def add(
    login: Login,
    name: Annotated[str, typer.Option(help="What people see.", show_default=False)],
    user_type: Annotated[
        UserType, typer.Option("--type", help="What kind of user it is.")
    ] = UserType.INTERNAL,
    email: Annotated[str | None, typer.Option(show_default=False)] = None,
    email_confirmed: Annotated[
        bool, typer.Option("--email-confirmed", help="The address is known to be the user's.")
    ] = False,
    language: Annotated[
        str | None, typer.Option(help="Culture name such as bg or en-US.", show_default=False)
    ] = None,
    phone: Annotated[str | None, typer.Option(show_default=False)] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Make it an administrator.")] = False,
    password_stdin: PasswordStdin = False,
    password_env: PasswordEnv = None,
    generate: Generate = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Add a user. One who may sign in gets a password: asked for, unless an option tells."""
    password = None
    if user_type in MAY_SIGN_IN or password_stdin or password_env or generate:  # [USR-11]
        password = _password(password_stdin, password_env, generate=generate)
    body = NewUser(
        login=login,
        name=name,
        user_type=user_type,
        email=email,
        email_confirmed=email_confirmed,
        default_language=UNSET if language is None else language,
        phone_number=phone,
        is_admin=admin,
        password=password.text if password else None,
    )
    with administration(database_url, instance_name) as there:
        there.call("users.create", body)
    typer.echo(f"Added {login}.", err=True)
    show_if_generated(password)


@user_commands.command("disable")
def disable(
    login: Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Stop a user at once: no sign-in, no tokens, no API calls."""
    with administration(database_url, instance_name) as admin:
        admin.call("users.deactivate", user_id=user(admin, login).id)
    typer.echo(f"{login} is disabled.", err=True)


@user_commands.command("enable")
def enable(
    login: Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Let a user in again; a lock set by an administrator ends, too."""
    with administration(database_url, instance_name) as admin:
        found = user(admin, login)
        admin.call("users.unlock", user_id=found.id)
        admin.call("users.activate", user_id=found.id)
    typer.echo(f"{login} is enabled.", err=True)


@user_commands.command("rename")
def rename(
    login: Login,
    new_login: Annotated[str, typer.Argument(metavar="NEW_LOGIN", help="The login from now on.")],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Change a login. It is the same user: tokens keep their sub_id."""
    with administration(database_url, instance_name) as admin:
        body = UserChanges(login=new_login)
        admin.call("users.change", body, user_id=user(admin, login).id)
    typer.echo(f"{login} is now {new_login}.", err=True)


@user_commands.command("set-password")
def set_password(
    login: Login,
    password_stdin: PasswordStdin = False,
    password_env: PasswordEnv = None,
    generate: Generate = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Give a user another password; the user's refresh tokens end."""
    password = _password(password_stdin, password_env, generate=generate)
    with administration(database_url, instance_name) as admin:
        body = PasswordChange(password=password.text)
        admin.call("users.set_password", body, user_id=user(admin, login).id)
    typer.echo(f"The password of {login} is changed.", err=True)
    show_if_generated(password)


@user_commands.command("reset-second-factor")
def reset_second_factor(
    login: Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Remove authenticator app, passkeys and recovery codes of a user who has lost them.

    The password alone signs the user in then; where a second factor is required, the next sign-in
    sets up a new one. Make sure that it is the user who asks. Sign-ins that are open go on.
    """
    with administration(database_url, instance_name) as admin:
        removed = admin.call("users.reset_second_factors", user_id=user(admin, login).id)
    told = ("authenticator app, " if removed.app else "") + f"{removed.passkeys} passkeys"
    typer.echo(
        f"Removed from {login}: {told}, {removed.recovery_codes} recovery codes."
        if removed.app or removed.passkeys
        else f"{login} has no second factor.",
        err=True,
    )


@user_commands.command("revoke-everything")
def revoke_everything(
    login: Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """End all that acts as a user: access, refresh and personal tokens, sign-ins, codes."""
    with administration(database_url, instance_name) as admin:
        ended = admin.call("users.revoke_everything", user_id=user(admin, login).id)
    typer.echo(f"Ended: {records.told_ended(ended)}.", err=True)


def _password(from_stdin: bool, environment_name: str | None, *, generate: bool) -> GivenSecret:
    password = read_secret(
        "password", from_stdin=from_stdin, environment_name=environment_name, generate=generate
    )
    if len(password.text.encode()) > MAX_PASSWORD_BYTES:
        common.fail(f"the password must have at most {MAX_PASSWORD_BYTES} bytes")
    return password
