"""A database of a company: a hundred thousand people and a thousand applications."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from bench.growth.filling import fill
from bench.growth.rows import Row
from bench.instance import CLIENT_ID, DECLARATION, LOGIN, Site
from mintgate.store import Database
from mintgate.store.tables import applications, users

USERS, APPLICATIONS = 100_000, 1_000


def populated(
    folder: Path, people: int = USERS, programs: int = APPLICATIONS, more: str = ""
) -> Site:
    """Declare an instance, and multiply its user and its application.

    Args:
        people, programs: how many of each come on top of those that are declared.
        more: to be declared besides.
    """
    site = Site(folder, declaration=DECLARATION + more)
    user = _stored(site, users, "login", LOGIN)
    application = _stored(site, applications, "application_uri", CLIENT_ID)
    fill(site.url, users, _copies(users, user, people, _user))
    fill(site.url, applications, _copies(applications, application, programs, _application))
    return site


def _stored(site: Site, table: Table, column: str, value: str) -> dict[str, Any]:
    database = Database(site.url)
    try:
        # As the database itself has them: what is copied goes in without SQLAlchemy's types.
        names = ", ".join(f'"{one.name}"' for one in table.columns)
        statement = f"SELECT {names} FROM {table.name} WHERE {column} = ?"  # noqa: S608 - ours
        with database.engine.connect() as connection:
            row = connection.exec_driver_sql(statement, (value,)).mappings().one()
            return dict(row)
    finally:
        database.close()


def _copies(
    table: Table,
    first: dict[str, Any],
    count: int,
    changes: Callable[[int], dict[str, Any]],
) -> Iterator[Row]:
    for number in range(count):
        values = first | changes(number)
        yield tuple(values[column.name] for column in table.columns)


def _user(number: int) -> dict[str, Any]:
    login = f"person.{number}"
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "login": login,
        "login_key": login,
        "email": f"{login}@example.org",
        "email_key": f"{login}@example.org",
    }


def _application(number: int) -> dict[str, Any]:
    uri = f"bench.example.org/program-{number}"
    return {
        "id": f"00000000-0000-4000-9000-{number:012d}",
        "application_uri": uri,
        "application_uri_key": uri,
    }
