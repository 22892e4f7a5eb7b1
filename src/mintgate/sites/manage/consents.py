"""What people allowed applications [EXT-2]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.credentials import ConsentQuery
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.translating import translatable
from mintgate.identity.administration import consents
from mintgate.identity.administration.call import Call
from mintgate.sites.manage.acts import Act
from mintgate.sites.manage.desk import CONSENTS, PAGE_SIZE, Desk, asked
from mintgate.sites.visiting.visitor import Visitor
from mintgate.store import users


class ConsentPages:
    """The list of consents."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        return [self._desk.door.page("/consents", show=self.index)]

    async def index(self, request: Request, visitor: Visitor) -> Response:
        query = asked(request)
        user = query.get("user")
        found = await self._desk.calls.read(
            request,
            visitor,
            consents.list_all,
            query=ConsentQuery(limit=PAGE_SIZE, cursor=query.get("after"), user_id=user),
        )
        return self._desk.page(
            request,
            visitor,
            "consents",
            CONSENTS,
            items=found.items,
            user=user,
            next_url=self._desk.url(CONSENTS, user=user, after=found.next) if found.next else None,
        )


def _login(call: Call) -> str:
    user = users.by_id(call.connection, call.instance.id, call.path["user_id"])
    if user is None:
        raise NoSuchRecord
    return user.login


CONSENT_ACTS = (
    Act(
        path="/consents/{user_id}/{application_id}/withdraw",
        section=CONSENTS,
        title=translatable("Withdraw this consent?"),
        text=translatable(
            "The application must ask %s again. Its refresh tokens for this user end; access "
            "tokens live on until they expire."
        ),
        yes=translatable("Withdraw"),
        run=consents.withdraw,
        subject=_login,
        done="withdrawn",
        back="/consents",
    ),
)
