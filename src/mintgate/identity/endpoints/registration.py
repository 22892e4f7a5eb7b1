"""`/register`: people who become community users by themselves [SGN-7]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.contract.translating import translatable
from mintgate.identity.account_pages import AccountPages, Done
from mintgate.identity.accounts.common import AccountParts
from mintgate.identity.accounts.registration import Registering, Registration, may_register
from mintgate.identity.endpoints.account_endpoint import MAX_TYPED, AccountEndpoint
from mintgate.identity.endpoints.authorize import expired_page
from mintgate.identity.endpoints.interaction import InteractionParts
from mintgate.identity.forms import client_address

CLOSED = translatable(
    "Nobody can register for this application. Ask an administrator for an account."
)


class RegistrationEndpoint(AccountEndpoint):
    """Offered on the way to an application that takes community users."""

    def __init__(
        self, parts: InteractionParts, account_pages: AccountPages, accounts: AccountParts
    ) -> None:
        super().__init__(parts, account_pages, accounts)
        self._registration = Registration(accounts)

    async def get(self, request: Request) -> Response:
        waiting = await self._waiting(request.query_params.get("interaction"))
        if waiting is None:
            return expired_page(self._pages, request)
        if not self._is_open(waiting.application):
            return self._closed(request)
        return self._form(request, waiting.interaction.name, waiting.application)

    async def post(self, request: Request) -> Response:
        form = await self._own_form(request)
        if isinstance(form, Response):
            return form
        waiting = await self._waiting(form.get("interaction"))
        if waiting is None:
            return expired_page(self._pages, request)
        name, application = waiting.interaction.name, waiting.application
        if not self._is_open(application):
            return self._closed(request)
        given = Registering(
            email=form.get("email", "").strip(),
            name=form.get("name", "").strip(),
            password=form.get("password", ""),
            language=self._account_pages.language_of(request),
        )
        if given.problem is not None:
            return self._form(request, name, application, given, given.problem, 400)
        try:
            await self._registration.register(
                given, application.application_uri, client_address(request.scope)
            )
        except TemporarilyUnavailable as refusal:
            told = (refusal.description, refusal.status)
            return self._busy(self._form(request, name, application, given, *told), refusal)
        return self._account_pages.done(request, Done.REGISTERED, interaction=name)

    def _is_open(self, application: TrustedApplication) -> bool:
        # Without mail nobody could be told that the address has an account already.
        return self._accounts.can_mail and may_register(application)

    def _closed(self, request: Request) -> Response:
        return self._pages.error(request, error="access_denied", description=CLOSED, status=403)

    def _form(
        self,
        request: Request,
        interaction: str,
        application: TrustedApplication,
        given: Registering | None = None,
        problem: str | None = None,
        status: int = 200,
    ) -> Response:
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._account_pages.register(
            request,
            interaction=interaction,
            application=application,
            email=given.email[:MAX_TYPED] if given else "",
            name=given.name[:MAX_TYPED] if given else "",
            anti_forgery=anti_forgery,
            problem=problem,
            status=status,
        )
        return self._form_page(response, anti_forgery)
