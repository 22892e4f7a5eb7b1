"""What happened to the account, from the audit log, newest first."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.identity.administration import own_account
from mintgate.identity.administration.own_account import HistoryQuery
from mintgate.sites.profile.event_texts import EVENTS, event_text
from mintgate.sites.profile.frame import HISTORY, Frame
from mintgate.sites.visiting import Visitor


def routes(frame: Frame) -> list[BaseRoute]:
    async def show(request: Request, visitor: Visitor) -> Response:
        cursor = request.query_params.get("from")
        query = HistoryQuery(events=EVENTS, cursor=cursor)
        found = await frame.calls.read(request, visitor, own_account.history, query=query)
        language = frame.language_of(request, visitor)
        following = found.next and f"{frame.url(HISTORY)}?{urlencode({'from': found.next})}"
        return frame.page(
            request,
            visitor,
            "history.html",
            current=HISTORY,
            found=[(record, event_text(record, language)) for record in found.items],
            first=frame.url(HISTORY) if cursor else None,
            following=following,
        )

    return [frame.door.page(HISTORY, show=show)]
