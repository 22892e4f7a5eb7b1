"""The strict listener of an application that tells how requests with a body are answered again."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any, cast

from mintgate.gate.answering_protocol import WITH_MORE, AnsweringProtocol
from mintgate.gate.known_posts import KnownPost, WholeExchange
from mintgate.gate.known_requests import MAX_BYTES, KnownRequests, keys_of
from mintgate.gate.request_head import Telling
from mintgate.gate.shortcut import head, header_lines
from mintgate.identity.repeating import REPEAT, Headers, RepeatedRequest

_MOST_HELD = 64 * 1024
"""Bytes that are kept for after an answer; a client that sends more is not read meanwhile."""
_END_OF_HEAD = b"\r\n\r\n"
_CLOSE = b"connection: close\r\n"
_FAILED: tuple[int, Headers, bytes] = (
    500,
    ((b"content-type", b"text/plain; charset=utf-8"),),
    b"Internal Server Error",
)
_log = logging.getLogger(__name__)


class RepeatingProtocol(AnsweringProtocol):
    """Answers requests whose bytes it knows without reading them; an answer may take its time.

    Where it knows the head alone, the application is called with what it means and with the body.
    """

    known = KnownRequests[RepeatedRequest]()
    posts = KnownRequests[KnownPost]()

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
        self._gone: asyncio.Future[None] = self.loop.create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = f"{self.client[0]}\0{self.scheme}\0".encode() if self.client else b"\0"

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._gone.done():
            self._gone.set_result(None)
        super().connection_lost(exc)

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
        head, empty_line, body = data.partition(_END_OF_HEAD)
        head += empty_line
        head_key, key = keys_of(self._peer, head, body)
        request = self.known.find(key)
        if request is not None:
            if self._begins(request):
                self._is_waiting = True
                self._has_read_known_head()
                return
            self.known.forget(key)
        repetition = _Repetition(self.known, key)
        post = self.posts.find(head_key)
        if post is not None and post.length == len(body):
            repetition.is_whole = True
            self._call(post, data, body, repetition)
            return
        self._repetition = repetition
        super().data_received(data)
        self._repetition = None
        repetition.is_whole = self._is_between and self._begun == 1
        if (
            repetition.is_whole
            and repetition.is_offered
            and KnownPost.can_be_kept(self.scope, head, body)
        ):
            self.posts.add(head_key, KnownPost(self.scope, head))

    def _call(self, post: KnownPost, data: bytes, body: bytes, repetition: _Repetition) -> None:
        """Call the application as the parser would have it called."""
        self._is_waiting = True
        self._has_read_known_head()
        scope = post.scope_for(
            data, client=self.client, server=self.server, state=self.app_state.copy()
        )
        scope[REPEAT] = repetition
        task = self.loop.create_task(self._answer(scope, body))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, scope: dict[str, Any], body: bytes) -> None:
        exchange = WholeExchange(body, self._gone)
        try:
            await self.app(cast("Any", scope), exchange.receive, cast("Any", exchange.send))
        except BaseException:  # noqa: BLE001 - the client is told of a cancelled task, too
            _log.exception("Exception in ASGI application")
        try:
            answer = exchange.answer()
            _start(*answer[:2])  # known from here on, or it cannot be sent
        except (RuntimeError, ValueError):
            _log.exception("no answer can be sent")
            answer, self._ends = _FAILED, True
        self._send_whole(*answer)

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
            self._repetition.is_offered = True
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

    __slots__ = ("_key", "_known", "is_offered", "is_whole")

    def __init__(self, known: KnownRequests[RepeatedRequest], key: bytes) -> None:
        self._known = known
        self._key = key
        self.is_whole = False
        self.is_offered = False
        """Whether the application is called with it: with what is not is nothing to be known."""

    def __call__(self, request: RepeatedRequest) -> None:
        if self.is_whole:
            self._known.add(self._key, request)


@functools.lru_cache(64)
def _start(status: int, headers: Headers) -> bytes:
    return head(status, [(name, value) for name, value in headers if name != b"content-length"])
