"""ASGI middleware: no request reaches the application unless every check of it passed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from mintgate.contract.errors import BatchNotTaken, Refusal, TemporarilyUnavailable
from mintgate.verify.guard import Admission, ApiRequest, Guard
from mintgate.verify.keys import KeysUnavailable
from mintgate.verify.refusals import refusal_response
from mintgate.verify.sessions import OpenSession
from mintgate.verify.state import StateUnavailable

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
            its `id`.
    """

    def __init__(self, app: Application, guard: Guard, on_refusal: OnRefusal | None = None) -> None:
        self._app = app
        self._guard = guard
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        # A copy: servers add trailers to the list later, which nobody would have judged.
        scope = {**scope, "headers": list(scope["headers"])}
        try:
            admission = await self._guard.admit_async(request_of(scope))
            if admission.operation.is_batch:
                raise BatchNotTaken
        except Refusal as refusal:
            await self._refuse(refusal, scope, send)
            return
        except (KeysUnavailable, StateUnavailable) as error:
            await self._refuse(TemporarilyUnavailable(cause=str(error)), scope, send)
            return
        inner = {**scope, PRINCIPAL: admission.principal, ADMISSION: admission}
        if admission.headers:
            send = _with_headers(send, admission.headers)
        if admission.session is None:
            await self._app(inner, receive, send)
        else:
            await _counted(self._app, inner, receive, send, admission.session)

    async def _refuse(self, refusal: Refusal, scope: Scope, send: Send) -> None:
        if self._on_refusal is not None:
            await self._on_refusal(scope, refusal)
        status, headers, body = refusal_response(refusal, self._guard.audience)
        kind = "http"
        if scope["type"] == "websocket":
            if "websocket.http.response" not in (scope.get("extensions") or {}):
                # Closing before accepting makes the server answer 403.
                await send({"type": "websocket.close", "code": 1008})
                return
            kind = "websocket.http"
        await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
        await send({"type": f"{kind}.response.body", "body": body})


def request_of(scope: Scope) -> ApiRequest:
    """The request behind an ASGI scope."""
    # Not every server gives the path as it came; what it has decoded cannot be seen any more.
    raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
    client = scope.get("client")
    return ApiRequest(
        scope.get("method", "GET"),  # a WebSocket begins as a GET (RFC 6455 §4.1)
        raw_path,
        scope.get("query_string", b""),
        scope["headers"],
        client[0] if client else "",
    )


def admission_of(scope: Scope) -> Admission | None:
    """What the guard found out about a request; None when none has checked it."""
    found = scope.get(ADMISSION)
    return found if isinstance(found, Admission) else None


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
            message = {**message, "headers": [*message["headers"], *headers]}
        await send(message)

    return send_with_headers
