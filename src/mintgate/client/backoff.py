"""How long to leave an unwilling server alone."""

from __future__ import annotations

_FIRST = 1.0
_MOST = 60.0


class Backoff:
    """Doubles from 1 s to 60 s; starts again after 60 quiet seconds beyond the last pause.

    Not thread-safe: its owner holds a lock. All times are Unix times in seconds.
    """

    def __init__(self) -> None:
        self._since = self._until = self._pause = 0.0

    def blocks(self, now: float) -> bool:
        # `now` before the strike: the clock was set back, and the pause must not grow by that.
        return self._since <= now < self._until

    def strike(self, now: float, at_least: float = 0.0) -> None:
        if not self._since <= now < self._until + _MOST:
            self._pause = 0.0
        self._pause = min(max(self._pause * 2, _FIRST), _MOST)
        self._since, self._until = now, now + max(self._pause, at_least)

    def reset(self) -> None:
        self._since = self._until = self._pause = 0.0
