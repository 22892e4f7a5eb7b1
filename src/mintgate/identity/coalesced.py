"""One piece of work done for everybody who asks for it, and not too often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mintgate.contract.clock import Clock


class Coalesced:
    """Runs `work` for all who asked before it began, and at most once every `interval` seconds.

    Who asks too early waits, so that nobody is told what was known before the question; and a
    flood of questions costs the work of a few.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, work: Callable[[], Awaitable[None]], interval: float, clock: Clock) -> None:
        self._work = work
        self._interval = interval
        self._clock = clock
        self._began_at = float("-inf")
        self._next: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Wait for a run that begins after this call. Raises what the work raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._run_when_due())
        await asyncio.shield(self._next)

    async def _run_when_due(self) -> None:
        wait = self._began_at + self._interval - self._clock()
        if wait > 0:
            await asyncio.sleep(wait)
        self._next = None  # who asks from now on needs another one
        self._began_at = self._clock()
        await self._work()
