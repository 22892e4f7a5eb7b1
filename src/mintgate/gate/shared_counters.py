"""Counts of requests that several processes share [API-17].

A request is counted in its process and answered at once. In the background, each process adds what
it has let pass to sums in the database or in Valkey, and reads there what the others have. So
between them the processes may let pass more than a limit: at most what each lets pass between two
exchanges (`EXCHANGE_SECONDS`), and never more than the limit times the number of processes. A
process alone is exact.

While nothing can be told, each process counts by itself, and tells later what still matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mintgate.contract.clock import Clock
from mintgate.gate.sums import Sums
from mintgate.store.rate_counters import Addition
from mintgate.verify.counters import Counters, Increase

PURPOSE = "rate counters"
EXCHANGE_SECONDS = 1.0
BATCH = 500
"""Counters that one transaction adds up."""


class SharedCounters(Counters):
    """The counters of one instance, or of a group of gates.

    Args:
        sums: where they are added up.
        key: 32 secret bytes of the instance, for this purpose only; digests that name rows are
            made with it.
        clock: Unix seconds.
    """

    def __init__(self, sums: Sums, key: bytes, clock: Clock) -> None:
        super().__init__(clock)
        self.sums = sums
        self._key = key
        self._places = 0
        self._doubted = 0

    async def exchange(self) -> None:
        """Tell what was let pass since the last time, and learn what others have.

        Raises:
            DatabaseUnavailable, CountersUnavailable: what was not told is kept for the next time.
        """
        while increases := self.take_untold(BATCH):
            names = {one.key: self._bucket(one.key) for one in increases}
            additions = [Addition(names[i.key], i.window, i.requests) for i in increases]
            try:
                sums = await self.sums.add(additions)
            except BaseException:
                self.give_back(increases)
                raise
            self._learn(names, increases, sums)
        self.forget_old()

    def _learn(
        self,
        names: dict[str, str],
        increases: Iterable[Increase],
        sums: dict[tuple[str, int], int],
    ) -> None:
        if self.sums.changed_places != self._places:
            # What was told before is not known there, this minute and, where clocks differ, the
            # next one: until then nothing that is known here is forgotten for it.
            self._places = self.sums.changed_places
            self._doubted = max((one.window for one in increases), default=0) + 1
        for one in increases:
            # The minute before, too: others may have told of its last requests since.
            for window in (one.window - 1, one.window):
                requests = sums.get((names[one.key], window))
                if requests is not None:
                    self.learn(one.key, window, requests, at_least=window <= self._doubted)

    def _bucket(self, key: str) -> str:
        return hashlib.blake2b(key.encode(), key=self._key, digest_size=32).hexdigest()
