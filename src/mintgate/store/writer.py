"""The thread through which every write of a process goes, many in one transaction.

Work gathers while the event loop turns and while the last group is being committed; then one
transaction takes it all, and nobody is answered before the commit.

Work with a *lane* shares its transaction with work of the same lane only: what takes locks in an
order of its own must not hold those of others meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from mintgate.store.audit import AuditEvent
from mintgate.store.failures import DatabaseUnavailable
from mintgate.store.feed import Change
from mintgate.store.groups import Groups, Item, Outcome
from mintgate.store.tallies import COMMITS, GROUPS
from mintgate.store.transaction import Transaction

if TYPE_CHECKING:
    from mintgate.store.database import Database

T = TypeVar("T")
AT_ONCE = 8
"""Who are answered in one turn of the event loop. All at once, they would all be served before one
of them is read again, and the writer would have nothing to do meanwhile; then the loop would."""


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
        self._carrying = Groups(database)
        self._gathering_since = 0.0
        self._committing: tuple[int, float] = 0, 0.0

    @property
    def waiting(self) -> tuple[int, float]:
        """How many units are not committed yet, and the seconds that the oldest has waited."""
        now = time.monotonic()
        count, oldest = self._committing
        gathered, since = len(self._gathered), self._gathering_since
        if not count:
            oldest = since
        count += gathered
        return count, max(0.0, now - oldest) if count else 0.0

    def submit(
        self,
        work: Callable[[Transaction], T] | AuditEvent,
        lane: str | None = None,
        *,
        savepoint: bool = True,
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
            if not self._gathered:
                self._gathering_since = time.monotonic()
            self._gathered.append(Item(work, loop, future, lane, savepoint))
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
            self._committing = len(group), self._gathering_since
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
            GROUPS.note(len(group))
        self._carrying.disconnect()

    def _commit(self, group: list[Item]) -> None:
        begun = time.monotonic()
        results: list[Outcome] = []
        changes: list[Change] = []
        lanes = _lanes(group)
        for items in lanes:
            outcomes, made = self._carrying.carry_out(items)
            results += outcomes
            changes += made
        COMMITS.note(time.monotonic() - begun)
        self._committing = 0, 0.0
        if len(lanes) > 1:
            group = [item for items in lanes for item in items]
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
        for item, outcome in zip(group, results, strict=True):
            by_loop.setdefault(item.loop, []).append((item.future, outcome))
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
        with self._lock:
            self._is_busy = False
            must_wake = bool(self._gathered) and not self._is_waking
            self._is_waking = self._is_waking or must_wake
        loop = asyncio.get_running_loop()
        if must_wake:
            loop.call_soon(self._hand_over)
        self._answer(loop, answers)

    def _answer(
        self,
        loop: asyncio.AbstractEventLoop,
        answers: list[tuple[asyncio.Future[Any], Outcome]],
    ) -> None:
        for future, (succeeded, value) in answers[:AT_ONCE]:
            if future.done():
                continue
            if succeeded:
                future.set_result(value)
            else:
                future.set_exception(value)
        if len(answers) > AT_ONCE:
            loop.call_soon(self._answer, loop, answers[AT_ONCE:])


def _lanes(group: list[Item]) -> list[list[Item]]:
    """The group parted by lanes; in each, the order in which it was submitted."""
    if all(item.lane is None for item in group):
        return [group]
    lanes: dict[str | None, list[Item]] = {}
    for item in group:
        lanes.setdefault(item.lane, []).append(item)
    return list(lanes.values())
