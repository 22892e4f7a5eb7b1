"""How many requests of an API run at once in this process [API-51..53].

Whoever finds all places taken waits in a short queue, first come, first served; whoever finds that
full is refused with 429. Several processes have as many places each.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from typing import Protocol

import msgspec

from mintgate.contract.errors import TooManyRequests
from mintgate.contract.policy import Operation
from mintgate.contract.scopes import UPDATE
from mintgate.verify.api_request import Admission
from mintgate.verify.tallies import LIMITED

RETRY_SECONDS = 1
MAX_IDLE = 1_000
_MOST_OVERALL = 4


class Bound(msgspec.Struct, frozen=True):
    """So many requests at once, and so many more that wait.

    Raises:
        ValueError: no request could ever run, or a negative queue.
    """

    at_once: int
    queue: int = 0

    def __post_init__(self) -> None:
        if self.at_once < 1 or self.queue < 0:
            raise ValueError("at least one request must run, and no fewer than none can wait")


def overall_bound(at_once: int = 2, queue: int = 5, *, cores: int | None = None) -> Bound:
    """`GlobalConcurrentRequests`: no more than there are cores, and never more than 4 [API-53]."""
    available = cores if cores is not None else os.cpu_count() or 1
    return Bound(max(1, min(at_once, available, _MOST_OVERALL)), queue)


def is_transaction(operation: Operation) -> bool:
    """Whether a request changes data, which it does in one transaction [API-52]."""
    return operation.is_batch or UPDATE in operation.needed


class Place(Protocol):
    """What a request that runs has taken."""

    def leave(self) -> None:
        """Give it back; to be called once."""
        ...


class _Line:
    """Places behind each other: some run, some wait."""

    __slots__ = ("_bound", "_running", "_waiting")

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] | None = None  # few have anybody waiting

    @property
    def is_idle(self) -> bool:
        return not self._running

    def enter_at_once(self) -> bool:
        if self._running >= self._bound.at_once:
            return False
        self._running += 1
        return True

    async def enter(self) -> bool:
        """Wait for a place; False, without waiting, when the queue is full."""
        if self.enter_at_once():
            return True
        if self._waiting is None:
            self._waiting = deque()
        waiting = self._waiting
        if len(waiting) >= self._bound.queue:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # or `leave` has passed it over already
                    waiting.remove(turn)
            else:
                self.leave()  # the place was given in the very moment in which it was given up
            raise
        return True

    def leave(self) -> None:
        """Give the place to who waits longest. It is never free in between, so nobody slips in."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1


class _Lines(dict[str, _Line]):
    """A line for each session. Idle ones stay for the next request until there are many."""

    def __init__(self, bound: Bound) -> None:
        super().__init__()
        self._bound = bound

    def of(self, key: str) -> _Line:
        line = self.get(key)
        if line is None:
            if len(self) >= MAX_IDLE:
                for idle in [key for key, line in self.items() if line.is_idle]:
                    del self[idle]
            line = self[key] = _Line(self._bound)
        return line


class _Several:
    """Places in several lines, taken in order."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: list[_Line] = []

    async def take(self, line: _Line, whose: str) -> None:
        if not await line.enter():
            LIMITED.add("at_once")
            raise TooManyRequests(
                f"Too many requests {whose} run at once. Wait for an answer before the next.",
                retry_after=RETRY_SECONDS,
                cause=f"the queue of requests {whose} is full",
            )
        self._lines.append(line)

    def leave(self) -> None:
        while self._lines:
            self._lines.pop().leave()


class ConcurrencyLimits:
    """The places of one API, for `GuardMiddleware`; for one event loop.

    Args:
        per_session: requests of one session [API-51].
        transactions_per_session: requests of one session that change data [API-52].
        overall: requests of everybody [API-53].
    """

    def __init__(
        self,
        *,
        per_session: Bound | None = None,
        transactions_per_session: Bound | None = None,
        overall: Bound | None = None,
    ) -> None:
        if (
            per_session is not None
            and transactions_per_session is not None
            and per_session.at_once <= transactions_per_session.at_once
        ):
            transactions_per_session = None  # there can be no more of them than of requests
        self._sessions = _Lines(per_session) if per_session is not None else None
        self._writers = (
            _Lines(transactions_per_session) if transactions_per_session is not None else None
        )
        self._overall = _Line(overall) if overall is not None else None

    def enter_at_once(self, admission: Admission) -> Place | None:
        """The common case, cheaply: a place that is free now. None: ask `enter`."""
        if self._writers is None and admission.principal is not None:
            if self._sessions is None:
                line = self._overall
            elif self._overall is None:
                line = self._sessions.of(_session_of(admission))
            else:
                return None
            if line is not None and line.enter_at_once():
                return line
        return None

    async def enter(self, admission: Admission) -> Place:
        """Take a place for an admitted request, waiting for it if need be.

        A preflight needs none: it does nothing, and who sends it is unknown.

        Raises:
            TooManyRequests: as many are waiting already [API-54].
        """
        places = _Several()
        if admission.principal is None:
            return places
        key = _session_of(admission)
        # A session's own places first: its queue must not take those that all sessions share.
        try:
            if self._sessions is not None:
                await places.take(self._sessions.of(key), "of this session")
            if self._writers is not None and is_transaction(admission.operation):
                await places.take(self._writers.of(key), "of this session that change data")
            if self._overall is not None:
                await places.take(self._overall, "of all callers")
        except BaseException:
            places.leave()
            raise
        return places


def _session_of(admission: Admission) -> str:
    if admission.session is not None:
        return admission.session.key
    return admission.principal.session if admission.principal is not None else ""


def usual_concurrency(api: str) -> ConcurrencyLimits | None:
    """What a built-in API has by itself; other APIs have no such limits [EXT-11]."""
    if api == "DomainAPI":
        return ConcurrencyLimits(per_session=Bound(1, 5), transactions_per_session=Bound(1))
    if api == "TableAPI":
        return ConcurrencyLimits(overall=overall_bound())
    return None
