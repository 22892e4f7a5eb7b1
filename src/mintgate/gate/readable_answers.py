"""The gate's own answers, for pages of other origins to read [API-23].

A browser lets a page see nothing of an answer that does not name its origin: a token that has ended
would look like a network that is down. What the server behind answers has that server's headers.
"""

from __future__ import annotations

from collections.abc import Iterable

from mintgate.contract.errors import UnreadableAnswer
from mintgate.verify.asgi import Application, Message, Receive, Scope, Send
from mintgate.verify.noting import RECORD

Headers = list[tuple[bytes, bytes]]
EXPOSED = b"WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id"
OWN_HEADERS = "mintgate.own_headers"
"""The scope key of the headers that an answer of the gate itself gets besides its own."""
_PASSED_ON = "mintgate.passed_on"


class ReadableAnswers:
    """Names the origin of a page in what a route's guard and the gate answer it.

    Args:
        origins: as browsers spell them; each is compared exactly.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)

    def around(self, guarded: Application) -> Application:
        """The guarded application, whose answers are the gate's unless they are passed on."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            headers = self._headers_for(scope)
            if not headers:
                await guarded(scope, receive, send)
                return
            scope[OWN_HEADERS] = headers
            passed_on: list[bool] = []
            scope[_PASSED_ON] = passed_on  # guards copy the scope; all copies have this one

            async def readable(message: Message) -> None:
                if message["type"] == "http.response.start" and (
                    not passed_on or _is_refused_behind(scope)
                ):
                    message = {**message, "headers": [*message["headers"], *headers]}
                await send(message)

            await guarded(scope, receive, readable)

        return app

    def behind(self, forwarder: Application) -> Application:
        """What passes answers on, behind the guard."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            passed_on = scope.get(_PASSED_ON)
            if passed_on is None:
                await forwarder(scope, receive, send)
                return

            async def noted(message: Message) -> None:
                passed_on.append(True)
                await send(message)

            await forwarder(scope, receive, noted)

        return app

    def _headers_for(self, scope: Scope) -> Headers:
        """None for a request without an origin."""
        if scope["type"] != "http":
            return []  # a page learns nothing of why its WebSocket was refused
        origin = sent_origin(scope["headers"])
        return [] if origin is None else headers_for(origin, is_allowed=origin in self._origins)


def sent_origin(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The origin of the page that sends a request; None where none does.

    One that is there twice is nobody's, and empty.
    """
    found = [value for name, value in headers if name == b"origin"]
    if not found:
        return None
    return found[0].decode("latin-1") if len(found) == 1 else ""


def headers_for(origin: str, *, is_allowed: bool) -> Headers:
    """What an answer to a page has; never credentials, as tokens are not sent by a browser itself.

    Args:
        origin: of the page.
    """
    # Without Vary a cache could hand one origin's answer to another.
    headers = [(b"vary", b"Origin")]
    if is_allowed:
        headers.append((b"access-control-allow-origin", origin.encode("latin-1")))
        headers.append((b"access-control-expose-headers", EXPOSED))
    return headers


def _is_refused_behind(scope: Scope) -> bool:
    """Whether the answer to a batch was passed to the guard, which could not read it."""
    record = scope.get(RECORD)
    return record is not None and isinstance(record.refusal, UnreadableAnswer)
