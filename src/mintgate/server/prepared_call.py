"""A call of forward auth that is answered at once, for as long as its instance is as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mintgate.gate.shortcut import PreparedCall


class OfInstance:
    """A prepared call of one instance.

    Args:
        is_current: whether the instance that prepared it is still the one of that name.
    """

    __slots__ = ("_call", "_is_current", "varying")

    def __init__(self, call: PreparedCall, is_current: Callable[[], bool]) -> None:
        self._call = call
        self._is_current = is_current
        self.varying = call.varying

    def at(self, value: bytes) -> OfInstance | None:
        call = self._call.at(value)
        return None if call is None else OfInstance(call, self._is_current)

    def answer(self) -> bytes | dict[str, Any]:
        return self._call.answer() if self._is_current() else {}
