"""Licences: how many, who has one, and who has one reserved [IMG-5, SES-30..38]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.credentials import PageQuery
from mintgate.contract.automation.licences import LicenceTotal, SeatHolder
from mintgate.contract.automation.problems import Conflict, InvalidInput
from mintgate.contract.errors import Refusal
from mintgate.contract.translating import translatable
from mintgate.identity.administration import licences, reserved_seats
from mintgate.identity.administration.call import Call
from mintgate.sites.manage.desk import LICENCES, PAGE_SIZE, Desk, asked
from mintgate.sites.manage.sentences import text_of
from mintgate.sites.visiting.visitor import Visitor

MAX_TOTAL = 1_000_000
NO_NUMBER = translatable("Write a whole number from 0 to 1000000.")


class LicencePages:
    """Total, use and reservations on one page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        door = self._desk.door
        return [
            door.page("/licences", show=self.show),
            door.page("/licences/total", act=self.set_total, back="/licences", needs_fresh=True),
            door.page("/licences/reserve", act=self.reserve, back="/licences"),
            door.page("/licences/release", act=self.release, back="/licences"),
        ]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        return await self._page(request, visitor)

    async def set_total(
        self, request: Request, visitor: Visitor, form: Mapping[str, str]
    ) -> Response:
        text = form.get("total", "")
        if not (text.isascii() and text.isdigit()) or int(text[:9]) > MAX_TOTAL:
            return await self._page(request, visitor, total=InvalidInput(NO_NUMBER), fields=form)
        body = LicenceTotal(total=int(text))
        try:
            await self._desk.calls.write(request, visitor, licences.set_total, body=body)
        except Conflict as refused:
            return await self._page(request, visitor, total=refused, fields=form)
        return self._desk.go(LICENCES, "total_saved")

    async def reserve(
        self, request: Request, visitor: Visitor, form: Mapping[str, str]
    ) -> Response:
        body = SeatHolder(login=form.get("login", "").strip())
        try:
            await self._desk.calls.write(request, visitor, reserved_seats.add, body=body)
        except (Conflict, InvalidInput) as refused:
            return await self._page(request, visitor, login=refused, fields=form)
        return self._desk.go(LICENCES, "reserved")

    async def release(
        self, request: Request, visitor: Visitor, form: Mapping[str, str]
    ) -> Response:
        """It can be reserved again at once: no question."""
        body = SeatHolder(login=form.get("login", ""))
        await self._desk.calls.write(request, visitor, reserved_seats.remove, body=body)
        return self._desk.go(LICENCES, "reservation_removed")

    async def _page(
        self,
        request: Request,
        visitor: Visitor,
        *,
        total: Refusal | None = None,
        login: Refusal | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Response:
        query = asked(request)

        def run(call: Call) -> tuple[Any, Any]:
            wanted = PageQuery(limit=PAGE_SIZE, cursor=query.get("after"))
            return licences.show(call), reserved_seats.list_all(replace(call, query=wanted))

        seats, found = await self._desk.calls.read(request, visitor, run)
        refused = total or login
        return self._desk.page(
            request,
            visitor,
            "licences",
            LICENCES,
            status=refused.status if refused else 200,
            licences=seats,
            share=min(seats.in_use / seats.total, 1.0) if seats.total else 0.0,
            items=found.items,
            next_url=self._desk.url(LICENCES, after=found.next) if found.next else None,
            fields=dict(fields or {}),
            total_error=self._told(request, visitor, total),
            login_error=self._told(request, visitor, login),
        )

    def _told(self, request: Request, visitor: Visitor, refused: Refusal | None) -> str | None:
        language = self._desk.language(request, visitor)
        if isinstance(refused, InvalidInput) and refused.problems:
            return text_of(refused.problems[0][1], language)
        return language.gettext(refused.description) if refused is not None else None
