"""Rows in every table, made by the database itself."""

# ruff: noqa: S608 - names of tables and numbers, all of them ours

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    Numeric,
    Table,
)

from bench.plans.tables import FEW, FEWER, SMALL
from mintgate.store import Database
from mintgate.store.tables import metadata

WRITERS = 50
"""Processes that have written to the audit log; its checkpoints name each."""
CACHE_KIB = 400_000
_MAPS = {"name", "data", "parameters", "claims"}
_WORDS = {
    "user_type": "InternalUser",
    "client_type": "Confidential",
    "reference_tokens": "None",
    "kind": "SAT",
    "seat": "none",  # takes no licence
}


def fill(database: Database, instance_id: str, rows: int) -> None:
    """Give every table so many rows of one instance, and tell the planner of them."""
    with filling(database) as connection:
        for table in metadata.sorted_tables:
            if table.name not in SMALL:
                add(connection, table, instance_id, 1, FEWER.get(table.name, rows))
        connection.exec_driver_sql(f"UPDATE instances SET feed_position = {FEW + rows}")
    analyze(database)


@contextlib.contextmanager
def filling(database: Database) -> Iterator[Connection]:
    """A transaction that may last, and that need not survive a loss of power."""
    with database.engine.connect() as connection:
        if database.is_sqlite:
            connection.detach()  # nobody else gets it with these settings
            raw: Any = connection.connection.dbapi_connection
            pragmas = ("synchronous=OFF", f"cache_size=-{CACHE_KIB}", "secure_delete=OFF",
                       "foreign_keys=OFF")  # fmt: skip
            for pragma in pragmas:
                raw.execute(f"PRAGMA {pragma}").close()
        connection.begin()
        database.take_time(connection)
        yield connection
        connection.commit()


def analyze(database: Database, table: str = "") -> None:
    """What autovacuum does by itself a minute later; SQLite is used without statistics."""
    if not database.is_sqlite:
        with filling(database) as connection:
            connection.exec_driver_sql(f"ANALYZE {table}")


def add(connection: Connection, table: Table, instance_id: str, first: int, last: int) -> None:
    """Insert the rows with these numbers; rows with other numbers have other keys."""
    is_sqlite = connection.dialect.name == "sqlite"
    columns = [c for c in table.columns if not c.nullable or _is_looked_for(c)]
    values = ", ".join(
        _value(table, column, instance_id, is_sqlite=is_sqlite) for column in columns
    )
    names = ", ".join(f'"{column.name}"' for column in columns)
    if not is_sqlite:
        numbers = f"generate_series({first}, {last}) AS numbers(n)"
        statement = f'INSERT INTO "{table.name}" ({names}) SELECT {values} FROM {numbers}'
    else:
        numbers = (
            f"WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL "
            f"SELECT n + 1 FROM numbers LIMIT {last - first + 1})"
        )
        statement = f'{numbers} INSERT INTO "{table.name}" ({names}) SELECT {values} FROM numbers'
    connection.exec_driver_sql(statement)


def _is_looked_for(column: Column[Any]) -> bool:
    """Ids of others are filled in, or their indexes would be empty."""
    return column.name in {"user_id", "actor_id", "subject_id", "sid", "parent_hash", "jti"}


def _value(table: Table, column: Column[Any], instance_id: str, *, is_sqlite: bool) -> str:
    kind, name = column.type, column.name
    is_key = column.primary_key
    if name == "instance_id":
        return f"'{instance_id}'"
    if isinstance(kind, JSON):
        return "'{}'" if name in _MAPS else "'[\"x\"]'"
    if isinstance(kind, Boolean):
        return "true" if table.name == "users" else "false"
    if isinstance(kind, Double):
        # One of a hundred has ended; the others have a long time to go.
        return (
            f"{int(time.time())} + (CASE WHEN n - n / 100 * 100 = 0 THEN -n ELSE 1000000 + n END)"
        )
    if isinstance(kind, BigInteger | Integer):
        return f"n + {FEW}" if is_key else "1"  # after what is there already
    if isinstance(kind, Numeric):
        return "n"
    if isinstance(kind, LargeBinary):
        return "x'00'" if is_sqlite else "'\\x00'::bytea"
    if isinstance(kind, Date | DateTime):
        return "'2026-01-01'"
    if name in _WORDS and not is_key:
        return f"'{_WORDS[name]}'"
    length = getattr(kind, "length", None) or 64
    kinds = {"application_id": FEW, "writer_id": WRITERS}.get(name)
    number = "n" if kinds is None else f"n - n / {kinds} * {kinds}"
    # In order, for a row is added to the end of an index much faster than anywhere.
    padded = f"printf('%012d', {number})" if is_sqlite else f"lpad(({number})::text, 12, '0')"
    if length == 36:
        return f"'00000000-0000-0000-0000-' || {padded}"
    return "'x'" if length < 13 else f"'f' || {padded}"
