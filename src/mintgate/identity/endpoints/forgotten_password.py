"""`/password/forgot`, and `/password/reset`, where the mailed link leads [SGN-8]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.contract.translating import translatable
from mintgate.contract.users import password_problem
from mintgate.identity.account_pages import AccountPages, Done, LinkOver
from mintgate.identity.accounts.common import AccountParts
from mintgate.identity.accounts.forgotten import ForgottenPassword
from mintgate.identity.endpoints.account_endpoint import MAX_TYPED, AccountEndpoint
from mintgate.identity.endpoints.interaction import InteractionParts
from mintgate.identity.forms import client_address
from mintgate.identity.mail.outbox import LINK

NO_LOGIN = translatable("Type your login or your mail address.")


class ForgottenPasswordEndpoint(AccountEndpoint):
    """Asks whose password it is, and answers alike whoever it is."""

    def __init__(
        self, parts: InteractionParts, account_pages: AccountPages, accounts: AccountParts
    ) -> None:
        super().__init__(parts, account_pages, accounts)
        self._forgotten = ForgottenPassword(accounts)

    async def get(self, request: Request) -> Response:
        interaction = await self._interactions.find(request.query_params.get("interaction"))
        return self._form(request, interaction.name if interaction else None)

    async def post(self, request: Request) -> Response:
        form = await self._own_form(request)
        if isinstance(form, Response):
            return form
        interaction = await self._interactions.find(form.get("interaction"))
        name = interaction.name if interaction else None
        login = form.get("login", "").strip()
        if not self._accounts.can_mail:
            return self._form(request, name)
        if not login or len(login) > MAX_TYPED:
            return self._form(request, name, login[:MAX_TYPED], NO_LOGIN, 400)
        await self._forgotten.ask(login, client_address(request.scope))
        return self._account_pages.done(request, Done.ASKED_FOR_LINK, interaction=name)

    def _form(
        self,
        request: Request,
        interaction: str | None,
        login: str = "",
        problem: str | None = None,
        status: int = 200,
    ) -> Response:
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._account_pages.forgotten_password(
            request,
            interaction=interaction,
            login=login,
            anti_forgery=anti_forgery,
            can_mail=self._accounts.can_mail,
            problem=problem,
            status=status,
        )
        return self._form_page(response, anti_forgery)


class NewPasswordEndpoint(AccountEndpoint):
    """Where the mailed link leads."""

    def __init__(
        self, parts: InteractionParts, account_pages: AccountPages, accounts: AccountParts
    ) -> None:
        super().__init__(parts, account_pages, accounts)
        self._forgotten = ForgottenPassword(accounts)

    async def get(self, request: Request) -> Response:
        return await self._form(request, self._link_of(request))

    async def post(self, request: Request) -> Response:
        form = await self._own_form(request)
        if isinstance(form, Response):
            return form
        link, password = form.get(LINK, ""), form.get("password", "")
        user = await self._forgotten.find(link)
        if user is None:
            return self._account_pages.link_over(request, LinkOver.RESET)
        problem = password_problem(password, (user.login, user.email))
        if problem is not None:
            return await self._form(request, link, problem, 400)
        try:
            is_set = await self._forgotten.reset(link, password, client_address(request.scope))
        except TemporarilyUnavailable as refusal:
            page = await self._form(request, link, refusal.description, refusal.status)
            return self._busy(page, refusal)
        if not is_set:
            return self._account_pages.link_over(request, LinkOver.RESET)
        response = self._account_pages.done(request, Done.PASSWORD_SET)
        self._cookies.drop_session(response)  # it has ended, if there was one
        return response

    async def _form(
        self, request: Request, link: str, problem: str | None = None, status: int = 200
    ) -> Response:
        user = await self._forgotten.find(link)
        if user is None:
            return self._account_pages.link_over(request, LinkOver.RESET)
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._account_pages.new_password(
            request,
            link=link,
            login=user.login,
            anti_forgery=anti_forgery,
            problem=problem,
            status=status,
        )
        return self._form_page(response, anti_forgery)
