"""Where a person is signed in, and signing out from there [END-4, PRF-7]."""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.credentials import SessionRecord
from mintgate.identity.administration import own, own_account
from mintgate.sites.languages import Language
from mintgate.sites.profile.browsers import browser_text
from mintgate.sites.profile.frame import SIGN_INS, Frame
from mintgate.sites.visiting import Visitor
from mintgate.sites.visiting.door import Form


class _Shown(NamedTuple):
    record: SessionRecord
    browser: str
    is_own: bool


def routes(frame: Frame) -> list[BaseRoute]:
    page, door = _SignIns(frame), frame.door
    return [
        door.page(SIGN_INS, show=page.show),
        door.page(SIGN_INS + "/end-others", act=page.end_others, back=SIGN_INS),
        door.page(SIGN_INS + "/{sid}/end", act=page.end, back=SIGN_INS),
    ]


class _SignIns:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    async def show(self, request: Request, visitor: Visitor) -> Response:
        found = await self._frame.calls.read(request, visitor, own.list_sessions)
        language = self._frame.language_of(request, visitor)
        shown = sorted(
            (_shown(record, visitor, language) for record in found.items),
            key=lambda one: (not one.is_own, -(one.record.last_used_at or one.record.created_at)),
        )
        return self._frame.page(request, visitor, "sign_ins.html", current=SIGN_INS, found=shown)

    async def end(self, request: Request, visitor: Visitor, form: Form) -> Response:
        await self._frame.calls.write(request, visitor, own.end_session)
        return self._frame.to(SIGN_INS, "signed-out")

    async def end_others(self, request: Request, visitor: Visitor, form: Form) -> Response:
        await self._frame.calls.write(request, visitor, own_account.end_other_sessions)
        return self._frame.to(SIGN_INS, "signed-out-others")


def _shown(record: SessionRecord, visitor: Visitor, language: Language) -> _Shown:
    return _Shown(record, browser_text(record.user_agent, language), record.sid == visitor.sid)
