"""A process of its own that lets requests pass as fast as it can; see `test_shared_counters`.

Arguments: database URL, instance, limit. Prints how many passed, for each line that it reads.
"""

from __future__ import annotations

import asyncio
import sys

from mintgate.contract.declared_apis import Limits
from mintgate.contract.errors import TooManyRequests
from mintgate.gate.shared_counters import SharedCounters
from mintgate.gate.sums import DatabaseSums
from mintgate.store import Database
from mintgate.verify.rate_limits import RateLimits
from tests.unit.verify.test_rate_limits import BEGIN, Clock, a_principal


async def count(url: str, instance_id: str, limit: int) -> None:
    clock = Clock(BEGIN + 30)
    database = Database(url, clock)
    counters = SharedCounters(DatabaseSums(database, instance_id), bytes(32), clock)
    limits = RateLimits(Limits(per_client=limit), counters, api="DomainAPI")
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        passed = 0
        for _ in range(int(line)):
            try:
                limits.hit(a_principal(), None, "")
                passed += 1
            except TooManyRequests:
                pass
        await counters.exchange()
        sys.stdout.write(f"{passed}\n")
        sys.stdout.flush()
    database.close()


if __name__ == "__main__":
    asyncio.run(count(sys.argv[1], sys.argv[2], int(sys.argv[3])))
