"""The one route whose path is taken in any case [LEG-10]."""

from __future__ import annotations

from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from mintgate.gate.legacy import LegacyEndpoints


class LegacyRoute(BaseRoute):
    """Leads to the login and logout of old integrations.

    Args:
        app: `LegacyEndpoints`, or what wraps it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        is_one = scope["type"] == "http" and LegacyEndpoints.serves(scope["path"])
        return (Match.FULL if is_one else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: object) -> URLPath:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
