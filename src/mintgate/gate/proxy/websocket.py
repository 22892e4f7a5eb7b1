"""WebSockets: two connections, and what comes from one goes to the other (RFC 6455)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import WSMsgType
from multidict import CIMultiDict
from yarl import URL

from mintgate.contract.gateway_errors import (
    GatewayRefusal,
    UpstreamMisbehaved,
    UpstreamTimedOut,
    UpstreamUnreachable,
)
from mintgate.gate.proxy.failures import told
from mintgate.gate.settings import RouteSettings
from mintgate.verify.asgi import Receive, Scope, Send
from mintgate.verify.websocket import FAILED, GOING_AWAY, Ending

_log = logging.getLogger(__name__)
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""As the listener's limit for what comes from clients."""
NORMAL = 1000
UntilRefused = Callable[[], Awaitable[Ending]]
# RFC 6455 §7.4: which codes may be sent. 1005, 1006 and 1015 only ever tell of something.
_SENDABLE = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})


async def pass_websocket(
    session: aiohttp.ClientSession,
    target: URL,
    fields: CIMultiDict[str],
    scope: Scope,
    receive: Receive,
    send: Send,
    until_refused: UntilRefused,
    route: RouteSettings,
) -> None:
    """Connect to the upstream, then accept the client's connection, then pass messages on.

    Args:
        until_refused: waits until the caller may not go on, and tells how to close.

    Raises:
        GatewayRefusal: the upstream does not take it; nothing was accepted then.
    """
    upstream = await _connected(session, target, fields, scope["subprotocols"], route)
    try:
        if (await receive())["type"] != "websocket.connect":
            return
        try:
            await send({"type": "websocket.accept", "subprotocol": upstream.protocol})
        except OSError:
            return  # the client did not wait
        code, reason = await _until_one_ends(
            _from_client(receive, upstream),
            _from_upstream(upstream, send),
            _while_admitted(until_refused, route),
        )
        with contextlib.suppress(OSError, RuntimeError):  # whoever has closed is gone
            await send({"type": "websocket.close", "code": code, "reason": reason})
        await upstream.close(code=code, message=reason.encode())
    finally:
        if not upstream.closed:
            await upstream.close(code=GOING_AWAY)


async def _connected(
    session: aiohttp.ClientSession,
    target: URL,
    fields: CIMultiDict[str],
    subprotocols: list[str],
    route: RouteSettings,
) -> aiohttp.ClientWebSocketResponse:
    try:
        async with asyncio.timeout(route.connect_seconds + route.idle_seconds):
            return await session.ws_connect(
                target,
                headers=fields,
                protocols=subprotocols,
                max_msg_size=MAX_MESSAGE_BYTES,
                autoping=True,
                timeout=aiohttp.ClientWSTimeout(ws_close=route.connect_seconds),
            )
    except aiohttp.WSServerHandshakeError as error:
        if 400 <= error.status < 500:
            raise _RefusedByUpstream(error.status) from error
        raise UpstreamMisbehaved(cause=f"the handshake was answered {error.status}") from error
    except TimeoutError as error:
        raise UpstreamTimedOut(cause="the handshake of a WebSocket") from error
    except (aiohttp.ClientError, OSError) as error:
        raise UpstreamUnreachable(cause=told(error)) from error


class _RefusedByUpstream(GatewayRefusal):
    """The API itself does not want the connection; its status is passed on."""

    error = "refused"
    sentence = "The server behind the gate refused the WebSocket."

    def __init__(self, status: int) -> None:
        super().__init__(cause=f"the handshake was answered with {status}")
        self.status = status


async def _until_one_ends(*directions: Any) -> Ending:
    """Run all of them until the first is over; tells with which code both ends are closed."""
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    first = done.pop()
    error = first.exception()
    if error is None:
        ending: Ending = first.result()
        return ending
    if not isinstance(error, aiohttp.ClientError | OSError | RuntimeError):
        raise error
    _log.debug("a WebSocket broke: %r", error)
    return FAILED, ""


async def _from_client(receive: Receive, upstream: aiohttp.ClientWebSocketResponse) -> Ending:
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            return _sendable(message.get("code", NORMAL)), message.get("reason") or ""
        if (data := message.get("bytes")) is not None:
            await upstream.send_bytes(data)
        else:
            await upstream.send_str(message["text"])


async def _from_upstream(upstream: aiohttp.ClientWebSocketResponse, send: Send) -> Ending:
    while True:
        message = await upstream.receive()
        if message.type is WSMsgType.BINARY:
            await send({"type": "websocket.send", "bytes": message.data})
        elif message.type is WSMsgType.TEXT:
            await send({"type": "websocket.send", "text": message.data})
        elif message.type is WSMsgType.CLOSE:
            return _sendable(message.data), message.extra or ""
        else:
            return _sendable(upstream.close_code), ""


async def _while_admitted(until_refused: UntilRefused, route: RouteSettings) -> Ending:
    """A connection lives no longer than its token, and not after it was revoked."""
    try:
        async with asyncio.timeout(route.total_seconds or None):
            return await until_refused()
    except TimeoutError:
        return GOING_AWAY, "The connection has lasted as long as it may."


def _sendable(code: int | None) -> int:
    if code is None or code == 1005:
        return NORMAL
    return code if code in _SENDABLE else FAILED
