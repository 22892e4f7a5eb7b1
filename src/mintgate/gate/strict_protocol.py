"""uvicorn's HTTP with httptools, and what these let through is refused here.

httptools (llhttp in its strict mode) refuses by itself what smuggling is made of: two lengths, a
length beside `Transfer-Encoding`, folded lines, bare CR or LF, a space before a colon, control
characters, sizes of chunks that are no numbers. What it leaves is done here: versions other than
HTTP/1.0 and 1.1, targets and hosts, upgrades, codings other than `chunked`, sizes and times.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mintgate.contract.gateway_errors import MalformedRequest
from mintgate.gate.access_log import LOGGER, write_line
from mintgate.gate.draining import Draining
from mintgate.gate.request_head import (
    Telling,
    malformed,
    origin_form,
    require_no_other_upgrade,
    require_plain_framing,
    telling,
)
from mintgate.gate.settings import ListenerSettings
from mintgate.verify.refusals import refusal_response
from mintgate.verify.tallies import REFUSED

_SILENCE = 64 * 1024
"""How many bytes may come without a piece of a body between them: trailers, chunk extensions."""
_access = logging.getLogger(LOGGER)


class StrictProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the checks that are needed before an application sees anything."""

    settings = ListenerSettings()
    draining = Draining()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refusal: MalformedRequest | None = None
        self._is_in_head = True
        self._has_begun = False
        self._has_ended = False
        self._silent_bytes = 0
        self._head_at_most = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_between = True
        """Whether the parser is where it was at first: no byte of a request was given to it."""
        self._begun = 0
        """How many requests have begun in the bytes that came last."""
        self._is_answered = False
        # uvicorn goes by the handlers, which other loggers may have given to all.
        self.access_log = self.access_log and self.config.access_log

    # Bytes.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # what was refused is not looked at any further
        size = len(data)
        self._silent_bytes += size
        # At least what has come of this request's head.
        self._head_at_most = size + (self._head_at_most if self._has_begun else 0)
        self._has_ended = False
        self._begun = 0
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_in_head and (self._has_begun or not self._has_ended):
            self._wait_for_head()
        elif self._silent_bytes > _SILENCE:
            self._refuse_now(malformed("endless framing"))

    def _wait_for_head(self) -> None:
        try:
            # A field that does not end is not told of by the parser: its bytes are counted, too.
            if self._silent_bytes > self.settings.max_header_bytes:
                raise _too_large()
            if self._has_begun:
                self._require_bounded()
        except MalformedRequest as refusal:
            self._refuse_now(refusal)
            return
        if self._head_timer is None:
            self._expect_head()

    def _require_bounded(self) -> None:
        limits = self.settings
        if len(self.headers) > limits.max_headers or (
            self._head_at_most > limits.max_header_bytes
            and _size(self.url, self.headers) > limits.max_header_bytes
        ):
            raise _too_large()

    def send_400_response(self, msg: str) -> None:
        self._refuse_now(self._refusal or malformed(f"the parser refuses it: {msg}"))

    # What the parser finds.

    def on_message_begin(self) -> None:
        # uvicorn makes a scope here; it is made when an application is to be called with it.
        self.url = b""
        self.headers = []
        self._is_in_head = self._has_begun = True
        self._is_between = False
        self._begun += 1
        self._silent_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # else a trailer: nobody would have judged it (RFC 9110 §6.5.1)
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._silent_bytes = 0
        if self._head_timer is not None:
            self._stop_timer()
        method = self.parser.get_method().decode("ascii")
        version = self.parser.get_http_version()
        try:
            self._require_bounded()
            head = telling(self.headers)
            self.url = origin_form(self.url, method, version, head)
            if len(head) > (b"host" in head):  # there is more than `Host`, which 1.0 may lack
                require_plain_framing(version, head)
                require_no_other_upgrade(method, head)
            if self._is_answering() and self.parser.should_upgrade():
                raise malformed("Upgrade behind a request that is not answered yet")
        except MalformedRequest as refusal:
            # The parser makes an error of its own of what its callbacks raise.
            self._refusal = self._refusal or refusal
            raise
        left = self._answered_at_once(method, version, head)
        if left is None:
            self._is_answered = True
            return
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers += headers  # the list that is in the scope
        self.scope.update(left)  # type: ignore[typeddict-item]
        self.expect_100_continue = any(
            value.lower() == b"100-continue" for value in head.get(b"expect", ())
        )
        super().on_headers_complete()
        if self.draining.has_begun and self._is_answering():
            self.cycle.keep_alive = False  # RFC 9112 §9.6: the client hears it with the answer

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._silent_bytes = 0
        self._is_in_head, self._has_begun, self._has_ended = True, False, True
        if self._head_timer is not None:
            self._stop_timer()
        if self._is_answered:  # which no other one is
            self._is_answered = False
            self._is_between = True
            return
        # Behind others the parser takes what follows in another way, or not at all.
        self._is_between = self.parser.should_keep_alive() and not self.parser.should_upgrade()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_in_head and self._head_timer is None:
            self._expect_head()  # what is left of a body that nobody reads has to come in time, too

    # Answering without the application.

    def _answered_at_once(self, method: str, version: str, head: Telling) -> dict[str, Any] | None:
        """None when the request was answered; else what is left for the application's scope."""
        return {}

    def _send_unsent(self) -> None:
        """Send what was answered so; whoever answers next may do so at once."""

    # Ending.

    def is_idle(self) -> bool:
        """Whether nothing is asked and nothing is being answered here; asked by who ends.

        An answer that has not begun then ends the connection.
        """
        if self._is_answering():
            self.cycle.keep_alive = self.cycle.keep_alive and self.cycle.response_started
            return False
        return not self._has_begun

    # Refusing.

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse_now(self, refusal: MalformedRequest) -> None:
        """Answer, unless another answer is being given on this connection, and close it.

        Nothing can be known about where a next request would begin.
        """
        if self.transport.is_closing():
            return
        self._send_unsent()
        REFUSED.add("listener", refusal.error)
        if _access.isEnabledFor(logging.INFO):
            write_line(
                {
                    "status": refusal.status,
                    "address": self.client[0] if self.client else "-",
                    "endpoint": "listener",
                    "cause": refusal.cause,
                    "request_id": refusal.id,
                }
            )
        cycle = self.cycle
        is_answering = self._is_answering()
        if cycle is not None and is_answering:
            # Its body is what is malformed, or something was sent after it.
            cycle.disconnected = True
            cycle.message_event.set()
        if cycle is None or not is_answering or (not cycle.response_started and not self.pipeline):
            status, headers, body = refusal_response(refusal, "gate")
            lines = [b"HTTP/1.1 %d %s" % (status, _PHRASES.get(status, b"Bad Request"))]
            lines += [name + b": " + value for name, value in headers]
            self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.pipeline.clear()
        self.transport.close()

    # Time.

    def _expect_head(self) -> None:
        """A request's head has to come in time: slow ones would hold connections for nothing."""
        self._head_timer = self.loop.call_later(self.settings.header_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._is_answering():
            self._expect_head()  # an answer is being given; the rest can wait for its end
        elif self._has_begun and self._is_in_head:
            self._refuse_now(
                MalformedRequest(
                    "The request did not arrive in time.", status=408, cause="a slow head"
                )
            )
        else:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
    505: b"HTTP Version Not Supported",
}


def _too_large() -> MalformedRequest:
    return MalformedRequest(
        "The request's headers are too large.", status=431, cause="headers over the limit"
    )


def _size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """Bytes of a head, without what is the same in every one."""
    return len(url) + sum([len(name) + len(value) + 4 for name, value in headers])
