"""Putting millions of rows into the tables that the migrations made, fast."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table, text

from bench.growth.rows import Row
from mintgate.store import Database

CACHE_KIB = 3 * 1024 * 1024
"""Random keys go into the whole index at once: in a small cache every one of them is a read."""


def fill(url: str, table: Table, rows: Iterable[Row]) -> None:
    """Insert rows, each with the columns of `table` in order; nobody else may be connected."""
    database = Database(url)
    try:
        if database.is_sqlite:
            _fill_sqlite(str(database.url.database), table, rows)
        else:
            _fill_postgresql(database, table, rows)
    finally:
        database.close()


def _fill_sqlite(file: str, table: Table, rows: Iterable[Row]) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        # Nothing protects these rows while they are written: a run that dies starts anew.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        places = ", ".join("?" for _ in table.columns)
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        statement = f"INSERT INTO {table.name} ({columns}) VALUES ({places})"  # noqa: S608 - ours
        connection.execute("BEGIN")
        connection.executemany(statement, rows)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
    finally:
        connection.close()


def _fill_postgresql(database: Database, table: Table, rows: Iterable[Row]) -> None:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    with database.engine.begin() as connection:
        database.take_time(connection)
        raw: Any = connection.connection.dbapi_connection
        with raw.cursor().copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    # What its autovacuum does by itself a minute later.
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.connection.dbapi_connection.answer_seconds = float("inf")  # type: ignore[union-attr]
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text(f"VACUUM ANALYZE {table.name}"))
