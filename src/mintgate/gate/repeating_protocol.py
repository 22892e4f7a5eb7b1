"""The strict listener of an application that tells how requests with a body are answered again."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any

from mintgate.gate.answering_protocol import WITH_MORE, AnsweringProtocol
from mintgate.gate.known_requests import MAX_BYTES, KnownRequests
from mintgate.gate.request_head import Telling
from mintgate.gate.shortcut import head, header_lines
from mintgate.identity.repeating import REPEAT, Headers, RepeatedRequest

_MOST_HELD = 64 * 1024
"""Bytes that are kept for after an answer; a client that sends more is not read meanwhile."""
_CLOSE = b"connection: close\r\n"
_log = logging.getLogger(__name__)


class RepeatingProtocol(AnsweringProtocol):
    """Answers requests whose bytes it knows without reading them; an answer may take its time."""

    known = KnownRequests()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        shortcut = self._shortcut
        self._repeatable = shortcut.repeatable if shortcut is not None else None
        self._peer = b""
        self._repetition: _Repetition | None = None
        self._is_waiting = False
        """Whether an answer was begun here that has not been sent yet."""
        self._held = bytearray()
        self._ends = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = f"{self.client[0]}\0{self.scheme}\0".encode() if self.client else b"\0"

    def data_received(self, data: bytes) -> None:
        if self._is_waiting:
            self._hold(data)
            return
        repeatable = self._repeatable
        if (
            repeatable is None
            or not self._is_between
            or not data.startswith(repeatable)
            or len(data) > MAX_BYTES
            or not self._may_answer()
        ):
            super().data_received(data)
            return
        key = self.known.key_of(self._peer, data)
        request = self.known.find(key)
        if request is not None:
            if self._begins(request):
                self._is_waiting = True
                self._has_read_known_head()
                return
            self.known.forget(key)
        repetition = self._repetition = _Repetition(self.known, key)
        super().data_received(data)
        self._repetition = None
        repetition.is_whole = self._is_between and self._begun == 1

    def _begins(self, request: RepeatedRequest) -> bool:
        try:
            return request.begin(self._send_whole)
        except Exception:  # noqa: BLE001 - logged, and the application answers for it
            _log.exception("a repeated request failed")
            return False

    def _answered_at_once(self, method: str, version: str, head: Telling) -> dict[str, Any] | None:
        left = super()._answered_at_once(method, version, head)
        if (
            self._repetition is not None
            and left is not None
            and version == "1.1"
            and WITH_MORE.isdisjoint(head)
        ):
            return {**left, REPEAT: self._repetition}
        return left

    def _hold(self, data: bytes) -> None:
        """Keep what came after a request that is being answered (RFC 9112 §9.3.2)."""
        self._held += data
        if len(self._held) > _MOST_HELD:
            self.flow.pause_reading()

    def _send_whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send the answer that was begun, then go on with what came meanwhile."""
        self._is_waiting = False
        if self.transport.is_closing():
            self._held.clear()
            return
        self._send_unsent()
        usual = self.server_state.default_headers  # another list when the date is another one
        if usual is not self._usual[0]:
            self._usual = usual, header_lines(usual) + b"\r\n"
        ends = self._ends or self.draining.has_begun
        start = _start(status, headers)
        length = b"content-length: %d\r\n" % len(body)
        self.transport.write(
            b"".join((start, length, _CLOSE if ends else b"", self._usual[1], body))
        )
        self.server_state.total_requests += 1
        if ends:
            self._held.clear()
            self.transport.close()
            return
        self._answered_at = self.loop.time()
        if self._idle_timer is None:
            self._expect_more(self.timeout_keep_alive)
        if self._held:
            held, self._held = bytes(self._held), bytearray()
            self.flow.resume_reading()
            self.data_received(held)

    def _is_answering(self) -> bool:
        return self._is_waiting or super()._is_answering()

    def is_idle(self) -> bool:
        if self._is_waiting:
            self._ends = True
            return False
        return super().is_idle()

    def shutdown(self) -> None:
        if self._is_waiting:
            self._ends = True
            return
        super().shutdown()


class _Repetition:
    """Takes what the application tells of a request, if nothing else came in the same bytes."""

    __slots__ = ("_key", "_known", "is_whole")

    def __init__(self, known: KnownRequests, key: bytes) -> None:
        self._known = known
        self._key = key
        self.is_whole = False

    def __call__(self, request: RepeatedRequest) -> None:
        if self.is_whole:
            self._known.add(self._key, request)


@functools.lru_cache(64)
def _start(status: int, headers: Headers) -> bytes:
    return head(status, [(name, value) for name, value in headers if name != b"content-length"])
