"""`mintgate user …`: users one by one."""

from __future__ import annotations

from typing import Annotated

import typer
from msgspec.structs import replace

from mintgate.cli import common, records
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName
from mintgate.cli.secret_input import GivenSecret, read_secret, show_if_generated
from mintgate.contract.identifiers import new_guid
from mintgate.contract.users import MAY_SIGN_IN, User, UserType, problems_of

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
    from mintgate.server.declaration import attributes_of, text_of
    from mintgate.store import users

    database = common.open_database(database_url, must_exist=True)
    instance = common.the_instance(database, instance_name)
    with common.refusals():
        found = database.read_now(lambda connection: users.all_of(connection, instance.id))
    if as_json:
        lock = "LockoutEndUtc"  # as text, for JSON has no infinity
        records.print_json(
            [attributes_of(user) | {lock: text_of(lock, user.locked_until)} for user in found]
        )
        return
    records.print_table(
        ("Login", "Name", "UserType", "Email", "Active", "Admin"),
        [
            (
                user.login,
                user.display_name(),
                user.user_type,
                user.email or "",
                "yes" if user.active else "no",
                "yes" if user.is_admin else "",
            )
            for user in found
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
    record = User(
        id=new_guid(),
        login=login,
        name={"en": name},
        user_type=user_type,
        email=email,
        email_confirmed=email_confirmed,
        default_language=language,
        phone_number=phone,
        is_admin=admin,
    )
    records.refuse_if(problems_of(record), "the user was not added")
    password = None
    if user_type in MAY_SIGN_IN or password_stdin or password_env or generate:  # [USR-11]
        password = _password(password_stdin, password_env, generate=generate)
    _store(record, password, database_url, instance_name)
    typer.echo(f"Added {login}.", err=True)
    show_if_generated(password)


@user_commands.command("disable")
def disable(
    login: Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Stop a user at once: no sign-in, no tokens, no API calls."""
    _change(login, database_url, instance_name, active=False)
    typer.echo(f"{login} is disabled.", err=True)


@user_commands.command("enable")
def enable(
    login: Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Let a user in again; a lock set by an administrator ends, too."""
    _change(login, database_url, instance_name, active=True, locked_until=None)
    typer.echo(f"{login} is enabled.", err=True)


@user_commands.command("rename")
def rename(
    login: Login,
    new_login: Annotated[str, typer.Argument(metavar="NEW_LOGIN", help="The login from now on.")],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Change a login. It is the same user: tokens keep their sub_id."""
    _change(login, database_url, instance_name, login=new_login)
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
    from mintgate.identity.passwords import hash_password
    from mintgate.server.declaration import UserChange

    password = _password(password_stdin, password_env, generate=generate)
    hashed = hash_password(password.text)
    with records.writing(database_url, instance_name) as writing:
        user = _stored(writing, login)
        writing.carry_out(UserChange(user, user, hashed))
    typer.echo(f"The password of {login} is changed.", err=True)
    show_if_generated(password)


def _password(from_stdin: bool, environment_name: str | None, *, generate: bool) -> GivenSecret:
    from mintgate.identity.passwords import MAX_PASSWORD_BYTES

    password = read_secret(
        "password", from_stdin=from_stdin, environment_name=environment_name, generate=generate
    )
    if len(password.text.encode()) > MAX_PASSWORD_BYTES:
        common.fail(f"the password must have at most {MAX_PASSWORD_BYTES} bytes")
    return password


def _store(
    record: User, password: GivenSecret | None, database_url: str, instance_name: str | None
) -> None:
    from mintgate.identity.passwords import hash_password
    from mintgate.server.declaration import UserChange

    hashed = hash_password(password.text) if password else None
    with records.writing(database_url, instance_name) as writing:
        records.refuse_if(_conflicts(writing, record), "the user was not added")
        writing.carry_out(UserChange(None, record, hashed))


def _change(
    login: str, database_url: str, instance_name: str | None, /, **attributes: object
) -> None:
    from mintgate.server.declaration import UserChange

    with records.writing(database_url, instance_name) as writing:
        before = _stored(writing, login)
        after = replace(before, **attributes)
        if "login" in attributes:
            problems = [*problems_of(after), *_conflicts(writing, after)]
            records.refuse_if(problems, f"{login} was not changed")
        if after != before:
            writing.carry_out(UserChange(before, after))


def _stored(writing: records.Writing, login: str) -> User:
    from mintgate.store import users

    connection, instance_id = writing.tx.connection, writing.instance.id
    found = users.by_login(connection, instance_id, login)
    if found is None:
        known = [user.login for user in users.all_of(connection, instance_id)]
        records.not_found("user", login, known, "user list")
    return found


def _conflicts(writing: records.Writing, record: User) -> list[tuple[str, str]]:
    from mintgate.store import users

    others = [
        user
        for user in users.all_of(writing.tx.connection, writing.instance.id)
        if user.id != record.id
    ]
    found = []
    if record.login.casefold() in {user.login.casefold() for user in others}:
        found.append(("Login", "exists already; it must be unique in any case [USR-2]"))
    emails = {user.email.casefold() for user in others if user.email}
    if record.email and record.email.casefold() in emails:
        found.append(("Email", "is that of another user; it must be unique [USR-3]"))
    return found
