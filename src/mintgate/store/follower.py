"""Following the state feed: what another process committed is known here within a second.

PostgreSQL tells at once that there is something to read (`notifications`); that and everything
that was not told is found by looking four times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, PoolProxiedConnection

from mintgate.contract.clock import Clock
from mintgate.store import feed
from mintgate.store.database import Database
from mintgate.store.failures import DatabaseUnavailable
from mintgate.store.feed import Change
from mintgate.store.notifying import Heard

_log = logging.getLogger(__name__)
POLL_SECONDS = 0.25
LEAST_POLL_SECONDS = 0.02
"""Between two looks, however often there is something new."""
FRESH_SECONDS = 1.0
"""[TOP-13] Older than this, what is cached may be wrong and readers ask the database."""
STALE_SECONDS = 60.0
"""For how long tokens are judged by what was known last, while the database is away."""
_PATIENCE = (0.25,) * 12
"""Waits for one look, after which the database counts as away. Several: a process that was stopped
finds one of them over at once, though the database has answered."""


class Follower:
    """Polls the feed of every instance and tells of each change once, in order.

    Args:
        on_change: called in the event loop's thread with committed changes.
        on_gap: called when changes were missed or the database was restored from a backup: nothing
            that was read before holds.
        clock: monotonic seconds.
        stale_state_seconds: how old what is known may be and still decide while the database is
            away; 0: not at all.
    """

    def __init__(
        self,
        database: Database,
        on_change: Callable[[list[Change]], None],
        clock: Clock = time.monotonic,
        on_gap: Callable[[], None] = lambda: None,
        *,
        stale_state_seconds: float = STALE_SECONDS,
    ) -> None:
        self._database = database
        self._on_change = on_change
        self._on_gap = on_gap
        self._clock = clock
        self._stale_state_seconds = stale_state_seconds
        self._positions: dict[str, int] = {}
        self._polled_at = float("-inf")
        self._is_away = False
        self._data_version: int | None = None
        self._watching: PoolProxiedConnection | None = None
        self._woken = asyncio.Event()
        self._polling = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def age(self) -> float:
        """Seconds since everything that was committed was known here; infinite before that."""
        return self._clock() - self._polled_at

    @property
    def is_fresh(self) -> bool:
        """Whether the last good poll is at most a second old."""
        return self.has_followed()

    def has_followed(self) -> bool:
        """The same, for whoever asks at every request."""
        return self._clock() - self._polled_at <= FRESH_SECONDS

    def goes_on(self) -> bool:
        """Whether what was known last still decides, though it is not fresh.

        Only while the database does not answer this process: as long as it does, it is asked.
        """
        return self._is_away and self.age <= self._stale_state_seconds

    def position_of(self, instance_id: str) -> int:
        """The number of the last change that was told."""
        return self._positions.get(instance_id, 0)

    async def start(self) -> None:
        """Take today's positions as the beginning, then follow until `stop`."""
        self._positions = await self._database.look(feed.positions)
        self._polled_at = self._clock()
        self._database.on_commit = self._own_changes
        self._tasks = [asyncio.create_task(self._follow())]
        if not self._database.is_sqlite:
            from mintgate.store.notifications import Notifications

            notifications = Notifications(self._database, self._hear, self._woken.set)
            self._tasks.append(asyncio.create_task(notifications.run()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._stop_watching()

    async def poll(self) -> None:
        """Look once. The position moves only after the changes were told."""
        async with self._polling:
            await self._poll()

    async def _poll(self) -> None:
        started = self._clock()
        version = await self._database.look(self._version)
        if version is not None and version == self._data_version:
            self._polled_at = started
            return
        before = dict(self._positions)  # this process may commit more meanwhile
        newest = await self._database.look(feed.positions)
        for instance_id, position in newest.items():
            if position < before.get(instance_id, 0):
                self._meet_gap(instance_id, position)
            else:
                await self._catch_up(instance_id, position)
        # Only now: had a read above failed, the next poll must look again.
        self._data_version = version
        self._polled_at = started

    async def _catch_up(self, instance_id: str, position: int) -> None:
        while (known := self._positions.setdefault(instance_id, 0)) < position:
            changes = await self._database.look(partial(_after, instance_id, known))
            if not changes or changes[0].position != known + 1:
                self._meet_gap(instance_id, position)
                return
            self._tell(changes)

    def _meet_gap(self, instance_id: str, position: int) -> None:
        _log.warning(
            "the state feed has a gap after %s: everything is read anew",
            self.position_of(instance_id),
        )
        self._on_gap()
        self._positions[instance_id] = position

    def _tell(self, changes: list[Change]) -> None:
        # What this process committed while they were read has been told.
        known = self.position_of(changes[-1].instance_id)
        self._on_change([change for change in changes if change.position > known])
        self._positions[changes[-1].instance_id] = max(known, changes[-1].position)

    def _own_changes(self, changes: list[Change]) -> None:
        """Tell of what this process committed; a poll need not read what follows at once."""
        self._on_change(changes)
        for change in changes:
            if self._positions.get(change.instance_id, 0) == change.position - 1:
                self._positions[change.instance_id] = change.position

    def _hear(self, heard: Heard) -> None:
        if heard.position > self.position_of(heard.instance_id):
            self._woken.set()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LEAST_POLL_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS - LEAST_POLL_SECONDS):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self._poll_with_patience()
                self._note_away(None)
            except DatabaseUnavailable as error:
                self._note_away(error)
                self._stop_watching()
            except Exception:  # noqa: BLE001 - logged, and nothing ends by it
                # While nothing can be read, `is_fresh` turns false and readers go to the database
                # themselves. Whatever it was, following must go on.
                _log.exception("the state feed could not be read")
                self._stop_watching()

    async def _poll_with_patience(self) -> None:
        poll = asyncio.create_task(self.poll())
        try:
            for seconds in _PATIENCE:
                if (await asyncio.wait({poll}, timeout=seconds))[0]:
                    break
            else:
                self._note_away(DatabaseUnavailable("the database does not answer"))
            await poll
        finally:
            poll.cancel()

    def _note_away(self, error: DatabaseUnavailable | None) -> None:
        if error is not None and not self._is_away:
            _log.error("the state feed cannot be read: %s", error)
        elif error is None and self._is_away:
            _log.warning("the state feed is read again")
        self._is_away = error is not None

    def _version(self, _: Connection) -> int | None:
        # SQLite tells cheaply whether any other connection has committed; it must be asked on
        # the same connection each time, and outside of a transaction.
        if not self._database.is_sqlite:
            return None
        if self._watching is None:
            self._watching = self._database.engine.raw_connection()
        cursor = self._watching.cursor()
        version: int = cursor.execute("PRAGMA data_version").fetchone()[0]
        cursor.close()
        return version

    def _stop_watching(self) -> None:
        # Another connection counts from elsewhere, so the last version means nothing any more.
        self._data_version = None
        if self._watching is not None:
            with contextlib.suppress(Exception):
                self._watching.close()
            self._watching = None


def _after(instance_id: str, position: int, connection: Connection) -> list[Change]:
    return feed.after(connection, instance_id, position)
