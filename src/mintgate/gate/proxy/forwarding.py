"""The application behind the guard: it passes a request on and its answer back, piece by piece."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from mintgate.contract.errors import AmbiguousRequest
from mintgate.contract.gateway_errors import (
    BodyTooLarge,
    GatewayRefusal,
    UpstreamMisbehaved,
    UpstreamTimedOut,
    UpstreamUnreachable,
)
from mintgate.gate.access_log import note_caller
from mintgate.gate.proxy import headers as rules
from mintgate.gate.proxy.exchange import ClientGone, Exchange
from mintgate.gate.proxy.failures import told
from mintgate.gate.proxy.upstreams import (
    Upstream,
    UpstreamClient,
    middlewares_for,
    upstreams_of,
)
from mintgate.gate.proxy.websocket import pass_websocket
from mintgate.gate.settings import RouteSettings
from mintgate.gate.tallies import UPSTREAM
from mintgate.verify import Guard, Principal
from mintgate.verify.asgi import Receive, Scope, Send, admission_of
from mintgate.verify.websocket import until_refused

_log = logging.getLogger(__name__)
IdentityOf = Callable[[Principal], list[tuple[bytes, bytes]]]
MAX_BUFFERED = 8 * 1024 * 1024
"""Of an answer without a length to an HTTP/1.0 client, which does not know chunks."""


class Forwarder:
    """Passes what the guard has admitted on to the route's upstream.

    Args:
        guard: that of the route; it is asked again while a WebSocket stays open.
        own_name: the gate's, for `Via`.
        identity_of: the header fields that tell the upstream who calls.
    """

    def __init__(
        self,
        route: RouteSettings,
        guard: Guard,
        client: UpstreamClient,
        own_name: str,
        identity_of: IdentityOf,
    ) -> None:
        self._route = route
        self._guard = guard
        self._client = client
        self._own_name = own_name
        self._identity_of = identity_of
        self._upstreams = upstreams_of(route)
        self._depth = route.prefix.count("/") if route.strip_prefix else 0
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=route.connect_seconds, connect=None
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        admission = admission_of(scope)
        if admission is None:
            raise LookupError("the forwarder stands behind a guard, which has not seen this")
        principal = admission.principal
        note_caller(scope, principal)
        received = scope["headers"]
        rules.require_fulfillable(received, self._own_name)
        upstream = self._upstreams.of(principal)
        if principal is None and rules.body_length(received) != 0:
            # Nobody has looked at who sends it [API-25].
            raise AmbiguousRequest("A preflight has no body.", cause="a preflight with a body")
        is_websocket = scope["type"] == "websocket"
        if is_websocket and not self._route.websocket:
            raise AmbiguousRequest(
                "This API takes no WebSockets.", cause="websocket is off for the route"
            )
        target = upstream.target(
            self._stripped(scope["raw_path"]), scope["query_string"], websocket=is_websocket
        )
        fields = self._fields(scope, principal, upstream)
        if is_websocket:
            await pass_websocket(
                self._client.websockets,
                target,
                rules.without_handshake(fields),
                scope,
                receive,
                send,
                functools.partial(until_refused, self._guard, admission, scope),
                self._route,
            )
            return
        await self._pass(scope, receive, send, target, fields)

    def _stripped(self, raw_path: bytes) -> bytes:
        """The path without the prefix. As no slash is escaped, segments can be counted."""
        if not self._depth:
            return raw_path
        parts = raw_path.split(b"/", self._depth + 1)
        return b"/" + (parts[self._depth + 1] if len(parts) > self._depth + 1 else b"")

    def _fields(
        self, scope: Scope, principal: Principal | None, upstream: Upstream
    ) -> CIMultiDict[str]:
        received = scope["headers"]
        # A preflight's credential was looked at by nobody [API-25].
        is_known = principal is not None
        fields = rules.request_headers(
            received,
            with_credentials=is_known and self._route.pass_credential,
            with_cookies=is_known,
        )
        host = next((v.decode("latin-1") for n, v in received if n == b"host"), "")
        fields["Host"] = host if self._route.keep_host else upstream.host
        fields["Via"] = rules.via(received, self._own_name)
        client = scope.get("client")
        scheme = "https" if scope["scheme"] in {"https", "wss"} else "http"
        prefix = self._route.prefix if self._route.strip_prefix else ""
        fields.extend(rules.forwarded(client[0] if client else "", host, scheme, prefix))
        if principal is not None:
            for name, value in self._identity_of(principal):
                fields[name.decode("ascii")] = value.decode("ascii")
        return fields

    async def _pass(
        self, scope: Scope, receive: Receive, send: Send, target: URL, fields: CIMultiDict[str]
    ) -> None:
        route = self._route
        length = rules.body_length(scope["headers"])
        if length is not None and route.max_body_bytes and length > route.max_body_bytes:
            raise BodyTooLarge(cause=f"Content-Length is {length}")
        exchange = Exchange(
            receive,
            idle_seconds=route.idle_seconds,
            total_seconds=route.total_seconds,
            max_body_bytes=route.max_body_bytes,
        )
        try:
            async with exchange:
                body = None
                if length == 0:
                    exchange.watch()
                else:
                    body = exchange.body()
                    if length is not None:
                        fields["Content-Length"] = str(length)
                sent_at = time.monotonic()
                async with self._client.session.request(
                    scope["method"],
                    target,
                    headers=fields,
                    data=body,
                    allow_redirects=False,
                    timeout=self._timeout,
                    middlewares=middlewares_for(scope["method"]),
                ) as response:
                    exchange.moved()
                    UPSTREAM.of(route.api).note(time.monotonic() - sent_at)
                    await _answer(response, exchange, scope, send)
        except ClientGone:
            _log.debug("the client of a request to %s went away", route.prefix)
        except (aiohttp.ClientError, OSError, GatewayRefusal) as error:
            refusal = _refusal_for(error)
            if not exchange.is_answered:
                raise refusal from error
            # The connection is closed without the end of the answer, so that the client sees that
            # something is missing (RFC 9112 §8).
            _log.warning("an answer of %s broke off: %s", route.prefix or "/", refusal.cause)


Pieces = AsyncIterator[tuple[bytes, bool]]


async def _answer(
    response: aiohttp.ClientResponse, exchange: Exchange, scope: Scope, send: Send
) -> None:
    """Pass an answer on, piece by piece."""
    start = _start_of(response)
    pieces = _pieces_of(response, exchange)
    if scope["http_version"] == "1.0" and not _has_length(start, scope):
        pieces = await _buffered(pieces, start)
    exchange.is_answered = True
    await send(start)
    async for piece, is_last in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": not is_last})
        if is_last:
            # A server tells of the end of the answer in the way in which a client goes away.
            exchange.finish()


def _start_of(response: aiohttp.ClientResponse) -> dict[str, Any]:
    if not 200 <= response.status <= 599:
        raise UpstreamMisbehaved(cause=f"the status is {response.status}")
    headers = rules.answer_headers(response.raw_headers, status=response.status)
    return {"type": "http.response.start", "status": response.status, "headers": headers}


async def _pieces_of(response: aiohttp.ClientResponse, exchange: Exchange) -> Pieces:
    """The answer's body as it comes, each piece with whether it is the last one."""
    content = response.content
    while not content.at_eof():
        piece = await content.readany()
        exchange.moved()
        if piece and not content.at_eof():
            yield piece, False
        elif piece:
            yield piece, True
            return
    yield b"", True


async def _buffered(pieces: Pieces, start: dict[str, Any]) -> Pieces:
    """The whole body at once, with its length: an HTTP/1.0 client does not know chunks."""
    whole = bytearray()
    async for piece, _ in pieces:
        whole += piece
        if len(whole) > MAX_BUFFERED:
            raise UpstreamMisbehaved(
                "The answer is too long for HTTP/1.0. Use HTTP/1.1.",
                cause=f"more than {MAX_BUFFERED} bytes without a length, for HTTP/1.0",
            )
    start["headers"].append((b"content-length", str(len(whole)).encode()))

    async def one() -> Pieces:
        yield bytes(whole), True

    return one()


def _has_length(start: dict[str, Any], scope: Scope) -> bool:
    has_no_body = scope["method"] == "HEAD" or start["status"] in {204, 304}
    return has_no_body or any(name == b"content-length" for name, _ in start["headers"])


def _refusal_for(error: Exception) -> GatewayRefusal:
    """What the caller is told about a failure of the upstream; the rest is for the log."""
    if isinstance(error, GatewayRefusal):
        return error
    cause = told(error)
    if isinstance(error, TimeoutError):
        return UpstreamTimedOut(cause=cause)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return UpstreamMisbehaved(cause=cause)
    return UpstreamUnreachable(cause=cause)
