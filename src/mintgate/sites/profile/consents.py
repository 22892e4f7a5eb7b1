"""What a person allowed applications to do, and taking it back [EXT-2]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.scopes import token_order
from mintgate.identity.administration import own
from mintgate.sites.profile.frame import APPLICATIONS, Frame
from mintgate.sites.scope_texts import scope_text
from mintgate.sites.visiting import Visitor
from mintgate.sites.visiting.door import Form


def routes(frame: Frame) -> list[BaseRoute]:
    page = _Consents(frame)
    return [
        frame.door.page(APPLICATIONS, show=page.show),
        frame.door.page(
            APPLICATIONS + "/{application_id}/withdraw", show=page.ask, act=page.withdraw
        ),
    ]


class _Consents:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    async def show(self, request: Request, visitor: Visitor) -> Response:
        found = await self._frame.calls.read(request, visitor, own.list_consents)
        language = self._frame.language_of(request, visitor)
        shown = [
            (consent, [scope_text(scope, language)[0] for scope in token_order(consent.scopes)])
            for consent in found.items
        ]
        return self._frame.page(
            request, visitor, "applications.html", current=APPLICATIONS, found=shown
        )

    async def ask(self, request: Request, visitor: Visitor) -> Response:
        found = await self._frame.calls.read(request, visitor, own.list_consents)
        wanted = request.path_params["application_id"]
        consent = next((c for c in found.items if c.application_id == wanted), None)
        if consent is None:
            raise NoSuchRecord
        return self._frame.page(
            request, visitor, "withdraw.html", current=APPLICATIONS, consent=consent
        )

    async def withdraw(self, request: Request, visitor: Visitor, form: Form) -> Response:
        await self._frame.calls.write(request, visitor, own.withdraw_consent)
        return self._frame.to(APPLICATIONS, "withdrawn")
