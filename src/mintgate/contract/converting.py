"""`msgspec.convert` that threads may call.

The first conversion to a struct has msgspec look at its annotations and keep what it found with the
class. It keeps it before it is complete, as a struct may refer to itself; another thread that
converts to the same struct at that moment crashes the process (msgspec 0.22, CPython 3.11). So the
first conversion to each type happens under a lock, and the others, all of them but one, pass it by.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_complete: set[Any] = set()
_first = threading.Lock()


def convert(value: object, kind: type[T], *, strict: bool = True) -> T:
    """As `msgspec.convert`.

    Raises:
        msgspec.ValidationError: the value is not of that kind.
    """
    if kind in _complete:
        return msgspec.convert(value, kind, strict=strict)
    with _first:
        try:
            return msgspec.convert(value, kind, strict=strict)
        finally:
            _complete.add(kind)
