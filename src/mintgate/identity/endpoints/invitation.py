"""`/invitation`: where the link of an invitation leads [IMG-6]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.contract.users import User, password_problem
from mintgate.identity.account_pages import AccountPages, Done, LinkOver
from mintgate.identity.accounts.common import AccountParts
from mintgate.identity.accounts.invitation import Invitations
from mintgate.identity.accounts.registration import name_problem
from mintgate.identity.endpoints.account_endpoint import MAX_TYPED, AccountEndpoint
from mintgate.identity.endpoints.interaction import InteractionParts
from mintgate.identity.forms import client_address
from mintgate.identity.mail.outbox import LINK


class InvitationEndpoint(AccountEndpoint):
    """Asks for name and password, and lets the invited user in."""

    def __init__(
        self, parts: InteractionParts, account_pages: AccountPages, accounts: AccountParts
    ) -> None:
        super().__init__(parts, account_pages, accounts)
        self._invitations = Invitations(accounts)

    async def get(self, request: Request) -> Response:
        link = self._link_of(request)
        user = await self._invitations.find(link)
        if user is None:
            return self._account_pages.link_over(request, LinkOver.INVITE)
        return self._form(request, link, user, _known_name(user))

    async def post(self, request: Request) -> Response:
        form = await self._own_form(request)
        if isinstance(form, Response):
            return form
        link, password = form.get(LINK, ""), form.get("password", "")
        name = form.get("name", "").strip()
        user = await self._invitations.find(link)
        if user is None:
            return self._account_pages.link_over(request, LinkOver.INVITE)
        problem = name_problem(name) or password_problem(password, (user.login, user.email))
        if problem is not None:
            return self._form(request, link, user, name, problem, 400)
        language = self._account_pages.language_of(request)
        try:
            is_done = await self._invitations.complete(
                link, name, password, language, client_address(request.scope)
            )
        except TemporarilyUnavailable as refusal:
            told = (refusal.description, refusal.status)
            return self._busy(self._form(request, link, user, name, *told), refusal)
        if not is_done:
            return self._account_pages.link_over(request, LinkOver.INVITE)
        return self._account_pages.done(request, Done.JOINED)

    def _form(
        self,
        request: Request,
        link: str,
        user: User,
        name: str,
        problem: str | None = None,
        status: int = 200,
    ) -> Response:
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._account_pages.invitation(
            request,
            link=link,
            login=user.login,
            name=name[:MAX_TYPED],
            anti_forgery=anti_forgery,
            problem=problem,
            status=status,
        )
        return self._form_page(response, anti_forgery)


def _known_name(user: User) -> str:
    """The name that an administrator gave; the login stands for none."""
    name = user.display_name()
    return "" if name == user.login else name
