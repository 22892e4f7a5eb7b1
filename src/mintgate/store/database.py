"""Connections: the one way to read, and the one way to write.

Reads run in a small thread pool, writes in one thread a process (`writer`). The command line does
both in its own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from mintgate.contract.clock import Clock, system_clock
from mintgate.store import audit
from mintgate.store.audit import AuditEvent
from mintgate.store.feed import Change
from mintgate.store.transaction import (
    AWAY,
    CommitFailed,
    DatabaseUnavailable,
    Transaction,
    translated,
)
from mintgate.store.writer import Writer

T = TypeVar("T")
READERS = 4
BUSY_TIMEOUT_MS = 5000
# A database that hangs must become a 503, not a server that hangs with it.
READ_SECONDS = 10.0
POSTGRESQL_LIMITS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 5000,
    "options": "-c statement_timeout=5000 -c lock_timeout=5000",
}


class Database:
    """One database, as SQLAlchemy names it: `sqlite:///file` or `postgresql+psycopg://…`.

    Args:
        url: where it is.
        clock: stamps audit and feed rows.

    Raises:
        DatabaseUnavailable: the URL is not understood.
    """

    def __init__(self, url: str | URL, clock: Clock = system_clock) -> None:
        try:
            self.url = make_url(url)
            if self.url.drivername == "postgresql":
                self.url = self.url.set(drivername="postgresql+psycopg")
            self.engine = _engine(self.url)
        except (ArgumentError, ImportError) as error:
            raise DatabaseUnavailable(f"not a usable database URL: {error}") from None
        self._reading = self.engine.execution_options(mintgate_writes=False)
        self.clock = clock
        self.on_commit: Callable[[list[Change]], None] = lambda changes: None
        """Told of committed feed entries of this process, in the event loop's thread."""
        self._chain = audit.Chain()
        self._chain_lock = threading.Lock()
        self._readers = ThreadPoolExecutor(READERS, "mintgate-read")
        self._writer = Writer(self)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a connection of its own, off the event loop.

        Raises:
            DatabaseUnavailable: it fails, or gives no answer within ten seconds.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await loop.run_in_executor(self._readers, self.read_now, work)
        except TimeoutError:
            raise DatabaseUnavailable("the database does not answer") from None

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """The same in the calling thread, for the command line."""
        try:
            with self._reading.connect() as connection:
                return work(connection)
        except AWAY as error:
            raise translated(error) from error

    async def write(
        self, work: Callable[[Transaction], T], *, lane: str | None = None, savepoint: bool = True
    ) -> T:
        """Run `work` in the writer's thread; returns after the commit.

        Args:
            lane: its transaction is shared with work of the same lane only.
            savepoint: False for work that hardly ever raises: two statements less, but when it
                raises in a group, all of the group is undone and done again one by one.

        `work` may run a second time, when another unit of its group made the whole group fail:
        it must have no effect but through its transaction.
        """
        return await self._writer.submit(work, lane, savepoint=savepoint)

    def record(self, event: AuditEvent) -> asyncio.Future[None]:
        """Append one audit event; await the future before the answer leaves."""
        return self._writer.submit(event)

    @contextlib.contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A transaction in the calling thread, for the command line."""
        try:
            with self.engine.connect() as connection:
                connection.begin()
                transaction = Transaction(connection, self.clock)
                yield transaction
                self.commit(connection, transaction.events)
        except CommitFailed as failed:
            raise translated(failed.cause) from failed
        except AWAY as error:
            raise translated(error) from error

    def commit(self, connection: Connection, events: list[AuditEvent]) -> None:
        """Insert events at the end of this process's audit chain, and commit.

        The chain's head moves only once the commit has succeeded, so that it has no gap.

        Raises:
            CommitFailed: it is unknown whether the commit happened.
        """
        with self._chain_lock:
            heads = audit.append(connection, self._chain, events) if events else {}
            try:
                connection.commit()
            except Exception as error:
                # Whether the chain goes on from here is unknown: what comes is another one.
                self._chain = audit.Chain()
                raise CommitFailed(error) from error
            self._chain.advance(heads)

    def append_alone(self, connection: Connection, events: list[AuditEvent]) -> bool:
        """Insert events in one statement, which SQLite commits by itself.

        Most groups are the audit rows of issued tokens and nothing else: this spares them the
        two statements of a transaction. False when it cannot be done, and nothing was.
        """
        raw: Any = connection.connection.dbapi_connection
        if not isinstance(raw, sqlite3.Connection) or len(events) > audit.MAX_ROWS:
            return False
        with self._chain_lock:
            linked, heads = self._chain.link(events)
            insert = audit.statement("sqlite", linked)
            try:
                raw.execute(*insert).close()
            except sqlite3.Error as error:
                self._chain = audit.Chain()  # as in `commit`
                raise OperationalError(insert[0], None, error) from error
            self._chain.advance(heads)
        return True

    async def copy_journal(self) -> None:
        """Copy SQLite's journal into its file, beside the writer.

        Left alone it does so every 1,000 pages after a commit, and whoever waits for the writer
        waits for a thousand scattered writes. After much work for the writer this spares it that.

        Raises:
            DatabaseUnavailable: it cannot be read.
        """
        if self.is_sqlite:
            await self.read(_copy_journal)

    def forget_erased(self) -> bool:
        """Have SQLite's file hold nothing any more of what was erased or overwritten.

        Its journal keeps pages as they were, and pages that were split keep copies of rows that
        have moved. PostgreSQL removes dead rows by itself (autovacuum).

        Returns:
            False when a reader held on to the journal: it goes when that one has ended.

        Raises:
            DatabaseUnavailable: it could not be rewritten; others write all the time.
        """
        if not self.is_sqlite:
            return True
        try:
            with self.engine.connect() as connection:
                raw: Any = connection.connection.dbapi_connection
                raw.execute("VACUUM").close()
                busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"the database refused: {error}") from error
        return not busy

    def is_in_transaction(self, connection: Connection) -> bool:
        """Whether the database still has the transaction that was begun on `connection`."""
        if not self.is_sqlite:
            return connection.in_transaction()
        return bool(getattr(connection.connection.dbapi_connection, "in_transaction", False))

    def close(self) -> None:
        """Finish what was submitted, then let go of every connection."""
        self._writer.stop()
        self._readers.shutdown()
        self.engine.dispose()


def _copy_journal(connection: Connection) -> None:
    # Past SQLAlchemy, which would begin a transaction, in which it is refused.
    raw: Any = connection.connection.dbapi_connection
    raw.execute("PRAGMA wal_checkpoint(PASSIVE)").close()


def _engine(url: URL) -> Engine:
    # hide_parameters: rows of others must not stand in an exception that is logged.
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            connect_args={"check_same_thread": False},
            pool_size=READERS + 2,
            hide_parameters=True,
        )
        event.listen(engine, "do_connect", _create_private)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if url.get_backend_name() == "postgresql":
        return create_engine(
            url,
            connect_args=POSTGRESQL_LIMITS,
            pool_size=READERS + 2,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    raise ArgumentError(f"{url.get_backend_name()} is not supported; use sqlite or postgresql")


def _create_private(_dialect: Any, _record: Any, arguments: list[str], _options: Any) -> None:
    # The file holds hashes of secrets. SQLite would make it readable for everyone; its journal
    # files take the mode of the file.
    file = arguments[0]
    if file and file != ":memory:":
        with contextlib.suppress(OSError):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver would start transactions by itself, too late for BEGIN IMMEDIATE.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        # What is erased must be gone from the file, too.
        "secure_delete=ON",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A reader must not take the write lock; the writer must take it before its first read.
    writes = connection.get_execution_options().get("mintgate_writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
