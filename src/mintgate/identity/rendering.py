"""How the identity service's JSON endpoints answer (RFC 6749 §5)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mintgate.contract.errors import (
    ClientMustWait,
    InvalidClient,
    Refusal,
    ServerError,
    TemporarilyUnavailable,
)
from mintgate.contract.request_ids import new_refusal_id
from mintgate.store import DatabaseUnavailable

_log = logging.getLogger(__name__)

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""[EP-6]"""


class RawJson(Response):
    """JSON that is encoded already, or a value that msgspec encodes."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return content if isinstance(content, bytes) else msgspec.json.encode(content)


def oauth_error(refusal: Refusal) -> Response:
    """The JSON error of the token endpoint and its kin (RFC 6749 §5.2) [EP-5]."""
    headers = dict(NO_STORE)
    if isinstance(refusal, InvalidClient) and refusal.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="mintgate"'
    if isinstance(refusal, TemporarilyUnavailable | ClientMustWait):
        headers["Retry-After"] = str(refusal.retry_after)
    body = {"error": refusal.error, "error_description": refusal.description}
    return RawJson(body, status_code=refusal.status, headers=headers)


def method_not_allowed(allowed: str) -> Response:
    """[EP-9]"""
    body = {"error": "invalid_request", "error_description": f"Use {allowed}."}
    return RawJson(body, status_code=405, headers={"Allow": allowed})


Handler = Callable[[Request], Awaitable[Response]]


class Methods:
    """An endpoint that answers some methods and no others; HEAD only where it changes nothing.

    Starlette would answer HEAD like GET, and a GET here may issue a code or end a session.
    """

    def __init__(self, **handlers: Handler) -> None:
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handlers.get(scope["method"])
        if handler is None:
            response = method_not_allowed(", ".join(self._handlers))
        else:
            response = await handler(Request(scope, receive))
        await response(scope, receive, send)


JSON_HEADERS = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
)
"""Of a 200 on the hot path; its length comes to that."""


async def send_json(send: Send, body: bytes) -> None:
    """A 200 on the hot path, without a response object."""
    headers = [*JSON_HEADERS, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def failure(error: BaseException, what: str, request_id: str | None = None) -> Refusal:
    """The answer to what failed by nobody's wish; the cause is in the log only.

    Args:
        what: for the log.
        request_id: by which the log names the request; one is made when there is none.
    """
    if isinstance(error, DatabaseUnavailable):
        _log.error("%s was answered with 503: %s", what, error)
        return TemporarilyUnavailable(cause=str(error))
    # The answer names the request in the log, and no detail [TKN-53, API-42].
    request_id = request_id or new_refusal_id()
    _log.error("request %s failed: %s", request_id, what, exc_info=error)
    return ServerError(f"The server failed. Give its operator this id: {request_id}")
