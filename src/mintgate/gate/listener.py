"""How the gate listens: uvicorn with httptools, and what these let through is refused here.

httptools (llhttp in its strict mode) refuses by itself what smuggling is made of: two lengths, a
length beside `Transfer-Encoding`, folded lines, bare CR or LF, a space before a colon, control
characters, sizes of chunks that are no numbers. What it leaves is done here: versions other than
HTTP/1.0 and 1.1, targets and hosts, upgrades, codings other than `chunked`, sizes and times.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mintgate.contract.gateway_errors import MalformedRequest
from mintgate.gate.access_log import LOGGER
from mintgate.gate.settings import ListenerSettings
from mintgate.verify.asgi import Application
from mintgate.verify.refusals import refusal_response

# RFC 9110 §7.2: a name, an IPv4 or a bracketed IPv6 address, and perhaps a port.
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_METHODS_NOT_TAKEN = frozenset({"CONNECT", "TRACE", "PRI"})
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
            self._refuse_now(_too_large() if self._is_in_head else _malformed("endless framing"))

    def send_400_response(self, msg: str) -> None:
        self._refuse_now(self._refusal or _malformed(f"the parser refuses it: {msg}"))

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
            self.url = _origin_form(self.url, method, version, self.headers)
            _require_plain_framing(version, self.headers)
            _require_no_other_upgrade(method, self.headers)
        except MalformedRequest as refusal:
            raise self._refused(refusal) from None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._silent_bytes = 0
        self._is_in_head, self._has_begun = True, False
        super().on_message_complete()

    # Refusing.

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
        is_answering = cycle is not None and not cycle.response_complete
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
        elif self._has_begun:
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
    405: b"Method Not Allowed",
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


def _origin_form(
    url: bytes, method: str, version: str, headers: list[tuple[bytes, bytes]]
) -> bytes:
    """The target without scheme and host, which must not say anything but `Host` does.

    RFC 9112 §3.2: exactly one `Host`, for HTTP/1.0 at most one.
    """
    if version not in {"1.0", "1.1"}:
        raise MalformedRequest(
            "This server speaks HTTP/1.1.", status=505, cause=f"the version {version!r}"
        )
    if method in _METHODS_NOT_TAKEN:
        raise MalformedRequest(
            "This server does not have this method.", status=405, cause=f"the method {method}"
        )
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 and not (version == "1.0" and not hosts):
        raise _malformed(f"{len(hosts)} Host headers")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise _malformed("Host is no host")
    if b"#" in url:
        raise _malformed("the target has a fragment")  # RFC 9112 §3.2
    if not url.startswith(b"/") and url != b"*":
        parts = urlsplit(url)
        if parts.scheme.lower() not in {b"http", b"https"} or not parts.netloc:
            raise _malformed("the target is in no known form")
        # RFC 9112 §3.2.2 has the target win; a server behind may have it otherwise.
        if not hosts or parts.netloc.lower() != hosts[0].lower():
            raise _malformed("the target names another host than Host")
        rest = url[len(parts.scheme) + 3 + len(parts.netloc) :]
        return rest if rest.startswith(b"/") else b"/" + rest
    return url


def _require_plain_framing(version: str, headers: list[tuple[bytes, bytes]]) -> None:
    """One way to tell where the request ends (RFC 9112 §6.1); the parser is not asked alone."""
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    lengths = [value.strip(b" \t") for name, value in headers if name == b"content-length"]
    if codings and (len(codings) > 1 or codings[0].strip(b" \t").lower() != b"chunked"):
        raise MalformedRequest(
            "The only transfer coding that is taken is chunked.",
            status=501,
            cause="Transfer-Encoding is not chunked",
        )
    if codings and (lengths or version == "1.0"):
        raise _malformed("Transfer-Encoding with Content-Length, or in HTTP/1.0")
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise _malformed("Content-Length is malformed or given twice")


def _require_no_other_upgrade(method: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Another protocol on the connection would be another way around the guard."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value.strip().lower())
    upgrades = found.get(b"upgrade")
    if b"http2-settings" in found:
        raise _malformed("HTTP2-Settings")  # h2c (RFC 7540 §3.2)
    if upgrades is None:
        return
    if upgrades != [b"websocket"]:
        raise _malformed("Upgrade to something other than websocket")
    # Where the two ends see it in two ways, one goes on with HTTP and the other does not.
    options = {o.strip() for v in found.get(b"connection", []) for o in v.split(b",")}
    if (
        method != "GET"
        or b"upgrade" not in options
        or len(found.get(b"connection", [])) != 1
        or found.keys() & {b"content-length", b"transfer-encoding"}
        or found.get(b"sec-websocket-version") != [b"13"]
        or len(found.get(b"sec-websocket-key", [])) != 1
    ):
        raise _malformed("not the opening of a WebSocket (RFC 6455 §4.1)")


def _malformed(cause: str) -> MalformedRequest:
    return MalformedRequest(cause=cause)


def _too_large() -> MalformedRequest:
    return MalformedRequest(
        "The request's headers are too large.", status=431, cause="headers over the limit"
    )
