"""ASGI middleware: no request reaches the application unless every check of it passed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from mintgate.contract.errors import BatchNotTaken, Refusal, TemporarilyUnavailable
from mintgate.contract.request_target import normal_path, not_what_arrived
from mintgate.verify.api_request import Admission, ApiRequest
from mintgate.verify.batch import USUAL_LIMITS, BatchLimits, Plan
from mintgate.verify.batch.asgi import PermittedParts, plan_of, scope_of
from mintgate.verify.concurrency import ConcurrencyLimits
from mintgate.verify.guard import Guard
from mintgate.verify.keys import KeysUnavailable
from mintgate.verify.refusals import refusal_response
from mintgate.verify.sessions import OpenSession
from mintgate.verify.state import StateUnavailable
from mintgate.verify.websocket import run_watched

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
OnRefusal = Callable[[Scope, Refusal], Awaitable[None]]

PRINCIPAL = "mintgate.principal"
"""The scope key under which the application finds the `Principal`; None in a preflight."""
ADMISSION = "mintgate.admission"


class GuardMiddleware:
    """Checks every HTTP and WebSocket request and puts its principal in the scope.

    Args:
        app: the guarded application.
        guard: what to check by.
        on_refusal: told of each refusal before it is sent, for an audit log; the caller is told
            its `id`. Of a batch it is told of each refused part, with the scope that the part
            would have by itself.
        batch_limits: what one OData batch may be, of which each part is judged alone [API-32].
        concurrency: how many requests may run at once [API-51..53]; without it any number.
        watches_websockets: close a WebSocket when its token has ended; False where the
            application does so itself.
    """

    def __init__(
        self,
        app: Application,
        guard: Guard,
        on_refusal: OnRefusal | None = None,
        batch_limits: BatchLimits = USUAL_LIMITS,
        *,
        concurrency: ConcurrencyLimits | None = None,
        watches_websockets: bool = True,
    ) -> None:
        self._app = app
        self._guard = guard
        self._on_refusal = on_refusal
        self._batch_limits = batch_limits
        self._concurrency = concurrency
        self._watches_websockets = watches_websockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            await self._guarded(scope, receive, send)
            return
        await self._app(scope, receive, self._closing(send))

    def _closing(self, send: Send) -> Send:
        """Closes the guard before the server is told that it may end: then it waits for nobody."""

        async def closing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await asyncio.to_thread(self._guard.close)
            await send(message)

        return closing

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A copy: servers add trailers to the list later, which nobody would have judged.
        scope = {**scope, "headers": list(scope["headers"])}
        app = self._app
        try:
            admission = await self._guard.admit_async(request_to_serve(scope))
            if admission.operation.is_batch:
                batch = await self._permitted(admission, scope, receive, send)
                if batch is None:
                    return
                app = batch
            place = None
            if self._concurrency is not None:
                place = self._concurrency.enter_at_once(admission)
                if place is None:
                    place = await self._concurrency.enter(admission)
        except Refusal as refusal:
            await self._refuse(refusal, scope, send)
            return
        except (KeysUnavailable, StateUnavailable) as error:
            await self._refuse(TemporarilyUnavailable(cause=str(error)), scope, send)
            return
        inner = {**scope, PRINCIPAL: admission.principal, ADMISSION: admission}
        if admission.headers:
            send = _with_headers(send, admission.headers)
        if scope["type"] == "websocket" and self._watches_websockets:
            app = functools.partial(run_watched, app, guard=self._guard, admission=admission)
        try:
            if admission.session is None:
                await app(inner, receive, send)
            else:
                await _counted(app, inner, receive, send, admission.session)
        finally:
            if place is not None:
                place.leave()

    async def _permitted(
        self, admission: Admission, scope: Scope, receive: Receive, send: Send
    ) -> Application | None:
        """The application for the permitted parts of a batch; None when all is answered."""
        plan = await self._taken_apart(admission, scope, receive)
        if plan is None:
            return None  # its sender has gone
        if (finished := plan.refusal_only) is not None:
            await _answer(finished, send)
            return None
        await self._guard.occupy_async(admission)
        return PermittedParts(self._app, plan, self._batch_limits, self._refuse)

    async def _taken_apart(
        self, admission: Admission, scope: Scope, receive: Receive
    ) -> Plan | None:
        if scope["type"] != "http" or scope["method"] != "POST":
            raise BatchNotTaken(cause="it would become a connection of another protocol")
        plan = await plan_of(self._guard, admission, scope["headers"], receive, self._batch_limits)
        if plan is not None and self._on_refusal is not None:
            for part in plan.refused:
                await self._on_refusal(scope_of(part, scope), part.refusal)
        return plan

    async def _refuse(self, refusal: Refusal, scope: Scope, send: Send) -> None:
        if self._on_refusal is not None:
            await self._on_refusal(scope, refusal)
        if scope["type"] != "websocket":
            await _answer(refusal_response(refusal, self._guard.audience), send)
        elif "websocket.http.response" in (scope.get("extensions") or {}):
            response = refusal_response(refusal, self._guard.audience)
            await _answer(response, send, "websocket.http")
        else:
            # Closing before accepting makes the server answer 403.
            await send({"type": "websocket.close", "code": 1008})


def request_of(scope: Scope) -> ApiRequest:
    """The request behind an ASGI scope, for a log; see `request_to_serve`."""
    # Not every server gives the path as it came; what it has decoded cannot be seen any more.
    # Bytes that it could not decode become what no server reads as a path.
    raw_path = scope.get("raw_path") or quote(scope["path"], errors="surrogateescape").encode()
    client = scope.get("client")
    headers = scope["headers"]
    if scope.get("type") == "websocket":  # one over HTTP/2 has no such header (RFC 8441 §5)
        headers = [*headers, (b"upgrade", b"websocket")]
    return ApiRequest(
        scope.get("method", "GET"),  # a WebSocket begins as a GET (RFC 6455 §4.1)
        raw_path.partition(b"?")[0],  # some have the query in it
        scope.get("query_string", b""),
        headers,
        client[0] if client else "",
    )


def request_to_serve(scope: Scope) -> ApiRequest:
    """The request behind an ASGI scope, whose application routes by `scope["path"]`.

    Raises:
        AmbiguousRequest: something in between has given the application another path than was
            sent; the policy would judge one and the application serve the other.
    """
    request = request_of(scope)
    raw, path = request.raw_path, scope["path"]
    # Most paths, at once: nothing in them was escaped.
    if b"%" in raw or not path.isascii() or raw != path.encode("ascii"):
        sent = normal_path(raw)
        # Below a mount, older frameworks leave the application the rest of its path only.
        if sent not in (path, scope.get("root_path", "") + path):
            raise not_what_arrived("the path of the ASGI scope is not its raw_path")
    return request


def admission_of(scope: Scope) -> Admission | None:
    """What the guard found out about a request; None when none has checked it."""
    found = scope.get(ADMISSION)
    return found if isinstance(found, Admission) else None


async def _answer(
    answer: tuple[int, list[tuple[bytes, bytes]], bytes], send: Send, kind: str = "http"
) -> None:
    status, headers, body = answer
    await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})


async def _counted(
    app: Application, scope: Scope, receive: Receive, send: Send, session: OpenSession
) -> None:
    """Run the application, counting what goes in and out for the monitoring [SES-26]."""

    async def counted_receive() -> Message:
        message = await receive()
        session.uploaded += _size(message)
        return message

    async def counted_send(message: Message) -> None:
        session.downloaded += _size(message)
        await send(message)

    session.current += 1
    try:
        await app(scope, counted_receive, counted_send)
    finally:
        session.current -= 1


def _size(message: Message) -> int:
    """Bytes of a body, or of a WebSocket's frame."""
    payload = message.get("body") or message.get("bytes")
    return len(payload) if payload else len((message.get("text") or "").encode())


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return send_with_headers
