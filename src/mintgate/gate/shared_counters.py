"""Counts of requests that several processes share through the store [API-17].

A request is counted in its process and answered at once. In the background, each process adds what
it has let pass to the sums in the store, and reads there what the others have. So between them the
processes may let pass more than a limit: at most what each lets pass between two exchanges
(`EXCHANGE_SECONDS`), and never more than the limit times the number of processes. A process alone
is exact.

While the database is away each process counts by itself, and tells later what still matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial

from mintgate.contract.clock import Clock
from mintgate.store import Database, Transaction, rate_counters
from mintgate.store.rate_counters import LANE, Addition
from mintgate.verify.counters import Counters, Increase

PURPOSE = "rate counters"
EXCHANGE_SECONDS = 1.0
BATCH = 500
"""Counters that one transaction adds up."""


class SharedCounters(Counters):
    """The counters of one instance.

    Args:
        key: 32 secret bytes of the instance, for this purpose only; digests that name rows are
            made with it.
        clock: Unix seconds.
    """

    def __init__(self, instance_id: str, database: Database, key: bytes, clock: Clock) -> None:
        super().__init__(clock)
        self._instance_id = instance_id
        self._database = database
        self._key = key

    async def exchange(self) -> None:
        """Tell what was let pass since the last time, and learn what others have.

        Raises:
            DatabaseUnavailable: what was not told is kept for the next time.
        """
        while increases := self.take_untold(BATCH):
            names = {one.key: self._bucket(one.key) for one in increases}
            additions = [Addition(names[i.key], i.window, i.requests) for i in increases]
            try:
                sums = await self._database.write(partial(self._add_up, additions), lane=LANE)
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
        for one in increases:
            # The minute before, too: others may have told of its last requests since.
            for window in (one.window - 1, one.window):
                requests = sums.get((names[one.key], window))
                if requests is not None:
                    self.learn(one.key, window, requests)

    def _add_up(self, additions: list[Addition], tx: Transaction) -> dict[tuple[str, int], int]:
        return rate_counters.add(tx, self._instance_id, additions)

    def _bucket(self, key: str) -> str:
        return hashlib.blake2b(key.encode(), key=self._key, digest_size=32).hexdigest()
