"""Heads of requests that were read before, so that the same bytes need not be read again.

What bytes mean is decided by the parser and the checks behind it, once. The same bytes at the same
place, between two requests, mean the same; and so does a head that differs in nothing but the value
of one header that says nothing to the parser, as long as that value is of visible characters. No
head is trusted for being known: what can change is asked of the call that is kept for it.

Heads hold tokens, as the memory of accepted tokens does: in memory only, and never logged [TOK-14].
"""

from __future__ import annotations

import functools
import re
from typing import Generic, TypeVar

from mintgate.gate.shortcut import PreparedCall

MAX_HEADS = 2048
"""How many are kept, a process; the older half goes at once."""
MAX_BYTES = 4096
"""Of one head; longer ones are read each time."""
MAX_MARKS = 8
MAX_SEEN = 4096
"""Of how many that came once it is known that they did."""
_VISIBLE = re.compile(rb"[\x21-\x7e]+")
K = TypeVar("K", bytes, tuple[bytes, bytes])
Frame = tuple[bytes, bytes]
"""What stands before and behind a value."""


class KnownHeads:
    """A bounded memory of calls by their heads, and by what stands around a value in them.

    A head is kept when it comes for the second time, as most that differ come once only.

    Args:
        max_bytes: of one head.
    """

    def __init__(self, max_heads: int = MAX_HEADS, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._whole: _Calls[bytes] = _Calls(max_heads)
        self._frames: _Calls[Frame] = _Calls(max_heads)
        self._marks: list[bytes] = []
        """How the headers that vary begin, as they were sent."""

    def __len__(self) -> int:
        return len(self._whole)

    def find(self, data: bytes) -> PreparedCall | None:
        """The call with this head, as `add` was told it or with another value."""
        if len(data) > self.max_bytes:
            return None
        call = self._whole.find(data)
        if call is not None:
            return call
        for mark in self._marks:
            start = data.find(mark) + len(mark)
            if start < len(mark):
                continue
            end = data.find(b"\r\n", start)
            framed = self._frames.find((data[:start], data[end:]))
            if framed is not None:
                value = data[start:end]
                return framed.at(value) if _VISIBLE.fullmatch(value) else None
        return None

    def add(self, data: bytes, call: PreparedCall) -> None:
        """Keep a call, when it has come before.

        Args:
            data: all bytes of one request without a body, which a parser has found between two
                requests.
        """
        if len(data) > self.max_bytes:
            return
        self._whole.add(data, call)
        frame = self._frame_of(data, call)
        if frame is not None:
            self._frames.add(frame, call)

    def forget(self, data: bytes) -> None:
        """It is to be read again."""
        self._whole.forget(data)
        for mark in self._marks:
            start = data.find(mark) + len(mark)
            self._frames.forget((data[:start], data[data.find(b"\r\n", start) :]))

    def _frame_of(self, data: bytes, call: PreparedCall) -> Frame | None:
        name = call.varying
        if name is None:
            return None
        found = list(_line_of(name).finditer(data))
        if len(found) != 1:
            return None
        mark, start = found[0][0], found[0].end()
        if mark not in self._marks:
            if len(self._marks) >= MAX_MARKS:
                return None
            self._marks.append(mark)
        return data[:start], data[data.index(b"\r\n", start) :]


class _Calls(Generic[K]):
    """Calls by a key; the older half goes at once."""

    def __init__(self, maximum: int) -> None:
        self._half = max(1, maximum // 2)
        self._newer: dict[K, PreparedCall] = {}
        self._older: dict[K, PreparedCall] = {}
        self._seen: set[int] = set()
        """Hashes of keys that came once; two that share one do no harm."""

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def find(self, key: K) -> PreparedCall | None:
        call = self._newer.get(key)
        if call is None and self._older:
            call = self._older.get(key)
            if call is not None:
                self._keep(key, call)  # else what is in use would go with the rest
        return call

    def add(self, key: K, call: PreparedCall) -> None:
        hashed = hash(key)
        if hashed in self._seen:
            self._keep(key, call)
            return
        if len(self._seen) >= MAX_SEEN:
            self._seen.clear()
        self._seen.add(hashed)

    def forget(self, key: K) -> None:
        self._newer.pop(key, None)
        self._older.pop(key, None)

    def _keep(self, key: K, call: PreparedCall) -> None:
        if len(self._newer) >= self._half:
            self._older, self._newer = self._newer, {}
        self._newer[key] = call


@functools.lru_cache(MAX_MARKS)
def _line_of(name: bytes) -> re.Pattern[bytes]:
    """Finds where the value of a header begins, when it is of visible characters."""
    return re.compile(rb"\r\n(?i:%b):[ \t]*(?=[\x21-\x7e]+\r\n)" % re.escape(name))
