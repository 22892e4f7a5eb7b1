"""Requests that are answered past the application, for as long as their instance is as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mintgate.gate.shortcut import PreparedCall
from mintgate.identity.repeating import RepeatedRequest, SendWhole


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


class RepeatedOfInstance:
    """A repeated request of one instance.

    Args:
        is_current: as above.
    """

    __slots__ = ("_is_current", "_request")

    def __init__(self, request: RepeatedRequest, is_current: Callable[[], bool]) -> None:
        self._request = request
        self._is_current = is_current

    def begin(self, send: SendWhole) -> bool:
        return self._is_current() and self._request.begin(send)
