"""The first page: what happens in the instance, at a glance."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.credentials import KeyRecord
from mintgate.contract.automation.licences import Licences
from mintgate.identity.administration import dashboard, keys, licences
from mintgate.identity.administration.call import Call
from mintgate.sites.manage.desk import HOME, SITES, Desk, asked
from mintgate.sites.manage.figures import RANGES, figures, range_of
from mintgate.sites.manage.web_sites import web_sites
from mintgate.sites.visiting.visitor import Visitor
from mintgate.store.audit_counts import Count


class HomePages:
    """Home, and the web sites of the instance [IMG-2]."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        door = self._desk.door
        return [door.page("", show=self.home), door.page("/sites", show=self.sites)]

    async def home(self, request: Request, visitor: Visitor) -> Response:
        over = range_of(asked(request).get("range"))
        now = self._desk.clock()
        first = over.first_hour(now)

        def run(call: Call) -> tuple[list[Count], bool, Licences, list[KeyRecord]]:
            counts, is_whole = dashboard.counts(call, first, over.step)
            return counts, is_whole, licences.show(call), keys.list_all(call).items

        counts, is_whole, seats, signing_keys = await self._desk.calls.read(request, visitor, run)
        drawn = figures(counts, over, now, self._desk.language(request, visitor))
        return self._desk.page(
            request,
            visitor,
            "home",
            HOME,
            ranges=RANGES,
            over=over,
            figures=drawn,
            is_whole=is_whole,
            licences=seats,
            share=min(seats.in_use / seats.total, 1.0) if seats.total else 0.0,
            keys=signing_keys,
            active=next((key for key in signing_keys if key.state == "active"), None),
            following=next((key for key in signing_keys if key.state == "next"), None),
        )

    async def sites(self, request: Request, visitor: Visitor) -> Response:
        return self._desk.page(
            request, visitor, "sites", SITES, sites=web_sites(self._desk.instance)
        )
