"""Heads of requests that were read before, so that the same bytes need not be read again.

What bytes mean is decided by the parser and the checks behind it, once. The same bytes at the same
place, between two requests, mean the same; and so does a head that differs in nothing but the value
of one header that says nothing to the parser, as long as that value is of visible characters. No
head is trusted for being known: what can change is asked of the call that is kept for it.

Heads hold tokens, as the memory of accepted tokens does: in memory only, and never logged [TOK-14].
"""

from __future__ import annotations

import asyncio
import re

from mintgate.gate.remembered import Remembered
from mintgate.gate.shortcut import PreparedCall

MAX_HEADS = 2048
"""How many are kept, a process; the older half goes at once."""
MAX_BYTES = 4096
"""Of one head; longer ones are read each time."""
AGE_SECONDS = 600.0
"""What was not asked for so long, or for twice that at most, goes; with all that its call knows."""
MAX_MARKS = 8
_VISIBLE = re.compile(rb"[\x21-\x7e]+")
Frame = tuple[bytes, bytes]
"""What stands before and behind a value."""


class KnownHeads:
    """A bounded memory of calls by their heads, or by what stands around a value in them.

    A head is kept when it comes for the second time, as most that differ come once only.

    Args:
        max_bytes: of one head.
    """

    def __init__(self, max_heads: int = MAX_HEADS, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._is_ageing = False
        self._whole: Remembered[bytes, PreparedCall] = Remembered(max_heads)
        self._framed: Remembered[Frame, PreparedCall] = Remembered(max_heads)
        self._marks: dict[bytes, bytes] = {}
        """How the headers that vary begin, as they were sent, and their names."""
        self._missed: tuple[bytes, bytes, Frame] | None = None
        """The head that was not found last, with a name and what stands around its value: most
        often it is added next."""

    def __len__(self) -> int:
        return len(self._whole) + len(self._framed)

    def age_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Drop what is not asked for any more, from now on and as long as there is something."""
        if not self._is_ageing:
            self._is_ageing = True
            loop.call_later(AGE_SECONDS, self._age, loop)

    def _age(self, loop: asyncio.AbstractEventLoop) -> None:
        self._whole.age()
        self._framed.age()
        self._is_ageing = False
        if len(self):
            self.age_in(loop)

    def find(self, data: bytes) -> PreparedCall | None:
        """The call with this head, as `add` was told it or with another value."""
        self._missed = None
        if len(data) > self.max_bytes:
            return None
        for mark, name in self._marks.items():
            start = data.find(mark) + len(mark)
            if start < len(mark):
                continue
            end = data.find(b"\r\n", start)
            frame = data[:start], data[end:]
            call = self._framed.find(frame)
            value = data[start:end]
            if call is not None:
                return call.at(value) if _VISIBLE.fullmatch(value) else None
            if _VISIBLE.fullmatch(value):
                self._missed = data, name, frame
        return self._whole.find(data)

    def add(self, data: bytes, call: PreparedCall) -> None:
        """Keep a call, when it has come before.

        Args:
            data: all bytes of one request without a body, which a parser has found between two
                requests.
        """
        if len(data) > self.max_bytes:
            return
        name = call.varying
        if name is None:
            self._whole.add(data, call)
            return
        missed, self._missed = self._missed, None
        if missed is not None and missed[0] is data and missed[1] == name:
            self._framed.add(missed[2], call)  # whose hash is known
            return
        frame = self._frame_of(data, name)
        if frame is not None:
            self._framed.add(frame, call)

    def forget(self, data: bytes) -> None:
        """It is to be read again."""
        self._whole.forget(data)
        for mark in self._marks:
            start = data.find(mark) + len(mark)
            self._framed.forget((data[:start], data[data.find(b"\r\n", start) :]))

    def _frame_of(self, data: bytes, name: bytes) -> Frame | None:
        """What stands around the value of the header, of which the head has exactly one."""
        found = re.search(rb"\r\n(?i:%b):[ \t]*(?=[\x21-\x7e])" % re.escape(name), data)
        if found is None or len(self._marks) >= MAX_MARKS:
            return None
        self._marks[found[0]] = name
        return _around(data, found.end())


def _around(data: bytes, start: int) -> Frame | None:
    end = data.find(b"\r\n", start)
    return (data[:start], data[end:]) if _VISIBLE.fullmatch(data, start, end) else None
