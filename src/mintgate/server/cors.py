"""Cross-origin requests of browser applications [EP-8, API-23, API-25]."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALLOWED_HEADERS = b"Authorization, Content-Type, X-Api-Key, Api-Key, Prefer"
ALLOWED_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
EXPOSED_HEADERS = (
    b"WWW-Authenticate, Retry-After, OData-Version, Location, RateLimit, RateLimit-Policy"
)
Origins = Callable[[], Awaitable[frozenset[str]]]


class CrossOrigin:
    """Adds CORS headers for registered origins, on refusals too, and answers preflights.

    Args:
        origins: the origins of enabled applications' redirect URIs; never credentials.
    """

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None:
            await self._app(scope, receive, send)
            return
        is_allowed = origin.decode("latin-1") in await self._origins()
        if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method"):
            await _answer_preflight(send, origin if is_allowed else None)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *_response_headers(origin if is_allowed else None),
                ]
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _answer_preflight(send: Send, origin: bytes | None) -> None:
    headers = _response_headers(origin)
    if origin is not None:
        headers += [
            (b"access-control-allow-methods", ALLOWED_METHODS),
            (b"access-control-allow-headers", ALLOWED_HEADERS),
            (b"access-control-max-age", b"600"),
        ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _response_headers(origin: bytes | None) -> list[tuple[bytes, bytes]]:
    # Without Vary a cache could hand one origin's answer to another.
    headers = [(b"vary", b"Origin")]
    if origin is not None:
        headers.append((b"access-control-allow-origin", origin))
        headers.append((b"access-control-expose-headers", EXPOSED_HEADERS))
    return headers


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)
