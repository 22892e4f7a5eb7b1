"""Long work of the writer in small parts, between which requests have their turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mintgate.store.database import Database
from mintgate.store.transaction import Transaction

REST = 3.0
"""Times as long as a part took is rested after it: three quarters of the writer are for requests,
on a slow disk too."""
LEAST_REST_SECONDS = 0.01


async def bit_by_bit(
    database: Database, work: Callable[[Transaction], int], *, lane: str | None = None
) -> int:
    """Do `work`, each time in a transaction of its own, until it returns 0 (or False).

    Args:
        lane: see `Database.write`.

    Returns:
        The sum of what it returned.

    Raises:
        DatabaseUnavailable: what was done until then is kept.
    """
    done = 0
    while True:
        began = time.perf_counter()
        part = await database.write(work, lane=lane)
        if not part:
            return done
        done += part
        await database.copy_journal()
        await asyncio.sleep(max(LEAST_REST_SECONDS, REST * (time.perf_counter() - began)))
