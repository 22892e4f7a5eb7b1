"""`mintgate user export` and `mintgate user erase`: what is stored of a person, told or removed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from mintgate.cli import common, records
from mintgate.cli.common import DEFAULT_DATABASE, DatabaseUrl, InstanceName
from mintgate.cli.users import Login, user_commands

if TYPE_CHECKING:
    from mintgate.contract.instance import Instance
    from mintgate.contract.users import User
    from mintgate.store import Database

SEEN_EVERYWHERE_SECONDS = 1.5
"""After this every running server knows of a change."""


@user_commands.command("export")
def export(
    login: Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Print all that is stored of a user as JSON, without password hash and keys."""
    from mintgate.store import person

    database, instance = common.open_instance(database_url, instance_name)
    with common.refusals():
        user = _stored(database, instance, login)
        found = database.read_now(lambda c: person.everything_of(c, instance.id, user))
    records.print_json(found)


@user_commands.command("erase")
def erase(
    login: Login,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    vacuum: Annotated[
        bool,
        typer.Option(
            "--vacuum/--no-vacuum",
            help="Rewrite the SQLite file, so that nothing is left between its rows. Others "
            "cannot write meanwhile.",
        ),
    ] = True,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Remove a user with everything that is stored of it; all its sessions and tokens end.

    The audit log keeps what happened, without login, name, e-mail and address. When it is
    interrupted, run it again.
    """
    database, instance = common.open_instance(database_url, instance_name)
    with common.refusals():
        user = _stored(database, instance, login)
        if not yes:
            if not sys.stdin.isatty():
                common.misuse("there is no terminal to ask on; give --yes")
            typer.confirm(f"Erase {user.login} for good?", abort=True, err=True)
        _erase(database, instance, user)
        if vacuum and not database.forget_erased():
            typer.echo(
                "A reader holds on to the journal of the database; it is emptied when that ends.",
                err=True,
            )
    typer.echo(f"{login} is erased.", err=True)


def _erase(database: Database, instance: Instance, user: User) -> None:
    from mintgate.store import person

    try:
        with database.begin() as tx:
            names = person.names_of(tx.connection, instance.id, user)
            person.start_erasure(tx, instance.id, user, common.actor())
    except person.StillNeeded as needed:
        common.fail(str(needed))
    _erase_events(database, instance.id, user.id)
    with database.begin() as tx:
        while person.erase_events(tx, instance.id, user.id):
            pass
        person.erase(tx, instance.id, user, names, common.actor())
    # A server may have recorded something of the user before it knew, such as an ERP session.
    time.sleep(SEEN_EVERYWHERE_SECONDS)
    with database.begin() as tx:
        person.erase_rows(tx, instance.id, user.id)
    _erase_events(database, instance.id, user.id)


def _erase_events(database: Database, instance_id: str, user_id: str) -> None:
    """In transactions of their own, so that nobody waits long."""
    from mintgate.store import person

    erased = 1
    while erased:
        with database.begin() as tx:
            erased = person.erase_events(tx, instance_id, user_id)


def _stored(database: Database, instance: Instance, login: str) -> User:
    from mintgate.store import users

    found = database.read_now(lambda c: users.by_login(c, instance.id, login))
    if found is None:
        known = [user.login for user in database.read_now(lambda c: users.all_of(c, instance.id))]
        records.not_found("user", login, known, "user list")
    return found
