"""Reading a database as it was at one moment, bit by bit, beside those who write it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection, Table, func, select

from mintgate.store import feed
from mintgate.store.database import Database
from mintgate.store.failures import AWAY, translated
from mintgate.store.portable.tables import Row, reading
from mintgate.store.tables import audit_events

BATCH_ROWS = 2000


class Snapshot:
    """All rows as they were when it was opened; each batch is forgotten before the next."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.mark = mark(connection)
        """By which it can be seen whether somebody has written since."""

    def count(self, table: Table) -> int:
        counted: int = self._connection.execute(
            select(func.count()).select_from(table)
        ).scalar_one()
        return counted

    def batches(self, table: Table, *, in_order: bool = False) -> Iterator[list[Row]]:
        """The rows, some at a time, as `tables.reading` has them."""
        result = self._connection.execution_options(stream_results=True).execute(
            reading(table, self._connection.dialect, in_order=in_order)
        )
        with result:
            for batch in result.partitions(BATCH_ROWS):
                yield [tuple(row) for row in batch]


Mark = tuple[object, ...]


@contextlib.contextmanager
def snapshot(database: Database) -> Iterator[Snapshot]:
    """One transaction that sees nothing of what is committed after its beginning.

    On SQLite a read transaction does that (WAL); on PostgreSQL one in REPEATABLE READ.

    Raises:
        DatabaseUnavailable: it cannot be read.
    """
    engine = database.engine.execution_options(mintgate_writes=False)
    try:
        with engine.connect() as connection:
            if not database.is_sqlite:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                without_limits(connection)
                yield Snapshot(connection)
    except AWAY as error:
        raise translated(error) from error


def without_limits(connection: Connection) -> None:
    """Let the statements of this transaction take as long as a large table needs."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def mark(connection: Connection) -> Mark:
    """Another one after anything that matters was written: it is in the feed or the audit log."""
    latest = {
        instance_id: connection.execute(
            select(func.max(audit_events.c.at)).where(audit_events.c.instance_id == instance_id)
        ).scalar_one()
        for instance_id in feed.positions(connection)
    }
    return (feed.positions(connection), latest)
