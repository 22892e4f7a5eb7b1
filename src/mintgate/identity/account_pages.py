"""What the pages of people's own accounts ask of whoever draws them; `sites` does.

Sentences given as `problem` are those of `contract.users` and `identity.accounts`, in English.
"""

from __future__ import annotations

import enum
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.applications import TrustedApplication


class Done(enum.Enum):
    """What a person has brought to its end."""

    ASKED_FOR_LINK = "asked for link"
    PASSWORD_SET = "password set"  # noqa: S105 - no password
    EMAIL_CONFIRMED = "email confirmed"
    REGISTERED = "registered"
    JOINED = "joined"


class LinkOver(enum.Enum):
    """A link that does nothing any more, or never did; which one it is for."""

    RESET = "reset"
    CONFIRM = "confirm"
    INVITE = "invite"


class AccountPages(Protocol):
    """Pages around mailed links; every form sends `anti_forgery` back, and `link` or what names
    the request that waits."""

    def language_of(self, request: Request) -> str:
        """The culture name of the language that pages for this browser are in."""
        ...

    def forgotten_password(
        self,
        request: Request,
        *,
        interaction: str | None,
        login: str,
        anti_forgery: str,
        can_mail: bool,
        problem: str | None = None,
        status: int = 200,
    ) -> Response:
        """Asks for login or address; without mail it says whom to ask instead.

        Args:
            interaction: names the sign-in to go back to, if there is one.
        """
        ...

    def new_password(
        self,
        request: Request,
        *,
        link: str,
        login: str,
        anti_forgery: str,
        problem: str | None = None,
        status: int = 200,
    ) -> Response:
        """Asks for another password."""
        ...

    def confirm_email(
        self, request: Request, *, link: str, email: str, anti_forgery: str
    ) -> Response:
        """Asks whether the address is to be confirmed: programs that scan mail follow links."""
        ...

    def register(
        self,
        request: Request,
        *,
        interaction: str,
        application: TrustedApplication,
        email: str,
        name: str,
        anti_forgery: str,
        problem: str | None = None,
        status: int = 200,
    ) -> Response:
        """Asks for what a community user is made of [SGN-7]."""
        ...

    def invitation(
        self,
        request: Request,
        *,
        link: str,
        login: str,
        name: str,
        anti_forgery: str,
        problem: str | None = None,
        status: int = 200,
    ) -> Response:
        """Asks for name and password [IMG-6]."""
        ...

    def done(self, request: Request, done: Done, *, interaction: str | None = None) -> Response:
        """Says that it is done and how to go on; for `ASKED_FOR_LINK` the same for everybody.

        Args:
            interaction: names the sign-in to go back to, if there is one.
        """
        ...

    def link_over(self, request: Request, over: LinkOver) -> Response:
        """Says that the link does nothing any more, and how to get another."""
        ...
