"""The anonymous tools at the root of an instance: auto-discovery and its kin [TOP-20..29]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import mintgate
from mintgate.contract.discovery import auto_discovery
from mintgate.contract.errors import Refusal
from mintgate.contract.instance import Instance
from mintgate.identity.rendering import NO_STORE, RawJson, oauth_error
from mintgate.identity.tools import sha256_of

ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}


class RootTools:
    """Answers for one instance; nothing here needs or opens a session."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def routes(self) -> list[Route]:
        return [
            Route("/sys/auto-discovery", self.auto_discovery),
            Route("/tools/auto-discovery", self.auto_discovery),
            Route("/tools/sha256", self.sha256, methods=["GET", "POST"]),
            Route("/sys/tools/sha256", self.sha256, methods=["GET", "POST"]),
            Route("/tools/ver", self.version),
            Route("/tools/server-info", self.server_info),
        ]

    async def auto_discovery(self, request: Request) -> Response:
        """[TOP-20, TOP-21]"""
        return RawJson(auto_discovery(self._instance), headers=ANY_ORIGIN)

    async def sha256(self, request: Request) -> Response:
        """The form in which an application's secret is registered [TOP-28]."""
        try:
            return RawJson(await sha256_of(request), headers=NO_STORE)
        except Refusal as refusal:
            return oauth_error(refusal)

    async def version(self, request: Request) -> Response:
        """[TOP-29]"""
        return PlainTextResponse(mintgate.__version__)

    async def server_info(self, request: Request) -> Response:
        """[TOP-29]"""
        return RawJson({"name": "mintgate", "version": mintgate.__version__})
