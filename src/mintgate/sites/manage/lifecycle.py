"""What applications were told of their install and uninstall, and telling them again [EVT-9]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.translating import translatable
from mintgate.identity.administration import lifecycle
from mintgate.sites.manage.acts import Act
from mintgate.sites.manage.desk import APPS, Desk
from mintgate.sites.visiting.visitor import Visitor

_EVENTS, _OF_APP = "/apps/events", "/apps/{application_id}"


class LifecyclePages:
    """The list of all; those of one application are on its page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        return [self._desk.door.page(_EVENTS, show=self.index)]

    async def index(self, request: Request, visitor: Visitor) -> Response:
        found = await self._desk.calls.read(request, visitor, lifecycle.list_all)
        return self._desk.page(request, visitor, "app_events", APPS, events=found)


LIFECYCLE_ACTS = tuple(
    Act(
        path=path,
        section=APPS,
        title=translatable("Tell the application again?"),
        text=translatable(
            "%s gets the message again. If its install gave it a secret or a service token, it "
            "gets new ones, and those of before end at once, unless it is still being tried."
        ),
        yes=translatable("Send again"),
        run=lifecycle.send_again,
        subject=lifecycle.uri_of,
        done="sent_again",
        back=back,
        needs_fresh=True,
        is_danger=False,
    )
    # From the list, where also applications are that exist no more; and from the page of one.
    for path, back in (
        (_EVENTS + "/{event_id}/send", _EVENTS),
        (_OF_APP + "/events/{event_id}/send", _OF_APP),
    )
)
