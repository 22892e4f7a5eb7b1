"""`/email/confirm`: where a link to a new address leads [USR-3]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mintgate.identity.account_pages import AccountPages, Done, LinkOver
from mintgate.identity.accounts.common import AccountParts
from mintgate.identity.accounts.confirmation import EmailConfirmation
from mintgate.identity.endpoints.account_endpoint import AccountEndpoint
from mintgate.identity.endpoints.interaction import InteractionParts
from mintgate.identity.forms import client_address
from mintgate.identity.mail.outbox import LINK


class EmailConfirmationEndpoint(AccountEndpoint):
    """Asks, and notes that the address is the user's."""

    def __init__(
        self, parts: InteractionParts, account_pages: AccountPages, accounts: AccountParts
    ) -> None:
        super().__init__(parts, account_pages, accounts)
        self._confirmation = EmailConfirmation(accounts)

    async def get(self, request: Request) -> Response:
        link = self._link_of(request)
        email = await self._confirmation.find(link)
        if email is None:
            return self._account_pages.link_over(request, LinkOver.CONFIRM)
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._account_pages.confirm_email(
            request, link=link, email=email, anti_forgery=anti_forgery
        )
        return self._form_page(response, anti_forgery)

    async def post(self, request: Request) -> Response:
        form = await self._own_form(request)
        if isinstance(form, Response):
            return form
        address = client_address(request.scope)
        if not await self._confirmation.confirm(form.get(LINK, ""), address):
            return self._account_pages.link_over(request, LinkOver.CONFIRM)
        return self._account_pages.done(request, Done.EMAIL_CONFIRMED)
