"""ASGI middleware: no request reaches the application without a checked token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from mintgate.contract.errors import Refusal, TemporarilyUnavailable
from mintgate.verify.guard import Guard
from mintgate.verify.keys import KeysUnavailable
from mintgate.verify.refusals import refusal_response
from mintgate.verify.state import StateUnavailable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
OnRefusal = Callable[[Scope, Refusal], Awaitable[None]]

PRINCIPAL = "mintgate.principal"
"""The scope key under which the application finds the `Principal`."""


class BearerMiddleware:
    """Checks every HTTP and WebSocket request and puts its principal in the scope.

    Args:
        app: the guarded application.
        guard: verifier and audience.
        scopes: what every operation needs; leave it empty when the application decides per
            operation.
        on_refusal: told of each refusal before it is sent, for an audit log.
    """

    def __init__(
        self,
        app: Application,
        guard: Guard,
        scopes: Collection[str] = frozenset(),
        on_refusal: OnRefusal | None = None,
    ) -> None:
        self._app = app
        self._guard = guard
        self._scopes = frozenset(scopes)
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        try:
            principal = await self._guard.check_async(scope["headers"], self._scopes)
        except Refusal as refusal:
            await self._refuse(refusal, scope, send)
            return
        except (KeysUnavailable, StateUnavailable) as error:
            await self._refuse(TemporarilyUnavailable(cause=str(error)), scope, send)
            return
        await self._app({**scope, PRINCIPAL: principal}, receive, send)

    async def _refuse(self, refusal: Refusal, scope: Scope, send: Send) -> None:
        if self._on_refusal is not None:
            await self._on_refusal(scope, refusal)
        status, headers, body = refusal_response(refusal, self._guard.audience)
        if scope["type"] == "websocket":
            # Closing before accepting makes the server answer 403.
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
