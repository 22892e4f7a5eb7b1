"""Install and uninstall links: a page that shows what will be, and does it when told [INS-26].

What is done is what was shown: the request is kept at the server with the session, and the form
names it by its digest, so that another tab's request is never carried out in its place.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.automation.problems import Conflict
from mintgate.contract.install import (
    SYSTEM_APPLICATION_USER,
    InstallRequest,
    ServiceAccess,
    application_uri_of,
    install_request_of,
)
from mintgate.contract.translating import translatable
from mintgate.identity.administration import installing
from mintgate.identity.administration.call import Call
from mintgate.identity.lifecycle import telling
from mintgate.sites.manage.application_form import POLICIES
from mintgate.sites.manage.desk import APPS, Desk, asked
from mintgate.sites.visiting.visitor import Visitor

INSTALL, UNINSTALL = "/apps/install", "/apps/uninstall"
DONE = "/confirmed"
ANOTHER = translatable(
    "Another link was opened since, or too much time has passed. Open the link again."
)


class InstallPages:
    """The two links, and what their pages do."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        door = self._desk.door
        return [
            door.page(INSTALL, show=self.ask, needs_fresh=True),
            door.page(INSTALL + DONE, act=self.install),
            door.page(UNINSTALL, show=self.ask_to_remove, needs_fresh=True),
            door.page(UNINSTALL + DONE, act=self.uninstall),
        ]

    async def ask(self, request: Request, visitor: Visitor) -> Response:
        wanted = install_request_of(asked(request))

        def run(call: Call) -> bool:
            installing.require_free(call, wanted.uri)
            return telling.may_tell(call.connection, call.instance.id, wanted.redirect_uri)

        may_tell = await self._desk.calls.read(request, visitor, run)
        text = await self._keep(request, visitor, INSTALL, wanted)
        return self._desk.page(
            request,
            visitor,
            "install",
            APPS,
            wanted=wanted,
            digest=_digest(text),
            policies=dict(self._desk.choices(request, visitor, POLICIES)),
            system_user=SYSTEM_APPLICATION_USER,
            is_service=wanted.service_access is not ServiceAccess.NONE,
            gets_token=wanted.service_access is ServiceAccess.REFERENCE_TOKEN,
            may_tell=may_tell,
        )

    async def install(
        self, request: Request, visitor: Visitor, form: Mapping[str, str]
    ) -> Response:
        """Secret and token are in this answer and nowhere else [INS-29], or the application gets
        them itself and nobody sees them [INS-30]."""
        wanted = msgspec.json.decode(_kept(visitor, form), type=InstallRequest)
        if not self._desk.door.is_fresh(visitor):
            return self._ask_again(request, visitor)
        install = partial(installing.install, tells="tell" in form)
        made = await self._desk.calls.write(request, visitor, install, path={}, body=wanted)
        await self._forget(request, visitor, INSTALL)
        if made.is_told:
            return self._desk.go(f"{APPS}/{made.application.id}", "installed_told")
        if made.secret is None and made.token is None:
            return self._desk.go(f"{APPS}/{made.application.id}", "created")
        return self._desk.page(request, visitor, "installed", APPS, made=made)

    async def ask_to_remove(self, request: Request, visitor: Visitor) -> Response:
        uri = application_uri_of(asked(request))

        def run(call: Call) -> tuple[TrustedApplication, str | None]:
            found = installing.named(call, uri)
            here = call.instance.id
            return found, telling.address_to_tell(call.connection, here, found.id)

        found, told_at = await self._desk.calls.read(request, visitor, run)
        text = await self._keep(request, visitor, UNINSTALL, found.application_uri)
        return self._desk.page(
            request, visitor, "uninstall", APPS, app=found, told_at=told_at, digest=_digest(text)
        )

    async def uninstall(
        self, request: Request, visitor: Visitor, form: Mapping[str, str]
    ) -> Response:
        uri = msgspec.json.decode(_kept(visitor, form), type=str)
        if not self._desk.door.is_fresh(visitor):
            return self._ask_again(request, visitor)
        await self._desk.calls.write(
            request, visitor, lambda call: installing.uninstall(call, uri), path={}
        )
        await self._forget(request, visitor, UNINSTALL)
        return self._desk.go(APPS, "uninstalled")

    async def _keep(self, request: Request, visitor: Visitor, path: str, wanted: Any) -> str:
        """Keep the request for the page that the form leads to; returns it as text."""
        text, url = msgspec.json.encode(wanted).decode(), request.url
        kept = {"request": text, "link": self._desk.door.site.address(url.path, url.query)}
        await self._desk.door.keep_draft(visitor, self._where(path), kept)
        return text

    def _ask_again(self, request: Request, visitor: Visitor) -> Response:
        """To a sign-in, and back to the link: its page was open for too long."""
        return self._desk.door.ask_again(
            request, visitor, visitor.draft.get("link", self._desk.door.site.root)
        )

    async def _forget(self, request: Request, visitor: Visitor, path: str) -> None:
        await self._desk.door.keep_draft(visitor, self._where(path), {})

    def _where(self, path: str) -> str:
        return self._desk.door.site.root + path + DONE


def _kept(visitor: Visitor, form: Mapping[str, str]) -> str:
    """The request that was shown. Raises Conflict when it is another one, or none any more."""
    text = visitor.draft.get("request", "")
    if not hmac.compare_digest(_digest(text).encode(), form.get("digest", "").encode()):
        raise Conflict(ANOTHER)
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
