"""Connections, and the one way to read and the one way to write.

Reads run in a small thread pool. Writes run in one thread a process, many of them in one
transaction (group commit): each unit of work has its own savepoint, so that a failing one undoes
only itself, and an answer is given only after the commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, InternalError, OperationalError

from mintgate.contract.clock import Clock, system_clock
from mintgate.store import audit, feed
from mintgate.store.audit import AuditEvent
from mintgate.store.feed import Change

T = TypeVar("T")
AWAY = (OperationalError, InterfaceError, InternalError)
"""What drivers raise when the database is away, locked, full or read-only; not a broken rule."""
READERS = 4
BUSY_TIMEOUT_MS = 5000


class DatabaseUnavailable(Exception):
    """The database cannot be opened, read or written now; the message says what to do."""


class Transaction:
    """A connection in a transaction, with what must be committed together with it.

    Audit events and feed entries given here are written before the commit, in the same
    transaction as the change that they tell of.
    """

    def __init__(self, connection: Connection, now: float) -> None:
        self.connection = connection
        self.now = now
        self.events: list[AuditEvent] = []
        self.changes: list[Change] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    def changed(self, instance_id: str, kind: str, subject: str) -> None:
        self.changes.append(feed.append(self.connection, instance_id, kind, subject, self.now))


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
        self.writer_id = secrets.token_hex(8)
        self.on_commit: Callable[[list[Change]], None] = lambda changes: None
        """Told of committed feed entries of this process, in the event loop's thread."""
        self._sequence = 0
        self._sequence_lock = threading.Lock()
        self._readers = ThreadPoolExecutor(READERS, "mintgate-read")
        self._writer = _Writer(self)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a connection of its own, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """The same in the calling thread, for the command line."""
        try:
            with self._reading.connect() as connection:
                return work(connection)
        except AWAY as error:
            raise _translated(error) from error

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in the writer's thread; returns after the commit."""
        return await self._writer.submit(work)

    async def record(self, event: AuditEvent) -> None:
        """Append one audit event; returns after its group is committed."""
        await self._writer.submit(event)

    @contextlib.contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A transaction in the calling thread, for the command line."""
        try:
            with self.engine.begin() as connection:
                transaction = Transaction(connection, self.clock())
                yield transaction
                self.append_events(connection, transaction.events)
        except AWAY as error:
            raise _translated(error) from error

    def append_events(self, connection: Connection, events: list[AuditEvent]) -> None:
        """Number and insert events in this process's chain; the caller commits."""
        if not events:
            return
        with self._sequence_lock:
            first = self._sequence
            self._sequence += len(events)
        audit.append(connection, self.writer_id, first, events)

    def close(self) -> None:
        """Finish what was submitted, then let go of every connection."""
        self._writer.stop()
        self._readers.shutdown()
        self.engine.dispose()


class _Writer:
    """The thread that commits groups of work."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: list[tuple[Any, asyncio.AbstractEventLoop, asyncio.Future[Any]]] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def submit(self, work: Callable[[Transaction], T] | AuditEvent) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._wake:
            if self._stopping:
                raise DatabaseUnavailable("the server is shutting down")
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="mintgate-write", daemon=True
                )
                self._thread.start()
            self._pending.append((work, loop, future))
            if len(self._pending) == 1:
                self._wake.notify()
        return future

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._pending:
                    if self._stopping:
                        return
                    self._wake.wait()
                group, self._pending = self._pending, []
            self._commit(group)

    def _commit(
        self, group: list[tuple[Any, asyncio.AbstractEventLoop, asyncio.Future[Any]]]
    ) -> None:
        outcomes: list[tuple[bool, Any]] = []
        changes: list[Change] = []
        try:
            with self._database.engine.begin() as connection:
                events: list[AuditEvent] = []
                for work, _, _ in group:
                    if isinstance(work, AuditEvent):
                        events.append(work)
                        outcomes.append((True, None))
                    else:
                        outcomes.append(self._unit(connection, work, events, changes))
                self._database.append_events(connection, events)
        except Exception as error:  # noqa: BLE001 - handed to those who wait; the thread lives on
            # The whole group is undone, also the units that had worked.
            outcomes, changes = [(False, _translated(error))] * len(group), []
        by_loop: dict[asyncio.AbstractEventLoop, list[Any]] = {}
        for (_, loop, future), outcome in zip(group, outcomes, strict=True):
            by_loop.setdefault(loop, []).append((future, outcome))
        for loop, results in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._deliver, results, changes)

    def _unit(
        self,
        connection: Connection,
        work: Callable[[Transaction], Any],
        events: list[AuditEvent],
        changes: list[Change],
    ) -> tuple[bool, Any]:
        transaction = Transaction(connection, self._database.clock())
        try:
            with connection.begin_nested():
                result = work(transaction)
        except Exception as error:  # noqa: BLE001 - handed to the caller that waits for it
            return False, _translated(error)
        events += transaction.events
        changes += transaction.changes
        return True, result

    def _deliver(
        self, results: list[tuple[asyncio.Future[Any], tuple[bool, Any]]], changes: list[Change]
    ) -> None:
        # First the caches, then the answers: the next request sees the change [TOP-13].
        if changes:
            self._database.on_commit(changes)
        for future, (succeeded, value) in results:
            if future.done():
                continue
            if succeeded:
                future.set_result(value)
            else:
                future.set_exception(value)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url, connect_args={"check_same_thread": False}, pool_size=READERS + 2
        )
        event.listen(engine, "do_connect", _create_private)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_size=READERS + 2, pool_pre_ping=True)
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
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A reader must not take the write lock; the writer must take it before its first read.
    writes = connection.get_execution_options().get("mintgate_writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _translated(error: Exception) -> Exception:
    if isinstance(error, AWAY):
        return DatabaseUnavailable(f"the database refused: {error.orig}")
    return error
