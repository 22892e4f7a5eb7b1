"""The database that a copy goes into: empty at first, marked until it is whole."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Table, delete, func, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError

from mintgate.store import schema
from mintgate.store.database import Database
from mintgate.store.failures import AWAY, DatabaseUnavailable
from mintgate.store.portable.problems import CopyProblem
from mintgate.store.portable.snapshot import without_limits
from mintgate.store.portable.tables import TABLES, Row, key_of, writing
from mintgate.store.schema import Standing
from mintgate.store.tables import schema_state
from mintgate.store.transaction import Transaction

Purpose = Literal["copy", "restore", "backup"]


class Target:
    """Batches go in one transaction each; until the last one no program runs on the database.

    Args:
        run: by which it is seen in each transaction that nobody else has begun anew meanwhile.
    """

    def __init__(self, database: Database, run: str) -> None:
        self.database = database
        self._run = run

    @classmethod
    def begin(cls, database: Database, purpose: Purpose, *, restart: bool = False) -> Target:
        """Create the tables where there are none, see that they are empty, and mark them.

        Args:
            restart: empty what an earlier run has left; only what is marked is emptied.

        Raises:
            CopyProblem: it is not empty, or is the target of another run.
            DatabaseUnavailable: it cannot be written, or a newer program has migrated it.
        """
        found = schema.state(database)
        if found.unfinished is None:
            schema.upgrade(database)
            if found.standing is Standing.NEWER:
                raise CopyProblem(
                    f"the target has schema {found.revision} and this program knows up to "
                    f"{found.head}; use the newer release"
                )
        run = secrets.token_hex(16)
        with database.begin() as tx:
            without_limits(tx.connection)
            _claim(tx, purpose, run, restart=restart)
        return cls(database, run)

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Store a batch.

        Raises:
            CopyProblem: a row cannot be stored; the message names it.
        """
        with self.database.begin() as tx:
            self._require_mine(tx)
            try:
                with tx.connection.begin_nested():
                    _insert(tx.connection, table, rows)
            except (DatabaseUnavailable, *AWAY):
                raise
            except Exception as error:
                _raise_culprit(tx.connection, table, rows)
                raise CopyProblem(f"rows of {table.name} cannot be stored: {error}") from error

    def finish(self, last: Callable[[Transaction], None] = lambda tx: None) -> None:
        """Set what the engine counts by itself, do what is `last`, and take the mark away.

        All in one transaction: with its commit programs may run on the database.
        """
        with self.database.begin() as tx:
            without_limits(tx.connection)
            self._require_mine(tx)
            for table in TABLES:
                _set_sequences(tx.connection, table)
            last(tx)
            tx.connection.execute(
                update(schema_state).values(unfinished=None, run=None, since=None)
            )
        self._analyze()

    def _require_mine(self, tx: Transaction) -> None:
        statement = select(schema_state.c.run).with_for_update()
        if tx.connection.execute(statement).scalar_one() != self._run:
            raise CopyProblem("another run has taken the target over; this one has ended")

    def _analyze(self) -> None:
        # Without statistics the planner reads whole tables, until autovacuum has been there.
        with self.database.engine.begin() as connection:
            without_limits(connection)
            connection.exec_driver_sql("ANALYZE")


def _claim(tx: Transaction, purpose: Purpose, run: str, *, restart: bool) -> None:
    state = tx.connection.execute(select(schema_state).with_for_update()).one()
    if state.unfinished == "backup":
        raise CopyProblem("the target is the file of a backup; name an empty database")
    if state.unfinished is not None:
        if not restart:
            since = datetime.fromtimestamp(state.since, UTC)
            raise CopyProblem(
                f"the target holds a part of a {state.unfinished} that began at "
                f"{since:%Y-%m-%d %H:%M:%S}Z and has not ended. When it does not run any more, "
                "empty it and begin anew with --restart"
            )
        for table in reversed(TABLES):
            tx.connection.execute(delete(table))
    filled = [t.name for t in TABLES if tx.connection.execute(select(t).limit(1)).first()]
    if filled:
        raise CopyProblem(
            f"the target is not empty: it has rows in {', '.join(filled[:5])}. Name an empty "
            "database (on PostgreSQL: CREATE DATABASE …)"
        )
    tx.connection.execute(update(schema_state).values(unfinished=purpose, run=run, since=tx.now))


def _insert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    if connection.dialect.name == "postgresql":
        _copy_in(connection, table, rows)
        return
    names = [c.name for c in table.columns]
    connection.execute(insert(writing(table)), [dict(zip(names, row, strict=True)) for row in rows])


def _copy_in(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    from psycopg import OperationalError, sql

    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name),
        sql.SQL(", ").join(sql.Identifier(c.name) for c in table.columns),
    )
    driver: Any = connection.connection.dbapi_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as stream:
            for row in rows:
                stream.write_row(row)
    except OperationalError as error:
        raise DatabaseUnavailable(f"the database refused: {error}") from error


def _raise_culprit(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Raises CopyProblem for the first row that cannot be stored by itself."""
    for row in rows:
        try:
            with connection.begin_nested():
                _insert(connection, table, [row])
        except Exception as error:  # noqa: BLE001 - whatever the driver says of this row
            cause = error.orig if isinstance(error, DBAPIError) else error
            # Only its first line: the others may hold values of the row.
            said = str(cause).splitlines()[0]
            raise CopyProblem(
                f"the row {key_of(table, row)} of {table.name} cannot be stored: {said}"
            ) from None


def _set_sequences(connection: Connection, table: Table) -> None:
    """Have what PostgreSQL numbers by itself go on after the greatest number that was copied."""
    if connection.dialect.name != "postgresql":
        return
    for column in inspect(connection).get_columns(table.name):
        if column.get("identity") or "nextval(" in str(column.get("default") or ""):
            counter = func.pg_get_serial_sequence(f'"{table.name}"', column["name"])
            greatest = select(func.max(table.c[column["name"]])).scalar_subquery()
            connection.execute(select(func.setval(counter, func.coalesce(greatest, 0) + 1, False)))
