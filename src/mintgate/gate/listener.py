"""How the gate listens: uvicorn with httptools, and what these let through is refused here.

httptools (llhttp in its strict mode) refuses by itself what smuggling is made of: two lengths, a
length beside `Transfer-Encoding`, folded lines, bare CR or LF, a space before a colon, control
characters, sizes of chunks that are no numbers. What it leaves is done here: versions other than
HTTP/1.0 and 1.1, targets and hosts, upgrades, codings other than `chunked`, sizes and times.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mintgate.contract.gateway_errors import MalformedRequest
from mintgate.gate.access_log import LOGGER
from mintgate.gate.request_head import (
    malformed,
    origin_form,
    require_no_other_upgrade,
    require_plain_framing,
)
from mintgate.gate.settings import ListenerSettings
from mintgate.verify.asgi import Application
from mintgate.verify.refusals import refusal_response

_SILENCE = 64 * 1024
"""How many bytes may come without a piece of a body between them: trailers, chunk extensions."""
BACKLOG = 2048
_access = logging.getLogger(LOGGER)


class _ToldElsewhere(logging.Filter):
    """Lines of uvicorn about what the gate's own log tells with its reason."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(
            ("Invalid HTTP request", "Unsupported upgrade", "ASGI callable returned without")
        )


_TOLD_ELSEWHERE = _ToldElsewhere()


class GateProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the checks that a gate needs before an application sees anything."""

    settings = ListenerSettings()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refusal: MalformedRequest | None = None
        self._head_bytes = 0
        self._is_in_head = True
        self._has_begun = False
        self._silent_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

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
        if self._head_timer is None and self._is_in_head:
            self._expect_head()
        self._silent_bytes += len(data)
        super().data_received(data)
        limit = self.settings.max_header_bytes if self._is_in_head else _SILENCE
        # A field that does not end is not told of by the parser: its bytes are counted instead.
        if self._silent_bytes > limit and not self.transport.is_closing():
            self._refuse_now(_too_large() if self._is_in_head else malformed("endless framing"))

    def send_400_response(self, msg: str) -> None:
        self._refuse_now(self._refusal or malformed(f"the parser refuses it: {msg}"))

    # What the parser finds.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = self._has_begun = True
        self._head_bytes = 0
        self._silent_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_in_head:
            return  # a trailer: nobody would have judged it (RFC 9110 §6.5.1)
        super().on_header(name, value)
        self._count(len(name) + len(value) + 4)
        if len(self.headers) > self.settings.max_headers:
            raise self._refused(_too_large())

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._silent_bytes = 0
        self._stop_timer()
        method = self.parser.get_method().decode("ascii")
        version = self.parser.get_http_version()
        try:
            self.url = origin_form(self.url, method, version, self.headers)
            require_plain_framing(version, self.headers)
            require_no_other_upgrade(method, self.headers)
            if self.parser.should_upgrade() and self._is_answering():
                raise malformed("Upgrade behind a request that is not answered yet")
        except MalformedRequest as refusal:
            raise self._refused(refusal) from None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._silent_bytes = 0
        self._is_in_head, self._has_begun = True, False
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_in_head and self._head_timer is None:
            self._expect_head()  # what is left of a body that nobody reads has to come in time, too

    # Refusing.

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.settings.max_header_bytes:
            raise self._refused(_too_large())

    def _refused(self, refusal: MalformedRequest) -> MalformedRequest:
        # The parser makes an error of its own of what its callbacks raise.
        self._refusal = self._refusal or refusal
        return refusal

    def _refuse_now(self, refusal: MalformedRequest) -> None:
        """Answer, unless another answer is being given on this connection, and close it.

        Nothing can be known about where a next request would begin.
        """
        if self.transport.is_closing():
            return
        _access.info(
            "status=%d address=%s cause=%r id=%s",
            refusal.status,
            self.client[0] if self.client else "-",
            refusal.cause,
            refusal.id,
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
        if self.cycle is not None and not self.cycle.response_complete:
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


def server_config(app: Application, settings: ListenerSettings, **options: Any) -> uvicorn.Config:
    """How uvicorn serves a gate.

    Args:
        options: further ones of `uvicorn.Config`, such as those for TLS.
    """
    logging.getLogger("uvicorn.error").addFilter(_TOLD_ELSEWHERE)
    protocol = type("ConfiguredGateProtocol", (GateProtocol,), {"settings": settings})
    return uvicorn.Config(
        app,
        http=protocol,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        backlog=BACKLOG,
        **options,
    )


def _too_large() -> MalformedRequest:
    return MalformedRequest(
        "The request's headers are too large.", status=431, cause="headers over the limit"
    )
