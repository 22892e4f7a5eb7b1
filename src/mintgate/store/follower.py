"""Following the state feed: what another process committed is known here within a second."""

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
from mintgate.store.feed import Change

_log = logging.getLogger(__name__)
POLL_SECONDS = 0.25
FRESH_SECONDS = 1.0
"""[TOP-13] Older than this, what is cached may be wrong and readers ask the database."""


class Follower:
    """Polls the feed of every instance and tells of each change once, in order.

    Args:
        on_change: called in the event loop's thread with committed changes.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        database: Database,
        on_change: Callable[[list[Change]], None],
        clock: Clock = time.monotonic,
    ) -> None:
        self._database = database
        self._on_change = on_change
        self._clock = clock
        self._positions: dict[str, int] = {}
        self._polled_at = float("-inf")
        self._data_version: int | None = None
        self._watching: PoolProxiedConnection | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether the last good poll is at most a second old."""
        return self.has_followed()

    @property
    def age(self) -> float:
        """Seconds since the last good poll; infinite before the first."""
        return self._clock() - self._polled_at

    def has_followed(self) -> bool:
        """The same, for whoever asks at every request."""
        return self._clock() - self._polled_at <= FRESH_SECONDS

    def position_of(self, instance_id: str) -> int:
        """The number of the last change that was told."""
        return self._positions.get(instance_id, 0)

    async def start(self) -> None:
        """Take today's positions as the beginning, then follow until `stop`."""
        self._positions = await self._database.read(feed.positions)
        self._polled_at = self._clock()
        self._database.on_commit = self._on_change
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._stop_watching()

    async def poll(self) -> None:
        """Look once. The position moves only after the changes were told."""
        started = self._clock()
        version = await self._database.read(self._version)
        if version is not None and version == self._data_version:
            self._polled_at = started
            return
        newest = await self._database.read(feed.positions)
        for instance_id, position in newest.items():
            known = self._positions.setdefault(instance_id, 0)
            while known < position:
                changes = await self._database.read(partial(_after, instance_id, known))
                if not changes:
                    raise LookupError("the state feed has a gap")
                self._on_change(changes)
                known = self._positions[instance_id] = changes[-1].position
        # Only now: had a read above failed, the next poll must look again.
        self._data_version = version
        self._polled_at = started

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.poll()
            except Exception:  # noqa: BLE001 - logged, and nothing ends by it
                # While nothing can be read, `is_fresh` turns false and readers go to the database
                # themselves. Whatever it was, following must go on.
                _log.exception("the state feed could not be read")
                self._stop_watching()

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
