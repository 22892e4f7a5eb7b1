"""Inviting users: a link for one use, by mail or to pass on [IMG-6]."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.invitations import NewInvitation
from mintgate.contract.automation.problems import Conflict, InvalidInput
from mintgate.identity.administration import invitations
from mintgate.identity.administration.call import Call
from mintgate.sites.manage.desk import INVITE, Desk
from mintgate.sites.manage.user_form import FIELDS
from mintgate.sites.visiting.visitor import Visitor


class InvitationPages:
    """One form; its answer has the link when no mail is sent."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        keeps = ("kind", "email", "name", "language", "send")
        return [
            self._desk.door.page(
                "/invite", show=self.ask, act=self.invite, needs_fresh=True, keeps=keeps
            )
        ]

    async def ask(self, request: Request, visitor: Visitor) -> Response:
        return await self._page(request, visitor, visitor.draft, {})

    async def invite(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> Response:
        body = NewInvitation(
            email=form.get("email", "").strip(),
            user_type="community" if form.get("kind") == "community" else "internal",
            name=form.get("name"),
            default_language=form.get("language"),
            send=form.get("send") == "mail",
        )
        try:
            made = await self._desk.calls.write(request, visitor, invitations.create, body=body)
        except InvalidInput as refused:
            problems = self._desk.problems(request, visitor, refused)
            return await self._page(request, visitor, form, problems, status=400)
        except Conflict as refused:
            told = self._desk.language(request, visitor).gettext(refused.description)
            return await self._page(request, visitor, form, {"": [told]}, status=409)
        return self._desk.page(request, visitor, "invited", INVITE, made=made)

    async def _page(
        self,
        request: Request,
        visitor: Visitor,
        fields: Mapping[str, str],
        problems: Mapping[str, list[str]],
        *,
        status: int = 200,
    ) -> Response:
        def run(call: Call) -> bool:
            return call.can_mail

        return self._desk.page(
            request,
            visitor,
            "invite",
            INVITE,
            status=status,
            can_mail=await self._desk.calls.read(request, visitor, run),
            fields=dict(fields),
            # The login is the address.
            errors={
                "email" if name == "Login" else FIELDS.get(name, ""): " ".join(texts)
                for name, texts in problems.items()
            },
        )
