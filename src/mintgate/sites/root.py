"""The anonymous tools at the root of an instance: auto-discovery and its kin [TOP-20..29]."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import mintgate
from mintgate.contract.errors import InvalidRequest, Refusal
from mintgate.contract.identifiers import secret_hash
from mintgate.contract.instance import DOMAIN_API_PATH, Instance
from mintgate.identity.forms import query_of
from mintgate.identity.rendering import NO_STORE, RawJson, oauth_error

ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}


def sites_of(instance: Instance) -> list[dict[str, Any]]:
    """The sites that this instance runs, as auto-discovery lists them [TOP-22..26]."""
    return [
        _site("ID", instance.issuer, system=True),
        _site(
            "DomainAPI",
            instance.base_url + DOMAIN_API_PATH,
            properties={"ODataServiceRoot": instance.odata_root},
        ),
    ]


def _site(
    kind: str, url: str, *, system: bool = False, properties: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "Type": kind,
        "Status": "Working",
        "StatusDescription": "",
        "Url": url,
        "System": system,
        "AdditionalProperties": properties,
    }


class RootTools:
    """Answers for one instance; nothing here needs or opens a session."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def routes(self) -> list[Route]:
        return [
            Route("/sys/auto-discovery", self.auto_discovery),
            Route("/tools/auto-discovery", self.auto_discovery),
            Route("/tools/sha256", self.sha256),
            Route("/sys/tools/sha256", self.sha256),
            Route("/tools/ver", self.version),
            Route("/tools/server-info", self.server_info),
        ]

    async def auto_discovery(self, request: Request) -> Response:
        """[TOP-20, TOP-21]"""
        instance = self._instance
        host = instance.base_url.partition("://")[2]
        document = {"Host": host, "DbName": instance.database, "WebSites": sites_of(instance)}
        return RawJson(document, headers=ANY_ORIGIN)

    async def sha256(self, request: Request) -> Response:
        """The form in which an application's secret is registered [TOP-28]."""
        try:
            secret = query_of(request.scope).get("secret")
            if secret is None:
                raise InvalidRequest("The parameter secret is missing.")
        except Refusal as refusal:
            return oauth_error(refusal)
        return RawJson({"sha256": secret_hash(secret)}, headers=NO_STORE)

    async def version(self, request: Request) -> Response:
        """[TOP-29]"""
        return PlainTextResponse(mintgate.__version__)

    async def server_info(self, request: Request) -> Response:
        """[TOP-29]"""
        return RawJson({"name": "mintgate", "version": mintgate.__version__})
