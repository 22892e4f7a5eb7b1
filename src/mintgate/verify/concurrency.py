"""How many requests of an API run at once in this process [API-51..53].

Whoever finds all places taken waits in a short queue, first come, first served; whoever finds that
full is refused with 429. Several processes have as many places each.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque

import msgspec

from mintgate.contract.errors import TooManyRequests
from mintgate.contract.policy import Operation
from mintgate.contract.scopes import UPDATE
from mintgate.verify.guard import Admission

RETRY_SECONDS = 1
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


class _Line:
    """Places behind each other: some run, some wait."""

    __slots__ = ("_bound", "_running", "_waiting")

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

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
        if len(self._waiting) >= self._bound.queue:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # or `leave` has passed it over already
                    self._waiting.remove(turn)
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


class Place:
    """What a request that runs has taken; to be left once."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: list[tuple[_Line, dict[str, _Line] | None, str]] = []

    def add(self, line: _Line, among: dict[str, _Line] | None, key: str) -> None:
        self._taken.append((line, among, key))

    def leave(self) -> None:
        while self._taken:
            line, among, key = self._taken.pop()
            line.leave()
            if among is not None and line.is_idle and among.get(key) is line:
                del among[key]


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
        self._per_session = per_session
        self._transactions = transactions_per_session
        self._overall = _Line(overall) if overall is not None else None
        self._sessions: dict[str, _Line] = {}
        self._writers: dict[str, _Line] = {}

    async def enter(self, admission: Admission) -> Place:
        """Take a place for an admitted request, waiting for it if need be.

        Raises:
            TooManyRequests: as many are waiting already [API-54].
        """
        place = Place()
        principal = admission.principal
        if principal is None:
            return place
        key = admission.session.key if admission.session is not None else principal.session
        # A session's own places first: its queue must not take those that all sessions share.
        try:
            if self._per_session is not None:
                line = self._line(self._sessions, key, self._per_session)
                await _enter(place, line, self._sessions, key, "of this session")
            if self._transactions is not None and is_transaction(admission.operation):
                line = self._line(self._writers, key, self._transactions)
                await _enter(place, line, self._writers, key, "of this session that change data")
            if self._overall is not None:
                await _enter(place, self._overall, None, "", "of all callers")
        except BaseException:
            place.leave()
            raise
        return place

    def _line(self, lines: dict[str, _Line], key: str, bound: Bound) -> _Line:
        line = lines.get(key)
        if line is None:
            line = lines[key] = _Line(bound)
        return line


async def _enter(
    place: Place, line: _Line, among: dict[str, _Line] | None, key: str, whose: str
) -> None:
    if not line.enter_at_once() and not await line.enter():
        raise TooManyRequests(
            f"Too many requests {whose} run at once. Wait for an answer before the next request.",
            retry_after=RETRY_SECONDS,
            cause=f"the queue of requests {whose} is full",
        )
    place.add(line, among, key)


def usual_concurrency(api: str) -> ConcurrencyLimits | None:
    """What a built-in API has by itself; other APIs have no such limits [EXT-11]."""
    if api == "DomainAPI":
        return ConcurrencyLimits(per_session=Bound(1, 5), transactions_per_session=Bound(1))
    if api == "TableAPI":
        return ConcurrencyLimits(overall=overall_bound())
    return None
