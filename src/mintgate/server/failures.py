"""The last line of defence: a failure becomes an answer that says no more than it must."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mintgate.contract.errors import Refusal, ServerError, TemporarilyUnavailable
from mintgate.contract.request_ids import REQUEST_ID, new_refusal_id
from mintgate.identity.rendering import failure

BASE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""Of every answer of the server."""
Headers = list[tuple[bytes, bytes]]
Render = Callable[[Refusal], tuple[int, Headers, bytes]]


def oauth_json(refusal: Refusal) -> tuple[int, Headers, bytes]:
    """The shape of the identity service's errors (RFC 6749 §5.2)."""
    body = msgspec.json.encode({"error": refusal.error, "error_description": refusal.description})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if isinstance(refusal, TemporarilyUnavailable):
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    return refusal.status, headers, body


class Failures:
    """Answers for an application that failed: 503 when the database is away, else 500.

    Args:
        render: the shape of the protocol that the application speaks.
        headers: added to every answer.
    """

    def __init__(
        self, app: ASGIApp, render: Render = oauth_json, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        self._app = app
        self._render = render
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False
        more = self._headers

        async def watched(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if more:
                    message["headers"] = [*message["headers"], *more]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - logged, and nothing ends by it
            request_id = new_refusal_id()
            refusal = failure(error, scope["path"], request_id)
            if isinstance(refusal, ServerError):
                scope[REQUEST_ID] = request_id  # as it stands in the log
        else:
            return
        if started or scope["type"] != "http":
            raise ConnectionAbortedError("the answer had begun")
        status, headers, body = self._render(refusal)
        headers = [*headers, *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
