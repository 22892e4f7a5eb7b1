"""What every command shares: where the database and the key are, and how it ends in an error."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from mintgate.contract.instance import Instance
    from mintgate.server.declaration import Problem
    from mintgate.store import Database
    from mintgate.store.keys import KeyEncryptionKey

DEFAULT_DATABASE = "sqlite:///mintgate.db"
KEY_FILE_NAME = "mintgate.key"

DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="MINTGATE_DATABASE",
        metavar="URL",
        help="Where the data is: sqlite:///FILE or postgresql://USER@HOST/NAME.",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        envvar="MINTGATE_KEY_FILE",
        metavar="PATH",
        help="File with the key that seals the signing keys; by default mintgate.key beside the "
        "SQLite file. MINTGATE_KEY_ENCRYPTION_KEY, when set, is used instead of a file. "
        "MINTGATE_KEY_ENCRYPTION_KEY_PREVIOUS or MINTGATE_KEY_FILE_PREVIOUS opens what an "
        "earlier key sealed.",
        show_default=False,
    ),
]
InstanceName = Annotated[
    str | None,
    typer.Option(
        "--instance",
        envvar="MINTGATE_INSTANCE",
        metavar="NAME|URL",
        help="Which instance is meant, when the database has several; or the base URL of one "
        "elsewhere, whose automation API does the work (app, user, pat, sat, key, sign-in, "
        "session, licence, token).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def fail(message: str) -> NoReturn:
    """End with exit code 1 and a message that says what to do."""
    typer.echo(f"mintgate: {message}", err=True)
    raise typer.Exit(1)


def misuse(message: str) -> NoReturn:
    """End with exit code 2: the command was called in a way that it does not understand."""
    raise typer.BadParameter(message)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn what the database or the key refuses into a message and exit code 1."""
    from mintgate.store import DatabaseUnavailable
    from mintgate.store.keys import KeyEncryptionProblem

    try:
        yield
    except (DatabaseUnavailable, KeyEncryptionProblem) as error:
        fail(str(error))


def exists(url: str) -> bool:
    """Whether there may be a database: false only for an SQLite file that is not there."""
    file = _sqlite_file(url)
    return file is None or file.exists()


def is_url(instance_name: str | None) -> bool:
    """Whether `--instance` names an instance elsewhere."""
    return instance_name is not None and instance_name.startswith(("http://", "https://"))


def open_database(url: str, *, must_exist: bool = False, notify_url: str | None = None) -> Database:
    """Open the database and bring its schema up to date, or end with exit code 1.

    Args:
        must_exist: do not create an SQLite file, for commands that need something in it.
        notify_url: where PostgreSQL itself is heard.
    """
    from mintgate.store import Database, DatabaseUnavailable, schema

    try:
        if must_exist and not exists(url):
            fail(
                f"there is no database at {_sqlite_file(url)}; make one with: mintgate apply FILE, "
                "or name another with --database or MINTGATE_DATABASE"
            )
        database = Database(url, notify_url=notify_url)
        schema.upgrade(database)
    except DatabaseUnavailable as error:
        fail(f"{error}; check --database or MINTGATE_DATABASE, and that it can be written")
    return database


def open_instance(url: str, name: str | None) -> tuple[Database, Instance]:
    """The database here and the instance in it that a command works on, or exit code 1."""
    if is_url(name):
        fail(
            "this command works on the database itself: run it where the database is, with the "
            "instance's name, or without --instance"
        )
    database = open_database(url, must_exist=True)
    return database, the_instance(database, name)


def the_instance(database: Database, name: str | None) -> Instance:
    """The instance of that name, or the only one; else end with exit code 1."""
    from mintgate.store import instances

    if is_url(name):
        fail("this command works on the database itself; run it there, with the instance's name")
    with refusals():
        found = database.read_now(instances.all_of)
    names = ", ".join(instance.name for instance in found)
    if not found:
        fail("the database has no instance yet; declare one with: mintgate init, mintgate apply")
    if name is None:
        if len(found) > 1:
            fail(f"the database has several instances; choose one with --instance: {names}")
        return found[0]
    for instance in found:
        if instance.name == name:
            return instance
    fail(f"the database has no instance {name!r}; it has: {names}")


def key_encryption_key(
    database_url: str, key_file: Path | None, *, create: bool
) -> KeyEncryptionKey:
    """The key that seals signing keys: from the environment, else from the key file.

    Args:
        create: make the key file when there is none.

    Raises:
        KeyEncryptionProblem: it is missing or malformed; the message says what to do.
    """
    from mintgate.store.key_encryption import (
        KEY_VARIABLE,
        PREVIOUS_FILE_VARIABLE,
        PREVIOUS_KEY_VARIABLE,
        KeyEncryptionKey,
    )

    # While the key is being changed, the one before opens what it sealed.
    previous = [
        KeyEncryptionKey.from_text(text)
        for text in os.environ.get(PREVIOUS_KEY_VARIABLE, "").split()
    ]
    file = os.environ.get(PREVIOUS_FILE_VARIABLE)
    if file:
        previous.append(KeyEncryptionKey.from_file(Path(file), create=False))
    text = os.environ.get(KEY_VARIABLE)
    if text:
        current = KeyEncryptionKey.from_text(text)
    else:
        path = key_file or default_key_file(database_url)
        current = KeyEncryptionKey.from_file(path, create=create)
    return current.opening_also(*previous)


def default_key_file(database_url: str) -> Path:
    """`mintgate.key` beside the SQLite file, else in the working directory."""
    file = _sqlite_file(database_url)
    return file.with_name(KEY_FILE_NAME) if file else Path(KEY_FILE_NAME)


def actor() -> str:
    """Who runs the command, for the audit log."""
    try:
        return f"cli:{getpass.getuser()}"[:64]
    except (OSError, KeyError):  # a container whose user has no name
        return f"cli:uid-{os.getuid()}"


def located(file: str, problem: Problem) -> str:
    """A problem of a declaring file, as editors find the place: `file:line: key: sentence`."""
    line = "" if problem.line is None else f":{problem.line}"
    key = f" {problem.key}:" if problem.key else ""
    return f"{'<stdin>' if file == '-' else file}{line}:{key} {problem.sentence}"


def _sqlite_file(database_url: str) -> Path | None:
    from sqlalchemy.exc import ArgumentError

    from mintgate.store import addresses

    try:
        url = addresses.database_url(database_url)
    except ArgumentError:
        return None
    if url.get_backend_name() != "sqlite" or url.database in {None, "", ":memory:"}:
        return None
    return Path(str(url.database))
