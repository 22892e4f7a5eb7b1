"""404, 405, 500 and 503 as pages, where it is a person's browser that asks."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mintgate.contract.instance import ID_PATH, MANAGE_PATH, PROFILE_PATH
from mintgate.contract.request_ids import REQUEST_ID

_SITES = tuple(f"{path}/" for path in (ID_PATH, PROFILE_PATH, MANAGE_PATH))
_STATUSES = frozenset({404, 405, 429, 500, 503})
_KEPT = frozenset({b"allow", b"retry-after", b"set-cookie"})

Draw = Callable[..., Response]


class BrowserErrors:
    """Answers with a page instead, when a site would answer a browser with JSON or plain text.

    Args:
        draw: `SitePages.unavailable`.
    """

    def __init__(self, app: ASGIApp, draw: Draw) -> None:
        self._app = app
        self._draw = draw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_for_a_person(scope):
            await self._app(scope, receive, send)
            return
        instead: Response | None = None

        async def watched(message: Message) -> None:
            nonlocal instead
            if message["type"] == "http.response.start" and _is_bare(message):
                status = message["status"]
                instead = self._draw(
                    Request(scope), status=status, request_id=scope.get(REQUEST_ID)
                )
                instead.raw_headers += [h for h in message["headers"] if h[0].lower() in _KEPT]
            elif instead is None:
                await send(message)

        await self._app(scope, receive, watched)
        if instead is not None:
            await instead(scope, receive, send)


def _is_for_a_person(scope: Scope) -> bool:
    """Whether a browser opens a page; scripts and programs do not name HTML."""
    path: str = scope["path"]
    if not (path + "/").startswith(_SITES):
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _is_bare(message: Message) -> bool:
    if message["status"] not in _STATUSES:
        return False
    kind = next((v for n, v in message["headers"] if n.lower() == b"content-type"), b"")
    return not kind.startswith(b"text/html")
