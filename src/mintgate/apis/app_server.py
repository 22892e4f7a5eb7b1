"""The built-in AppServer: the tools of the instance and the caller's session [API-37].

ERP.net publishes no protocol of its AppServer. What stands here are the tools that it publishes
for everybody at the root [TOP-20..29], behind the checks of this audience, and what an integration
asks first of all: who the server takes it for.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

import mintgate
from mintgate.apis.answering import Answering, json_response, require_built_in_policy
from mintgate.apis.odata.problems import MethodNotAllowed, NotFound
from mintgate.contract.discovery import auto_discovery
from mintgate.contract.instance import APP_SERVER_PATH, Instance
from mintgate.identity.tools import sha256_of
from mintgate.verify.asgi import admission_of
from mintgate.verify.principal import Principal

AUDIENCE = "AppServer"
_READS = ("GET", "HEAD")
Tool = Callable[[Request, Principal], Awaitable[Response]]


class AppServer:
    """An ASGI application, mounted at the AppServer's path."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._tools: dict[str, tuple[tuple[str, ...], Tool]] = {
            "/tools/auto-discovery": (_READS, self._auto_discovery),
            "/tools/ver": (_READS, _version),
            "/tools/sha256": ((*_READS, "POST"), _sha256),
            "/session": (_READS, self._session),
        }
        self._answering = Answering(AUDIENCE, APP_SERVER_PATH, self._answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answering(scope, receive, send)

    async def _answer(self, request: Request, path: str, principal: Principal) -> Response:
        require_built_in_policy(AUDIENCE, request, path, principal)
        methods, tool = self._tools.get(path, ((), None))
        if tool is None:
            known = ", ".join(APP_SERVER_PATH + path for path in self._tools)
            raise NotFound(f"There is nothing at this address. The AppServer has {known}.")
        if request.method not in methods:
            raise MethodNotAllowed(methods)
        return await tool(request, principal)

    async def _auto_discovery(self, request: Request, principal: Principal) -> Response:
        """[TOP-20, TOP-21]"""
        return json_response(auto_discovery(self._instance))

    async def _session(self, request: Request, principal: Principal) -> Response:
        """Who calls, by which application, with which rights, in which session."""
        admission = admission_of(request.scope)
        session = admission.session if admission is not None else None
        body: dict[str, Any] = {
            "Login": principal.login,
            "UserType": principal.user_type,
            "IsAdmin": principal.is_admin,
            "Application": principal.client_id,
            "Database": self._instance.database,
            "Scopes": sorted(principal.scopes),
            "OpenedAt": _moment(session.opened_at) if session is not None else None,
        }
        return json_response(body)


async def _version(request: Request, principal: Principal) -> Response:
    """[TOP-29]"""
    return PlainTextResponse(mintgate.__version__)


async def _sha256(request: Request, principal: Principal) -> Response:
    """The form in which an application's secret is registered [TOP-28]."""
    return json_response(await sha256_of(request))


def _moment(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
