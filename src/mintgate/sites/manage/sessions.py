"""Who is signed in, and which sessions hold licences [IMG-2, SES-23, SES-26]."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.credentials import SessionQuery
from mintgate.contract.automation.licences import ErpSessionQuery, SessionsToClose
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.translating import translatable
from mintgate.identity.administration import erp_sessions, licences, sessions
from mintgate.identity.administration.call import Call
from mintgate.sites.manage.acts import Act
from mintgate.sites.manage.desk import PAGE_SIZE, SESSIONS, Desk, asked
from mintgate.sites.visiting.visitor import Visitor


class SessionPages:
    """ERP sessions, and sign-ins of browsers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        door = self._desk.door
        return [
            door.page("/sessions", show=self.erp),
            door.page("/sessions/sign-ins", show=self.sign_ins),
        ]

    async def erp(self, request: Request, visitor: Visitor) -> Response:
        query = asked(request)
        user = query.get("search")

        def run(call: Call) -> tuple[Any, Any]:
            wanted = ErpSessionQuery(limit=PAGE_SIZE, cursor=query.get("after"), user=user)
            return erp_sessions.list_all(replace(call, query=wanted)), licences.show(call)

        found, seats = await self._desk.calls.read(request, visitor, run)
        return self._desk.page(
            request,
            visitor,
            "sessions",
            SESSIONS,
            items=found.items,
            licences=seats,
            search=user or "",
            next_url=self._desk.url(SESSIONS, search=user, after=found.next)
            if found.next
            else None,
        )

    async def sign_ins(self, request: Request, visitor: Visitor) -> Response:
        query = asked(request)
        found = await self._desk.calls.read(
            request,
            visitor,
            sessions.list_all,
            query=SessionQuery(limit=PAGE_SIZE, cursor=query.get("after")),
        )
        path = SESSIONS + "/sign-ins"
        return self._desk.page(
            request,
            visitor,
            "sign_ins",
            SESSIONS,
            items=found.items,
            own=visitor.sid,
            next_url=self._desk.url(path, after=found.next) if found.next else None,
        )


def _login(call: Call) -> str:
    found = sessions.named(call)
    if found is None:
        raise NoSuchRecord("There is no sign-in with this sid.")
    return sessions.shown(call, found).login or found.sid


SESSION_ACTS = (
    Act(
        path="/sessions/{sid}/end",
        section=SESSIONS,
        title=translatable("End this sign-in?"),
        text=translatable("The browser of %s is signed out, and applications are told."),
        yes=translatable("End the sign-in"),
        run=sessions.end,
        subject=_login,
        done="signed_out",
        back="/sessions/sign-ins",
    ),
    Act(
        path="/sessions/erp/{session_id}/close",
        section=SESSIONS,
        title=translatable("Close this session?"),
        text=translatable(
            "The licence of %s is free at once. Whoever holds the token can open a session again "
            "with the next request: to keep somebody out, lock the user or revoke the token."
        ),
        yes=translatable("Close"),
        run=erp_sessions.close,
        subject=erp_sessions.login_of,
        done="session_closed",
        back="/sessions",
    ),
    Act(
        path="/sessions/erp/all/close-all",
        section=SESSIONS,
        title=translatable("Close all sessions?"),
        text=translatable(
            "Every licence is free at once. People and services who are at work open a session "
            "again with their next request, as long as licences are left."
        ),
        yes=translatable("Close all"),
        run=erp_sessions.close_many,
        subject=lambda call: "",
        done="session_closed",
        back="/sessions",
        body=SessionsToClose(all=True),
        needs_fresh=True,
    ),
)
