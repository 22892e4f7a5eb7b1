"""The thread through which every write of a process goes, many in one transaction.

Work gathers while the event loop turns and while the last group is being committed; then one
transaction takes it all. Each unit has a savepoint of its own, so that a failing one undoes only
itself, and nobody is answered before the commit.

Work with a *lane* shares its transaction with work of the same lane only: what takes locks in an
order of its own must not hold those of others meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from mintgate.store.audit import AuditEvent
from mintgate.store.feed import Change
from mintgate.store.transaction import (
    AWAY,
    CommitFailed,
    DatabaseUnavailable,
    Transaction,
    translated,
)

if TYPE_CHECKING:
    from mintgate.store.database import Database

T = TypeVar("T")
Item = tuple[Any, asyncio.AbstractEventLoop, asyncio.Future[Any], str | None]
Outcome = tuple[bool, Any]


class GroupUndone(Exception):
    """A group failed before its commit: all of it is undone.

    Args:
        is_lost: whether it was for the connection, and no unit's fault.
    """

    def __init__(self, cause: Exception, *, is_lost: bool = False) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.is_lost = is_lost or getattr(cause, "connection_invalidated", False)


class Writer:
    """Commits groups of work, one group at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathered: list[Item] = []
        self._groups: queue.SimpleQueue[list[Item] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_busy = False
        self._is_waking = False
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None

    def submit(
        self, work: Callable[[Transaction], T] | AuditEvent, lane: str | None = None
    ) -> asyncio.Future[T]:
        """Have `work` done in the next group; the future is resolved after its commit.

        Raises:
            DatabaseUnavailable: the server is shutting down.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._lock:
            if self._is_stopping:
                raise DatabaseUnavailable("the server is shutting down")
            self._gathered.append((work, loop, future, lane))
            must_wake = not (self._is_busy or self._is_waking)
            self._is_waking = self._is_waking or must_wake
        if must_wake:
            # At the end of this turn of the loop, so that the turn's other requests come along.
            loop.call_soon(self._hand_over)
        return future

    def stop(self) -> None:
        """Commit what was submitted, then end the thread."""
        with self._lock:
            self._is_stopping = True
            group, self._gathered = self._gathered, []
            thread = self._thread
            if group and thread is None:
                thread = self._start_thread()
        if thread is not None:
            if group:
                self._groups.put(group)
            self._groups.put(None)
            thread.join()

    def _hand_over(self) -> None:
        with self._lock:
            self._is_waking = False
            if self._is_busy or not self._gathered or self._is_stopping:
                return
            self._is_busy = True
            group, self._gathered = self._gathered, []
            if self._thread is None:
                self._start_thread()
        self._groups.put(group)

    def _start_thread(self) -> threading.Thread:
        self._thread = threading.Thread(target=self._run, name="mintgate-write", daemon=True)
        self._thread.start()
        return self._thread

    def _run(self) -> None:
        while (group := self._groups.get()) is not None:
            self._commit(group)
        self._disconnect()

    def _commit(self, group: list[Item]) -> None:
        results: list[Outcome] = []
        changes: list[Change] = []
        lanes = _lanes(group)
        for items in lanes:
            outcomes, made = self._outcomes(items)
            results += outcomes
            changes += made
        if len(lanes) > 1:
            group = [item for items in lanes for item in items]
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
        for (_, loop, future, _), outcome in zip(group, results, strict=True):
            by_loop.setdefault(loop, []).append((future, outcome))
        told = False
        for loop, answers in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._deliver, answers, changes)
                told = True
        if not told:
            with self._lock:
                self._is_busy = False

    def _deliver(
        self, answers: list[tuple[asyncio.Future[Any], Outcome]], changes: list[Change]
    ) -> None:
        # First the caches, then the answers: the next request sees the change [TOP-13].
        if changes:
            self._database.on_commit(changes)
        for future, (succeeded, value) in answers:
            if future.done():
                continue
            if succeeded:
                future.set_result(value)
            else:
                future.set_exception(value)
        with self._lock:
            self._is_busy = False
            must_wake = bool(self._gathered) and not self._is_waking
            self._is_waking = self._is_waking or must_wake
        if must_wake:
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _outcomes(
        self, group: list[Item], *, may_repeat: bool = True
    ) -> tuple[list[Outcome], list[Change]]:
        try:
            return self._transact(group)
        except GroupUndone as undone:
            if len(group) == 1 or undone.is_lost:
                if may_repeat and isinstance(undone.cause, AWAY):
                    # The connection may have died of old age: once more, on a new one.
                    return self._outcomes(group, may_repeat=False)
                return [(False, translated(undone.cause))] * len(group), []
        except Exception as error:  # noqa: BLE001 - handed to those who wait; the thread lives on
            # The commit failed, and may have happened or not: nobody is told that it did, and
            # nothing is tried again.
            return [(False, translated(error))] * len(group), []
        # Nothing of the group was kept. Alone, only the culprit fails again.
        results: list[Outcome] = []
        changes: list[Change] = []
        for item in group:
            outcomes, made = self._outcomes([item])
            results += outcomes
            changes += made
        return results, changes

    def _transact(self, group: list[Item]) -> tuple[list[Outcome], list[Change]]:
        outcomes: list[Outcome] = []
        changes: list[Change] = []
        events: list[AuditEvent] = []
        connection = self._connected()
        try:
            alone = [work for work, *_ in group if isinstance(work, AuditEvent)]
            if len(alone) == len(group) and self._database.append_alone(connection, alone):
                return [(True, None)] * len(group), []
            connection.begin()
            for work, *_ in group:
                if isinstance(work, AuditEvent):
                    events.append(work)
                    outcomes.append((True, None))
                else:
                    outcomes.append(self._unit(connection, work, events, changes))
            self._database.commit(connection, events, changes)
        except CommitFailed as failed:
            self._disconnect()
            raise failed.cause from failed
        except Exception as error:
            self._disconnect()
            raise GroupUndone(error) from error
        return outcomes, changes

    def _connected(self) -> Connection:
        """The thread's own connection; a failure ends it, and with it what it had begun."""
        if self._connection is None:
            try:
                self._connection = self._database.engine.connect()
            except Exception as error:
                raise GroupUndone(error, is_lost=True) from error
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.rollback()
            with contextlib.suppress(Exception):
                connection.close()

    def _unit(
        self,
        connection: Connection,
        work: Callable[[Transaction], Any],
        events: list[AuditEvent],
        changes: list[Change],
    ) -> Outcome:
        transaction = Transaction(connection, self._database.clock)
        try:
            with connection.begin_nested():
                result = work(transaction)
        except AWAY:
            raise
        except Exception as error:
            # On some errors (a full disk) SQLite ends the whole transaction by itself; what came
            # before in the group is gone then, and must not be answered as kept.
            if not self._database.is_in_transaction(connection):
                raise
            return False, error
        events += transaction.events
        changes += transaction.changes
        return True, result


def _lanes(group: list[Item]) -> list[list[Item]]:
    """The group parted by lanes; in each, the order in which it was submitted."""
    if all(item[3] is None for item in group):
        return [group]
    lanes: dict[str | None, list[Item]] = {}
    for item in group:
        lanes.setdefault(item[3], []).append(item)
    return list(lanes.values())
