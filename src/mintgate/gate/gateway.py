"""`mintgate gate` as one application: own answers, routes, each behind its guard."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate

import msgspec

from mintgate.contract.errors import (
    AmbiguousRequest,
    Refusal,
    ServerError,
    TemporarilyUnavailable,
)
from mintgate.contract.gateway_errors import NoRoute
from mintgate.contract.request_target import normal_path, not_what_arrived
from mintgate.gate.access_log import Record, note_refusal
from mintgate.gate.readable_answers import OWN_HEADERS
from mintgate.gate.routes import OWN_PREFIX, RouteTable
from mintgate.verify.asgi import Application, Message, Receive, Scope, Send
from mintgate.verify.noting import RECORD
from mintgate.verify.refusals import refusal_response

_log = logging.getLogger(__name__)
HEALTH, READY, KEYS = "/-/health", "/-/ready", "/-/jwks.json"
OWN_REALM = "gate"


class ServedRoute(msgspec.Struct, frozen=True):
    """A route's API and the guarded application in front of its upstreams."""

    api: str
    app: Application


class Gateway:
    """Answers for everything that arrives.

    Args:
        routes: by prefix.
        key_set: the JWK Set by which upstreams check the gate's own tokens; None: there are none.
        is_ready: whether every identity server has been heard of.
        start, stop: run with the server's event loop.
    """

    def __init__(
        self,
        routes: Sequence[tuple[str, ServedRoute]],
        *,
        key_set: dict[str, object] | None,
        is_ready: Callable[[], bool],
        start: Callable[[], None],
        stop: Callable[[], object],
    ) -> None:
        self._table = RouteTable(routes)
        self._key_set = msgspec.json.encode(key_set) if key_set is not None else None
        self._is_ready = is_ready
        self._start = start
        self._stop = stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        record = Record(scope)
        # Guards copy the scope; all copies have this one.
        scope[RECORD] = record
        noted = record.sending(_closing_unread(scope, send))
        try:
            await self._answer(scope, receive, noted, record)
        except Refusal as refusal:
            note_refusal(scope, refusal)
            await _refuse(refusal, record, noted)
        except asyncio.CancelledError:
            # Only the server itself does this, when it ends and has waited long enough.
            await _refuse(TemporarilyUnavailable(cause="the gate ends"), record, noted)
        except Exception:  # noqa: BLE001 - logged, and the gate goes on
            # The answer names the request in the log, and no detail [API-42].
            failure = ServerError("The gate failed. Give its operator the X-Request-Id.")
            note_refusal(scope, failure)
            _log.exception("request %s failed", failure.id)
            await _refuse(failure, record, noted)
        finally:
            record.end()

    async def _answer(self, scope: Scope, receive: Receive, send: Send, record: Record) -> None:
        path = _path_of(scope)
        if path is None:
            # The guard refuses it; it is asked so that the refusal names the API.
            route = self._table.find(scope["raw_path"].decode("latin-1"))
            if route is None:
                raise _ambiguity_of(scope)
        elif path == OWN_PREFIX or path.startswith(f"{OWN_PREFIX}/"):
            await self._own(path, scope, send)
            return
        else:
            route = self._table.find(path)
            if route is None:
                raise NoRoute
        record.api = record.endpoint = route.api
        await route.app(scope, receive, send)

    async def _own(self, path: str, scope: Scope, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            raise NoRoute
        status, body = 200, b'{"status":"ok"}'
        if path == READY and not self._is_ready():
            status, body = (
                503,
                b'{"status":"not ready: it ends, or has not heard of an identity server"}',
            )
        elif path == KEYS and self._key_set is not None:
            body = self._key_set
        elif path not in {HEALTH, READY}:
            raise NoRoute
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"max-age=60" if path == KEYS else b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        stopping = self._stop()
        if hasattr(stopping, "__await__"):
            await stopping
        await send({"type": "lifespan.shutdown.complete"})


def _path_of(scope: Scope) -> str | None:
    """The path that the guard will judge; None when it is ambiguous."""
    try:
        path = normal_path(scope["raw_path"])
    except AmbiguousRequest:
        return None
    if path != scope["path"]:
        raise not_what_arrived("the path of the ASGI scope is not its raw_path")
    return path


def _ambiguity_of(scope: Scope) -> AmbiguousRequest:
    try:
        normal_path(scope["raw_path"])
    except AmbiguousRequest as refusal:
        return refusal
    return AmbiguousRequest()


async def _refuse(refusal: Refusal, record: Record, send: Send) -> None:
    if record.headers_sent:
        return  # the connection is closed without the end of the answer
    realm = OWN_REALM if record.api == "-" else record.api
    status, headers, body = refusal_response(refusal, realm)
    headers += record.scope.get(OWN_HEADERS, ())
    kind = "http" if record.scope["type"] == "http" else "websocket.http"
    await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})


def _closing_unread(scope: Scope, send: Send) -> Send:
    """Adds what every answer has: a date, and the end of a connection that cannot be gone on with.

    A client that waits for `100 Continue` and gets a final answer may send the body or not: nobody
    can tell where its next request begins (RFC 9110 §10.1.1).
    """

    async def completed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message["headers"])
            names = {name for name, _ in headers}
            if b"date" not in names:
                headers.append((b"date", _date()))
            if message["status"] >= 400 and b"connection" not in names and _expects(scope):
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        await send(message)

    return completed


def _expects(scope: Scope) -> bool:
    return any(name == b"expect" for name, _ in scope["headers"])


_dated: tuple[int, bytes] = (0, b"")


def _date() -> bytes:
    global _dated
    now = int(time.time())
    if _dated[0] != now:
        _dated = (now, formatdate(now, usegmt=True).encode())
    return _dated[1]
