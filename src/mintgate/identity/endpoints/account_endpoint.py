"""What the endpoints around mailed links have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.identity.account_pages import AccountPages
from mintgate.identity.accounts.common import AccountParts
from mintgate.identity.endpoints.interaction import InteractionEndpoint, InteractionParts
from mintgate.identity.mail.outbox import LINK

FORGOTTEN_PATH = "/password/forgot"
REGISTER_PATH = "/register"
MAX_TYPED = 254
"""Characters of what was typed that a form shows again."""


class AccountEndpoint(InteractionEndpoint, ABC):
    """Forms that are reached by a link in a letter, or that have one sent.

    A GET changes nothing, as programs that look through mail for harm follow links. No address of
    these pages is told to others, for it may have the secret of a link in its query.
    """

    def __init__(
        self, parts: InteractionParts, account_pages: AccountPages, accounts: AccountParts
    ) -> None:
        super().__init__(parts)
        self._account_pages = account_pages
        self._accounts = accounts

    @abstractmethod
    async def get(self, request: Request) -> Response: ...

    @abstractmethod
    async def post(self, request: Request) -> Response: ...

    def _link_of(self, request: Request) -> str:
        return request.query_params.get(LINK, "")

    def _form_page(self, response: Response, anti_forgery: str) -> Response:
        self._cookies.set_anti_forgery(response, anti_forgery)
        return response

    def _busy(self, response: Response, refusal: TemporarilyUnavailable) -> Response:
        response.headers["Retry-After"] = str(refusal.retry_after)  # too many wait (ADR 12)
        return response
