"""Where processes add up what they counted: rows, or Valkey with rows behind it.

When Valkey is away nobody is let through unlimited and nobody refused for it: counting goes on
through the database, and without one each process counts by itself, as it does between two
exchanges anyway.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from mintgate.contract.clock import Clock
from mintgate.store import Database, rate_counters
from mintgate.store.rate_counters import LANE, Addition
from mintgate.store.valkey_counters import CountersUnavailable, ValkeyCounters

_log = logging.getLogger(__name__)
REMIND_SECONDS = 60.0
"""Between two lines in the log about the same outage."""
Found = dict[tuple[str, int], int]


class Sums(Protocol):
    """Adds requests up over processes."""

    async def add(self, additions: Sequence[Addition]) -> Found:
        """The sums of all, as `rate_counters.add` gives them.

        Raises:
            DatabaseUnavailable, CountersUnavailable: nothing can be had now.
        """

    @property
    def changed_places(self) -> int:
        """How often sums began to come from elsewhere, where what was told before is not known."""


class DatabaseSums:
    """Sums of one instance in rows."""

    changed_places = 0

    def __init__(self, database: Database, instance_id: str) -> None:
        self._database = database
        self._instance_id = instance_id

    async def add(self, additions: Sequence[Addition]) -> Found:
        work = partial(rate_counters.add, instance_id=self._instance_id, additions=additions)
        return await self._database.write(work, lane=LANE)


class ValkeySums:
    """Sums in Valkey, and elsewhere as long as that is away.

    Args:
        space: whose counts these are.
        elsewhere: used while Valkey is away; None: then nothing is told.
        monotonic: seconds; paces the log.
    """

    def __init__(
        self,
        counters: ValkeyCounters,
        space: str,
        elsewhere: Sums | None,
        monotonic: Clock = time.monotonic,
    ) -> None:
        self._counters = counters
        self._space = space
        self._elsewhere = elsewhere
        self._monotonic = monotonic
        self._told_at = float("-inf")
        self.is_away = False
        self.failures = 0
        """Exchanges that failed since the start, for metrics."""
        self.changed_places = 0

    async def add(self, additions: Sequence[Addition]) -> Found:
        try:
            found = await self._counters.add(self._space, additions)
        except CountersUnavailable as error:
            self._note(error)
            if self._elsewhere is None:
                raise
            return await self._elsewhere.add(additions)
        if self.is_away:
            self.is_away = False
            self.changed_places += 1
            self._told_at = float("-inf")
            _log.warning("rate limits are counted in Valkey at %s again", self._counters.place)
        return found

    def _note(self, error: CountersUnavailable) -> None:
        self.failures += 1
        if not self.is_away:
            self.is_away = True
            self.changed_places += 1
        now = self._monotonic()
        if now - self._told_at >= REMIND_SECONDS:
            self._told_at = now
            _log.error(
                "Valkey at %s gives no counters (%s): rate limits are counted %s until it does",
                self._counters.place,
                error,
                "by each process alone" if self._elsewhere is None else "through the database",
            )
