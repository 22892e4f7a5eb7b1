"""Answers that are sent together, after every request that has come was looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Outbox:
    """Has connections send what they have ready, once for all of them.

    A write wakes who waits for it. Were each answer sent by itself, then another process would be
    woken for each, while here the next request is looked at: that costs more than the answer.
    """

    def __init__(self) -> None:
        self._sending: list[Callable[[], None]] = []

    def add(self, loop: asyncio.AbstractEventLoop, send: Callable[[], None]) -> None:
        """Call `send` soon; what the loop was told to do later comes after it."""
        if not self._sending:
            loop.call_soon(self._send)
        self._sending.append(send)

    def _send(self) -> None:
        sending, self._sending = self._sending, []
        for send in sending:
            send()
