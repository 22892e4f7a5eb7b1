"""Requests that were answered before, or their heads: the same bytes need not be read again.

Bytes are known by their digest, together with where they came from: they hold secrets, which must
not lie in memory for longer than they are needed. Two that share a digest are not to be found
(SHA-256), and what can change is looked at by what is kept.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Generic, TypeVar

from mintgate.gate.remembered import Remembered

MAX_REQUESTS = 4096
"""How many are kept, a process."""
MAX_BYTES = 4096
"""Of one request; longer ones are read each time."""
AGE_SECONDS = 600.0
"""What was not asked for so long, or for twice that at most, goes."""


T = TypeVar("T")


class KnownRequests(Generic[T]):
    """A bounded memory of what follows from requests, by the bytes that they came in."""

    def __init__(self, maximum: int = MAX_REQUESTS) -> None:
        self._requests: Remembered[bytes, T] = Remembered(maximum)
        self._is_ageing = False

    def __len__(self) -> int:
        return len(self._requests)

    def find(self, key: bytes) -> T | None:
        return self._requests.find(key)

    def add(self, key: bytes, request: T) -> None:
        """Keep it, when it has come before."""
        self._requests.add(key, request)
        if not self._is_ageing:
            self._is_ageing = True
            loop = asyncio.get_running_loop()
            loop.call_later(AGE_SECONDS, self._age, loop)

    def forget(self, key: bytes) -> None:
        self._requests.forget(key)

    def _age(self, loop: asyncio.AbstractEventLoop) -> None:
        self._requests.age()
        self._is_ageing = bool(len(self))
        if self._is_ageing:
            loop.call_later(AGE_SECONDS, self._age, loop)


def keys_of(peer: bytes, head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """By which a request's head is known, and the whole of it.

    Args:
        peer: the sender's address, which is the same as long as a connection lasts.
    """
    digest = hashlib.sha256(peer)
    digest.update(head)
    of_head = digest.digest()
    digest.update(body)
    return of_head, digest.digest()
