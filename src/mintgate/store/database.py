"""Connections: the one way to read, and the one way to write.

Reads run in a small thread pool, writes in one thread a process (`writer`). The command line does
both in its own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from mintgate.contract.clock import Clock, system_clock
from mintgate.store import audit, notifying, tallies
from mintgate.store.addresses import database_url
from mintgate.store.audit import AuditEvent
from mintgate.store.engines import make_engine
from mintgate.store.failures import AWAY, CommitFailed, DatabaseUnavailable, translated
from mintgate.store.feed import Change
from mintgate.store.prepared import MAX_ROWS
from mintgate.store.transaction import PutOff, Transaction
from mintgate.store.writer import Writer

_log = logging.getLogger(__name__)
T = TypeVar("T")
READERS = 4
# A database that hangs must become a 503, not a server that hangs with it.
READ_SECONDS = 10.0


class Database:
    """One database, as SQLAlchemy names it: `sqlite:///file` or `postgresql+psycopg://…`.

    Args:
        url: where it is.
        clock: stamps audit and feed rows.
        notify_url: where PostgreSQL itself is heard when `url` leads to a pooler.
        read_url: a replica, for reports that may be some seconds old.

    Raises:
        DatabaseUnavailable: the URL is not understood.
    """

    def __init__(
        self,
        url: str | URL,
        clock: Clock = system_clock,
        *,
        notify_url: str | URL | None = None,
        read_url: str | URL | None = None,
    ) -> None:
        try:
            self.url = database_url(url)
            self.notify_url = self.url if notify_url is None else database_url(notify_url)
            self.engine = tallies.watch(make_engine(self.url, READERS + 3))
            self._replica = (
                None if read_url is None else make_engine(database_url(read_url), READERS)
            )
        except (ArgumentError, ImportError) as error:
            raise DatabaseUnavailable(f"not a usable database URL: {error}") from None
        self._reading = self.engine.execution_options(mintgate_writes=False)
        self.clock = clock
        self.on_commit: Callable[[list[Change]], None] = lambda changes: None
        """Told of committed feed entries of this process, in the event loop's thread."""
        self._chain = audit.Chain()
        self._chain_lock = threading.Lock()
        self._readers = ThreadPoolExecutor(READERS, "mintgate-read")
        self._looker = ThreadPoolExecutor(1, "mintgate-look")
        self._writer = Writer(self)

    @property
    def waiting(self) -> tuple[int, float]:
        """How much work waits for its commit, and since how many seconds the oldest of it does."""
        return self._writer.waiting

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a connection of its own, off the event loop.

        Raises:
            DatabaseUnavailable: it fails, or gives no answer within ten seconds.
        """
        return await self._read_in(self._readers, work, self.read_now)

    async def look(self, work: Callable[[Connection], T]) -> T:
        """The same in a thread where no other reading comes first, for who follows the feed."""
        return await self._read_in(self._looker, work, self.read_now)

    async def _read_in(
        self,
        threads: ThreadPoolExecutor,
        work: Callable[[Connection], T],
        read: Callable[[Callable[[Connection], T]], T],
    ) -> T:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await loop.run_in_executor(threads, read, work)
        except TimeoutError:
            raise DatabaseUnavailable("the database does not answer") from None

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """The same in the calling thread, for the command line."""

        def begun(connection: Connection) -> T:
            # Not left to the first statement: some go past SQLAlchemy. All see one moment, within
            # the limits that a transaction has behind a pooler.
            connection.begin()
            return work(connection)

        return self._without_transaction(begun)

    def _without_transaction(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._reading.connect() as connection:
                return work(connection)
        except AWAY as error:
            raise translated(error) from error

    async def report(self, work: Callable[[Connection], T]) -> T:
        """Run `work` where it may see rows as they were some seconds ago, if there is a replica.

        Never for what decides about a token, a session or a single use.

        Raises:
            DatabaseUnavailable: the replica does not answer, and the primary does not either.
        """
        return await self._read_in(self._readers, work, self.report_now)

    def report_now(self, work: Callable[[Connection], T]) -> T:
        """The same in the calling thread."""
        if self._replica is not None:
            try:
                with self._replica.connect() as connection:
                    connection.begin()
                    return work(connection)
            except DBAPIError as error:  # it is away, or lags behind a migration
                _log.warning("the replica cannot be read, the primary is: %s", error.orig)
        return self.read_now(work)

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
                self.commit(
                    connection, transaction.events, transaction.changes, transaction.put_off
                )
        except CommitFailed as failed:
            raise translated(failed.cause) from failed
        except AWAY as error:
            raise translated(error) from error

    def commit(
        self,
        connection: Connection,
        events: list[AuditEvent],
        changes: Sequence[Change] = (),
        put_off: PutOff | None = None,
    ) -> None:
        """Insert events at the end of this process's audit chain, and commit.

        The chain's head moves only once the commit has succeeded, so that it has no gap.

        Args:
            changes: what was appended to the state feed; other processes hear of it.
            put_off: rows that are still to be inserted.

        Raises:
            CommitFailed: it is unknown whether the commit happened.
        """
        if put_off is not None:
            put_off.insert(connection)
        if changes and not self.is_sqlite:
            notifying.notify(connection, changes)
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
        """Insert events in one statement, which the database commits by itself.

        Most groups are the audit rows of issued tokens and nothing else: this spares them the
        two statements of a transaction. False when it cannot be done, and nothing was.

        Raises:
            CommitFailed: it is unknown whether they were committed.
        """
        if len(events) > MAX_ROWS:
            return False
        if self.is_sqlite:
            self._append(connection, events)
            return True
        from mintgate.store import postgresql

        if not postgresql.may_commit_by_itself(connection):
            return False
        with postgresql.committing_by_itself(connection):
            self._append(connection, events)
        return True

    def _append(self, connection: Connection, events: list[AuditEvent]) -> None:
        with self._chain_lock:
            try:
                heads = audit.append(connection, self._chain, events)
            except DBAPIError:
                self._chain = audit.Chain()  # as in `commit`
                raise
            self._chain.advance(heads)

    async def copy_journal(self) -> None:
        """Copy SQLite's journal into its file, beside the writer.

        Left alone it does so every 4,000 pages after a commit, and whoever waits for the writer
        waits for thousands of scattered writes. After much work for the writer this spares it that.

        Raises:
            DatabaseUnavailable: it cannot be read.
        """
        if self.is_sqlite:
            await self._read_in(self._readers, _copy_journal, self._without_transaction)

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

    def take_time(self, connection: Connection) -> None:
        """Lift the limits on how long statements take, for the transaction on `connection`."""
        if not self.is_sqlite:
            from mintgate.store import postgresql

            postgresql.take_time(connection)

    def is_in_transaction(self, connection: Connection) -> bool:
        """Whether the database still has the transaction that was begun on `connection`."""
        if not self.is_sqlite:
            return connection.in_transaction()
        return bool(getattr(connection.connection.dbapi_connection, "in_transaction", False))

    def close(self) -> None:
        """Finish what was submitted, then let go of every connection."""
        self._writer.stop()
        self._readers.shutdown()
        self._looker.shutdown()
        self.engine.dispose()
        if self._replica is not None:
            self._replica.dispose()


def _copy_journal(connection: Connection) -> None:
    # Past SQLAlchemy, which would begin a transaction.
    raw: Any = connection.connection.dbapi_connection
    raw.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
