"""Counts of requests in this process: the sliding window counter that the `limits` library has.

Its own storage in memory starts threads to forget counts, and goes by the machine's clock alone.
This one also remembers what other processes have not been told yet, for who shares the counts. It
is asked directly, so nothing of the library is imported.
"""

from __future__ import annotations

import threading

import msgspec

from mintgate.contract.clock import Clock, system_clock
from mintgate.contract.rate_limits import WINDOW_SECONDS, Usage, standing

MAX_COUNTERS = 100_000
"""Of so many things at most; the oldest are forgotten first. A counter takes about 300 bytes."""


class Increase(msgspec.Struct, frozen=True):
    """Requests that this process let pass and others do not know of.

    Args:
        window: the number of the window, counted from 1970.
    """

    key: str
    window: int
    requests: int


class _Counter:
    """The counts of two windows; `untold` are those of them that others do not know of."""

    __slots__ = ("current", "previous", "untold", "untold_before", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.current = 0
        self.previous = 0
        self.untold = 0
        self.untold_before = 0

    def move_to(self, window: int) -> None:
        """Go on to a later window; a clock that was set back stays in the later one."""
        if window == self.window + 1:
            self.previous, self.untold_before = self.current, self.untold
        elif window > self.window:
            self.previous = self.untold_before = 0
        else:
            return
        self.window = window
        self.current = self.untold = 0


class Counters:
    """Counts by key, for windows of one length. May be called from several threads.

    Args:
        clock: Unix seconds.
        limit: how many keys are kept.
    """

    def __init__(
        self,
        clock: Clock = system_clock,
        *,
        window_seconds: int = WINDOW_SECONDS,
        limit: int = MAX_COUNTERS,
    ) -> None:
        self._clock = clock
        self._seconds = window_seconds
        self._limit = limit
        self._lock = threading.Lock()
        self._counters: dict[str, _Counter] = {}
        self._untold: set[str] = set()

    def __len__(self) -> int:
        return len(self._counters)

    def count(self, key: str, limit: int, amount: int = 1) -> tuple[int, int] | None:
        """Count `amount` requests unless that is more than `limit`; less than 0 takes back.

        Returns:
            How the limit stands then, as `standing` tells it; None when it is too many, and
            nothing was counted.
        """
        now = self._clock()
        seconds = self._seconds
        window = int(now // seconds)
        with self._lock:
            counter = self._counters.get(key)
            if counter is None:
                counter = self._add(key, window)
            elif counter.window != window:
                counter.move_to(window)
            current, previous = counter.current + amount, counter.previous
            left = (counter.window + 1) * seconds - now
            if current < 0:
                current = 0  # the window has just ended, in which it was counted
            else:
                if amount > 0:
                    used = current + int(previous * left / seconds) if previous else current
                    if used > limit:
                        return None
                counter.current = current
                if not counter.untold:
                    self._untold.add(key)
                counter.untold += amount
        return standing(limit, previous, current, left, seconds)

    def usage(self, key: str) -> Usage:
        """What was used of a key."""
        now = self._clock()
        seconds = self._seconds
        window = int(now // seconds)
        counter = self._counters.get(key)
        if counter is None:
            return Usage(0, 0, (window + 1) * seconds - now, seconds)
        if counter.window < window:
            with self._lock:
                counter.move_to(window)
        left = (counter.window + 1) * seconds - now
        return Usage(counter.previous, counter.current, left, seconds)

    def take_untold(self, limit: int) -> list[Increase]:
        """Take out what others do not know, of `limit` keys at most."""
        window = int(self._clock() // self._seconds)
        taken = []
        with self._lock:
            for key in list(self._untold)[:limit]:
                self._untold.discard(key)
                counter = self._counters.get(key)
                if counter is None:
                    continue
                counter.move_to(window)
                if counter.untold_before:
                    taken.append(Increase(key, counter.window - 1, counter.untold_before))
                    counter.untold_before = 0
                if counter.untold:
                    taken.append(Increase(key, counter.window, counter.untold))
                    counter.untold = 0
        return taken

    def give_back(self, increases: list[Increase]) -> None:
        """Keep what could not be told, as far as it still matters."""
        with self._lock:
            for increase in increases:
                counter = self._counters.get(increase.key)
                if counter is None:
                    continue
                if counter.window == increase.window:
                    counter.untold += increase.requests
                elif counter.window == increase.window + 1:
                    counter.untold_before += increase.requests
                else:
                    continue
                self._untold.add(increase.key)

    def learn(self, key: str, window: int, requests: int, *, at_least: bool = False) -> None:
        """Know what all processes together let pass in a window.

        Args:
            requests: without what of this process is still untold.
            at_least: it may be more, so that what is known here stays when it is.
        """
        with self._lock:
            counter = self._counters.get(key)
            if counter is None:
                return
            if counter.window == window:
                known = counter.current if at_least else 0
                counter.current = max(known, requests + counter.untold)
            elif counter.window == window + 1:
                known = counter.previous if at_least else 0
                counter.previous = max(known, requests + counter.untold_before)

    def forget_old(self) -> None:
        """Forget keys that count for nothing any more."""
        window = int(self._clock() // self._seconds)
        for key, counter in list(self._counters.items()):
            if counter.window < window - 1:
                with self._lock:
                    self._forget(key)

    def _add(self, key: str, window: int) -> _Counter:
        if len(self._counters) >= self._limit:
            for old in list(self._counters)[: max(1, self._limit // 100)]:
                self._forget(old)
        counter = self._counters[key] = _Counter(window)
        return counter

    def _forget(self, key: str) -> None:
        self._counters.pop(key, None)
        self._untold.discard(key)
