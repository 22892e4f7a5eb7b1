"""The strict listener of an application that answers some requests before it is called."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from mintgate.gate.known_heads import KnownHeads
from mintgate.gate.outbox import Outbox
from mintgate.gate.request_head import Telling
from mintgate.gate.shortcut import PreparedCall, Shortcut, header_lines
from mintgate.gate.strict_protocol import StrictProtocol
from mintgate.verify import ApiRequest

WITH_MORE = frozenset({b"transfer-encoding", b"upgrade", b"expect"})
"""Headers of requests that are never answered past the parser."""
_EMPTY = [b"0"]
_MANY = 64
"""Pieces of answers that a connection keeps until the others have been looked at, too."""
_log = logging.getLogger(__name__)


class AnsweringProtocol(StrictProtocol):
    """Asks the shortcut about the most usual requests, and knows their heads the next time."""

    shortcut: Shortcut | None = None
    outbox = Outbox()
    heads = KnownHeads()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # uvicorn's own log of accesses and root path are known to the long way only.
        self._shortcut = None if self.access_log or self.root_path else self.shortcut
        self._answered_call: PreparedCall | None = None
        self._left: dict[str, Any] | None = None
        self._unsent: list[bytes] = []
        self._answered_at = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._usual: tuple[list[tuple[bytes, bytes]], bytes] = [], b"\r\n"

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        is_between = self._is_between
        if is_between and self._shortcut is not None:
            call = self._known(data)
            if call is not None and self._may_answer():
                found = _answer_of(call)
                if isinstance(found, bytes):
                    self._has_read_known_head()
                    self._send_soon(found)
                    return
                self.heads.forget(data)
                self._left = found  # was asked; the parser finds this very request below
        super().data_received(data)
        self._left = None
        call, self._answered_call = self._answered_call, None
        if call is not None and is_between and self._is_between and self._begun == 1:
            self.heads.add(data, call)
            self.heads.age_in(self.loop)

    def _known(self, data: bytes) -> PreparedCall | None:
        try:
            return self.heads.find(data)
        except Exception:  # noqa: BLE001 - logged, and the parser reads it
            _log.exception("a known head failed")
            return None

    def _has_read_known_head(self) -> None:
        """Be as after the parser has read a whole request: it is between two before and after."""
        self._silent_bytes = 0
        if self._head_timer is not None:
            self._stop_timer()
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()

    def _may_answer(self) -> bool:
        """Whether nothing is in the way of an answer at once.

        Answers go in the order of their requests (RFC 9112 §9.3.2), and nothing is written to a
        client that does not read: everything else takes the long way.
        """
        return not (
            (self.cycle is not None and not self.cycle.response_complete)
            or self.draining.has_begun
            or self.flow.write_paused
            or self.transport.is_closing()
        )

    def _answered_at_once(self, method: str, version: str, head: Telling) -> dict[str, Any] | None:
        left: dict[str, Any] = {}
        if self._left is not None:
            left, self._left = self._left, None
        elif self._shortcut is not None and self.url.startswith(self._shortcut.prefix):
            found = self._asked(self._shortcut, method, version, head)
            if isinstance(found, bytes):
                self._send_soon(found)
                return None
            left = found
        self._send_unsent()  # whoever answers this one may do so at once
        return left

    def _asked(
        self, shortcut: Shortcut, method: str, version: str, head: Telling
    ) -> bytes | dict[str, Any]:
        """What the shortcut answers, or leaves for the application."""
        if (
            version != "1.1"
            or not self.parser.should_keep_alive()
            or not WITH_MORE.isdisjoint(head)
            or head.get(b"content-length", _EMPTY) != _EMPTY
            or not self._may_answer()
        ):
            return {}
        path, _, query = self.url.partition(b"?")
        try:
            call = shortcut.prepare(ApiRequest(method, path, query, self.headers))
        except Exception:  # noqa: BLE001 - logged, and the application answers for it
            _log.exception("the shortcut failed: %s", path[:254])
            return {}
        if call is None:
            return {}
        found = _answer_of(call)
        if isinstance(found, bytes):
            self._answered_call = call
        return found

    def _send_soon(self, answer: bytes) -> None:
        usual = self.server_state.default_headers  # another list when the date is another one
        if usual is not self._usual[0]:
            self._usual = usual, header_lines(usual) + b"\r\n"
        if not self._unsent:
            self.outbox.add(self.loop, self._send_unsent)
        self._unsent += (answer, self._usual[1])
        if len(self._unsent) > _MANY:
            self._send_unsent()  # so that it shows when they are not read
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()
        if self._idle_timer is None:
            self._expect_more(self.timeout_keep_alive)

    def _send_unsent(self) -> None:
        if self._unsent and not self.transport.is_closing():
            self.transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def is_idle(self) -> bool:
        return super().is_idle() and not self._unsent

    def shutdown(self) -> None:
        self._send_unsent()
        super().shutdown()

    def _expect_more(self, seconds: float) -> None:
        """One timer for all requests that a connection has in that time."""
        self._idle_timer = self.loop.call_later(seconds, self._may_be_idle)

    def _may_be_idle(self) -> None:
        self._idle_timer = None
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if self._has_begun or self.timeout_keep_alive_task is not None:
            return  # uvicorn looks to it that its answer is followed by something
        if self._is_answering():
            return
        if left > 0:
            self._expect_more(left)
        elif not self.transport.is_closing():
            self.transport.close()


def _answer_of(call: PreparedCall) -> bytes | dict[str, Any]:
    try:
        return call.answer()
    except Exception:  # noqa: BLE001 - logged, and the application answers for it
        _log.exception("the shortcut failed")
        return {}
