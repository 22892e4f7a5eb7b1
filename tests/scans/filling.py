"""Rows in every table, made by the database itself."""

# ruff: noqa: S608 - names of tables and numbers, all of them ours

from __future__ import annotations

import time
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

from mintgate.store import Database
from mintgate.store.records import catalog  # noqa: F401 - the tables of the data
from mintgate.store.tables import metadata

FEW = 2_000
WRITERS = 50
"""Processes that have written to the audit log; its checkpoints name each."""
SMALL = {
    "instances": "one row for each instance",
    "licence_pools": "one row for each instance",
    "signing_keys": "a handful for each instance, read whole",
    "apis": "those that administrators declare, read whole",
    "audit_keys": "a few for each instance",
    "audit_checkpoints": "one in some minutes, and forged ones would be found out",
    "audit_heads": "as the checkpoints",
    "reserved_seats": "at most as many as there are licences",
    "gen_currencies": "the currencies of the world",
    "gen_enterprise_companies": "those that the enterprise consists of",
    "crm_customer_types": "those that administrators declare",
}
"""Tables that stay small by what they are; they are not filled."""
FEWER = {"applications": FEW}
_MAPS = {"name", "data", "parameters", "claims"}
_WORDS = {
    "user_type": "InternalUser",
    "client_type": "Confidential",
    "reference_tokens": "None",
    "kind": "SAT",
    "seat": "GENERAL",
}


def fill(database: Database, instance_id: str, rows: int) -> None:
    """Give every table so many rows of one instance, and tell the planner of them."""
    with database.engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        if database.is_sqlite:
            for pragma in ("synchronous=OFF", "cache_size=-400000"):
                raw.execute(f"PRAGMA {pragma}").close()
        else:
            raw.answer_seconds = float("inf")
        connection.begin()
        if not database.is_sqlite:
            database.take_time(connection)
        for table in metadata.sorted_tables:
            if table.name not in SMALL:
                _fill(connection, table, instance_id, FEWER.get(table.name, rows))
        position = f"UPDATE instances SET feed_position = {FEW + rows}"
        connection.exec_driver_sql(position)
        if not database.is_sqlite:
            connection.exec_driver_sql("ANALYZE")
        connection.commit()


def _fill(connection: Connection, table: Table, instance_id: str, rows: int) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    columns = [c for c in table.columns if not c.nullable or _is_looked_for(c)]
    values = ", ".join(
        _value(table, column, instance_id, is_sqlite=is_sqlite) for column in columns
    )
    names = ", ".join(f'"{column.name}"' for column in columns)
    if not is_sqlite:
        numbers = f"generate_series(1, {rows}) AS numbers(n)"
        statement = f'INSERT INTO "{table.name}" ({names}) SELECT {values} FROM {numbers}'
    else:
        numbers = (
            "WITH RECURSIVE numbers(n) AS "
            f"(SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT {rows})"
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
