"""Threads that ask the issuer for event loops: some at once, and no queue without an end."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from mintgate.contract.clock import Clock
from mintgate.verify.state import StateUnavailable

AT_ONCE = 16
MOST_ASKED = 256
"""At once and waiting; at ten answers a second and thread the last one waits for 1.6 seconds."""
JOINED_SECONDS = 1.0
"""A question asked so long ago is as true as the state feed [TOP-13]."""
T = TypeVar("T")


class Questions(Generic[T]):
    """The questions of one process that have no answer yet; those after a fork need others.

    Args:
        monotonic: seconds.
    """

    def __init__(self, monotonic: Clock) -> None:
        self.pid = os.getpid()
        self._monotonic = monotonic
        # Not the threads of the loop, which others wait for with other things.
        self._threads = ThreadPoolExecutor(AT_ONCE, "mintgate-references")
        self._joinable: dict[str, tuple[Future[T], float]] = {}
        self._unanswered = 0
        self._lock = threading.RLock()

    async def answer(self, key: str, ask: Callable[[], T]) -> T:
        """What `ask` returns or raises in a thread, once for everybody who has the same key.

        It runs to its end, whoever of those that wait for it goes away.

        Raises:
            StateUnavailable: too many wait already, or the interpreter is ending.
        """
        with self._lock:
            future = self._joined(key) or self._asked(key, ask)
        return await asyncio.shield(asyncio.wrap_future(future))

    def forget(self) -> None:
        """Something changed: who comes from now on does not wait for what was asked before."""
        with self._lock:
            self._joinable.clear()

    def _joined(self, key: str) -> Future[T] | None:
        found = self._joinable.get(key)
        if found is None or self._monotonic() - found[1] > JOINED_SECONDS:
            return None
        return found[0]

    def _asked(self, key: str, ask: Callable[[], T]) -> Future[T]:
        if self._unanswered >= MOST_ASKED:
            raise StateUnavailable("too many reference tokens are being asked about")
        try:
            future = self._threads.submit(contextvars.copy_context().run, ask)
        except RuntimeError as error:  # the interpreter is ending
            raise StateUnavailable(str(error)) from error
        self._unanswered += 1
        self._joinable[key] = future, self._monotonic()
        future.add_done_callback(partial(self._leave, key))  # at once, if it has ended already
        return future

    def _leave(self, key: str, future: Future[T]) -> None:
        with self._lock:
            self._unanswered -= 1
            found = self._joinable.get(key)
            if found is not None and found[0] is future:
                del self._joinable[key]
