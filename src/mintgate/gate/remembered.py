"""A bounded memory of what came more than once; the older half goes at once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

MAX_SEEN = 4096
"""Of how many that came once it is known that they did."""
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values by keys. One is kept when its key comes for the second time: most come once only."""

    def __init__(self, maximum: int) -> None:
        self._half = max(1, maximum // 2)
        self._newer: dict[K, V] = {}
        self._older: dict[K, V] = {}
        self._seen: set[int] = set()
        """Hashes of keys that came once; two that share one do no harm."""

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def age(self) -> None:
        """Drop what was not asked for since the last time, or the one before it."""
        self._older, self._newer = self._newer, {}
        self._seen.clear()

    def find(self, key: K) -> V | None:
        value = self._newer.get(key)
        if value is None and self._older:
            value = self._older.get(key)
            if value is not None:
                self._keep(key, value)  # else what is in use would go with the rest
        return value

    def add(self, key: K, value: V) -> None:
        hashed = hash(key)
        if hashed in self._seen:
            self._keep(key, value)
            return
        if len(self._seen) >= MAX_SEEN:
            self._seen.clear()
        self._seen.add(hashed)

    def forget(self, key: K) -> None:
        self._newer.pop(key, None)
        self._older.pop(key, None)

    def _keep(self, key: K, value: V) -> None:
        if len(self._newer) >= self._half:
            self._older, self._newer = self._newer, {}
        self._newer[key] = value
