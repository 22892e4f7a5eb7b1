"""The three tables of routes, put together for one instance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Address
from starlette.routing import Router
from starlette.types import ASGIApp

from mintgate.apis.management import access, openapi
from mintgate.apis.management.access import Access
from mintgate.apis.management.endpoint import Endpoint, Parts, Special
from mintgate.contract.automation.credentials import TokenText
from mintgate.contract.automation.route import Route
from mintgate.contract.automation.routes import (
    AUTOMATION,
    AUTOMATION_ROOT,
    MANAGE,
    MANAGE_ROOT,
    PROFILE,
    PROFILE_ROOT,
)
from mintgate.contract.errors import ResourceRefusal
from mintgate.contract.first_party import MANAGE_CLIENT, PROFILE_CLIENT
from mintgate.contract.instance import Instance
from mintgate.gate.sessions import ErpSessions
from mintgate.store import Database
from mintgate.store.keys import KeyEncryptionKey
from mintgate.verify import Verifier

OPENAPI_PATH = "/openapi.json"


class ManagementApis:
    """Everything below `/manage/api/v1`, and the JSON addresses of the two sites.

    Args:
        verifier: takes tokens of internal users, as APIs do.
        people: takes tokens of everyone who may sign in.
        erp_sessions: of this process.
        can_mail: whether this server sends letters.
    """

    def __init__(
        self,
        instance: Instance,
        database: Database,
        key_encryption_key: KeyEncryptionKey,
        verifier: Verifier,
        people: Verifier,
        erp_sessions: ErpSessions,
        *,
        can_mail: bool = False,
    ) -> None:
        self._instance = instance
        self._database = database
        self._kek = key_encryption_key
        self._verifier = verifier
        self._people = people
        self._erp_sessions = erp_sessions
        self._can_mail = can_mail

    def automation(self) -> ASGIApp:
        """What is mounted at `AUTOMATION_ROOT`."""
        instance = self._instance
        specials: dict[str, Special] = {"tokens.introspect": self._introspect}
        parts = self._parts(
            access.for_automation(instance, self._verifier), AUTOMATION_ROOT, specials
        )
        url = instance.base_url + AUTOMATION_ROOT
        token_url = f"{instance.issuer}/connect/token"
        text = msgspec.json.encode(openapi.document(AUTOMATION, url, token_url))

        async def description(request: Request) -> Response:
            headers = {"Cache-Control": "no-store"}
            return Response(text, headers=headers, media_type="application/json")

        return Router(
            [Address(OPENAPI_PATH, description), *_addresses(parts, AUTOMATION)],
            default=Endpoint(parts, {}),
            redirect_slashes=False,
        )

    def site(self, path: str) -> ASGIApp:
        """What answers at one of `SITE_PATHS`; the pages of the sites stand beside them."""
        return self._sites[path]

    @cached_property
    def _sites(self) -> dict[str, ASGIApp]:
        profile = access.for_profile(self._instance, self._people, PROFILE_CLIENT)
        manage = access.for_manage(self._instance, self._verifier, MANAGE_CLIENT)
        return {
            address.path: address.endpoint
            for guarded, root, routes in (
                (profile, PROFILE_ROOT, PROFILE),
                (manage, MANAGE_ROOT, MANAGE),
            )
            for address in _addresses(self._parts(guarded, root), routes, root)
        }

    def _parts(
        self, guarded: Access, root: str, specials: dict[str, Special] | None = None
    ) -> Parts:
        return Parts(
            guarded,
            self._database,
            self._kek,
            root,
            self._erp_sessions,
            specials or {},
            set(),
            self._can_mail,
        )

    async def _introspect(self, body: TokenText) -> dict[str, Any]:
        """[ITR-5]; an administrator also learns why a token is refused."""
        audience = f"{self._instance.issuer}/resources"  # all of our tokens have it
        try:
            principal = await self._people.verify_async(body.token.strip(), audience)
        except ResourceRefusal as refusal:
            return {"active": False, "reason": refusal.description}
        claims = dict(principal.claims)
        claims["scope"] = " ".join(claims["scope"])
        return {"active": True, "token_type": "Bearer", **claims}


def _addresses(parts: Parts, routes: Sequence[Route], root: str = "") -> list[Address]:
    by_path: dict[str, dict[str, Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route
    return [Address(root + path, Endpoint(parts, methods)) for path, methods in by_path.items()]
