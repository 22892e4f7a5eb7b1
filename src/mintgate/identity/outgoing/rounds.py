"""Delivering what is due in an outbox, a few at a time, and nobody waits for a receiver."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Connection

from mintgate.contract.clock import Clock
from mintgate.store import Database, Transaction

_log = logging.getLogger(__name__)
FIRST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 3600.0
N = TypeVar("N")


class Claiming(NamedTuple):
    """What is to be claimed.

    Args:
        claimant: a name that nobody else has.
        lease: seconds.
        without: receivers that are left alone for now.
    """

    claimant: str
    lease: float
    limit: int
    without: frozenset[str]


class Pace(NamedTuple):
    """How much is done at a time.

    Args:
        look_again: after how many seconds what nobody told of is looked for.
        lease: seconds; longer than an attempt can take. After it another process may try.
        at_once: how many are delivered at a time.
        of_one_receiver: and how many to one, so that one that hangs does not keep the others
            waiting.
    """

    look_again: float
    lease: float = 60.0
    at_once: int = 32
    of_one_receiver: int = 8


class Queue(NamedTuple, Generic[N]):
    """An outbox as the rounds see it.

    Args:
        next_due: when the earliest is due, in Unix seconds; None when there is none.
        claim: takes some that are due.
        receiver_of: a name for whoever one is delivered to.
        pace: how much is done at a time.
    """

    next_due: Callable[[Connection], float | None]
    claim: Callable[[Transaction, Claiming], list[N]]
    receiver_of: Callable[[N], str]
    pace: Pace


def retry_seconds(attempts: int, chance: Callable[[], float] = random.random) -> float:
    """How long to wait after so many attempts: doubled each time, and spread by half.

    Args:
        chance: gives numbers from 0 to 1.
    """
    longest = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(attempts - 1, 20))
    return spread(longest, chance)


def spread(longest: float, chance: Callable[[], float] = random.random) -> float:
    """Between the half and the whole, so that not all come back at one moment."""
    return longest * (0.5 + chance() / 2)


class Rounds(Generic[N]):
    """Delivers what one outbox has, from this process.

    Args:
        deliver: delivers one; it finishes it, or puts it off.
        clock: Unix seconds.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue[N],
        deliver: Callable[[N], Coroutine[Any, Any, None]],
        clock: Clock,
    ) -> None:
        self._database = database
        self._queue = queue
        self._deliver = deliver
        self._clock = clock
        self.claimant = secrets.token_hex(16)
        self._running: dict[asyncio.Task[None], str] = {}
        self._quiet_until = -math.inf

    @property
    def is_busy(self) -> bool:
        """Whether a delivery is going on."""
        return bool(self._running)

    def wake(self) -> None:
        """There may be something new: look at the next chance."""
        self._quiet_until = -math.inf

    async def start_due(self) -> None:
        """Start delivering what is due; returns without waiting for any receiver."""
        pace = self._queue.pace
        free = pace.at_once - len(self._running)
        now = self._clock()
        if now < self._quiet_until or free <= 0:
            return
        self._quiet_until = now + pace.look_again
        due = await self._database.read(self._queue.next_due)
        if due is None or due > now:
            self._quiet_until = min(self._quiet_until, due or math.inf)
            return
        receivers = Counter(self._running.values())
        busy = frozenset(one for one, n in receivers.items() if n >= pace.of_one_receiver)
        wanted = Claiming(self.claimant, pace.lease, min(free, pace.of_one_receiver), busy)
        claimed = await self._database.write(lambda tx: self._queue.claim(tx, wanted))
        # Nothing but what is for receivers that are busy: a delivery to them ends soon, and wakes.
        self._quiet_until = min(self._quiet_until, now + (0.0 if claimed else 1.0))
        for one in claimed:
            task = asyncio.create_task(self._deliver(one))
            self._running[task] = self._queue.receiver_of(one)
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Let go of what is going on; another process tries again when the lease is over."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self.wake()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease ends by itself, and then it is tried again.
            _log.error("a delivery was left to the next attempt", exc_info=error)
