"""What the identity service asks of whoever draws its pages; `sites` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.applications import TrustedApplication


class Pages(Protocol):
    """Pages for a person.

    Every `form_target` is an origin or scheme that a form may lead to; `languages` are culture
    names, best first, where the person or the application made them known.
    """

    def sign_in(
        self,
        request: Request,
        *,
        interaction: str,
        application: TrustedApplication,
        login: str,
        anti_forgery: str,
        form_target: str | None,
        offers_passkeys: bool = False,
        problem: str | None = None,
        remember: bool = False,
        can_mail: bool = False,
        may_register: bool = False,
        status: int = 200,
        languages: Sequence[str | None] = (),
    ) -> Response:
        """The sign-in form; `login` and `remember` prefill it.

        Args:
            can_mail: whether a link can be sent to who forgot the password [SGN-8].
            may_register: whether people may make an account for this application [SGN-7].
            problem: why it is shown again; a sentence marked with `translatable`.
        """
        ...

    def second_factor(
        self,
        request: Request,
        *,
        interaction: str,
        application: TrustedApplication,
        user_name: str,
        has_app: bool,
        has_passkey: bool,
        uses_recovery_code: bool,
        anti_forgery: str,
        form_target: str | None,
        problem: str | None = None,
        status: int = 200,
        languages: Sequence[str | None] = (),
    ) -> Response:
        """Asks for the second factor of somebody whose password was right [IDT-13].

        Args:
            has_app, has_passkey: what the person has enrolled.
            uses_recovery_code: whether the field is for one of these.
        """
        ...

    def set_up_second_factor(
        self,
        request: Request,
        *,
        interaction: str,
        application: TrustedApplication,
        secret: str,
        uri: str,
        picture: str,
        offers_passkeys: bool,
        anti_forgery: str,
        form_target: str | None,
        problem: str | None = None,
        status: int = 200,
        languages: Sequence[str | None] = (),
    ) -> Response:
        """Leads through the first second factor, before the sign-in ends.

        Args:
            secret, uri, picture: for an authenticator app, see `TotpOffer`.
        """
        ...

    def recovery_codes(
        self,
        request: Request,
        *,
        interaction: str,
        application: TrustedApplication,
        codes: Sequence[str],
        anti_forgery: str,
        form_target: str | None,
        languages: Sequence[str | None] = (),
    ) -> Response:
        """Shows new recovery codes once, and goes on; without codes it says that they were."""
        ...

    def choose_account(
        self,
        request: Request,
        *,
        interaction: str,
        application: TrustedApplication,
        account: str,
        login: str,
        user_name: str,
        anti_forgery: str,
        form_target: str | None,
        languages: Sequence[str | None] = (),
    ) -> Response:
        """Who is signed in, to go on as, and the way to another account [EXT-15].

        The form sends `account` back, so that an answer is for the one who was shown.
        """
        ...

    def consent(
        self,
        request: Request,
        *,
        interaction: str,
        application: TrustedApplication,
        user_name: str,
        scopes: Sequence[str],
        anti_forgery: str,
        form_target: str | None,
        languages: Sequence[str | None] = (),
    ) -> Response:
        """The consent form [EXT-2]."""
        ...

    def form_post(self, request: Request, action: str, fields: dict[str, str]) -> Response:
        """Brings an answer to the application; it sends itself, or by its button [AUT-43].

        Args:
            action: the redirect URI, the only address that its form may lead to.
        """
        ...

    def sign_out(
        self,
        request: Request,
        *,
        interaction: str,
        user_name: str,
        anti_forgery: str,
        languages: Sequence[str | None] = (),
    ) -> Response:
        """Asks whether to sign out [END-2]."""
        ...

    def signed_out(
        self,
        request: Request,
        *,
        return_uri: str | None = None,
        frames: Sequence[str] = (),
        goes_back: bool = False,
        languages: Sequence[str | None] = (),
    ) -> Response:
        """Says that it is done, with a link back where that is allowed [END-7, END-8].

        Args:
            frames: what the page loads unseen, so that applications sign out too [EXT-3].
            goes_back: whether it goes on to `return_uri` by itself when they have loaded [END-6].
        """
        ...

    def expired(self, request: Request) -> Response:
        """For a page that was left open too long, or whose work is done already."""
        ...

    def foreign_form(self, request: Request, *, request_id: str) -> Response:
        """For a form that no page of ours in this browser has sent [SGN-5]."""
        ...

    def refused(self, request: Request, *, description: str, status: int) -> Response:
        """For what a site of the instance does not do; `description` is for the person there."""
        ...

    def unavailable(
        self, request: Request, *, status: int, request_id: str | None = None
    ) -> Response:
        """For an address where nothing is, for a method that is not taken, for what has failed.

        Args:
            request_id: by which the server's log names it, if it does.
        """
        ...

    def error(
        self,
        request: Request,
        *,
        error: str,
        description: str,
        status: int = 400,
        request_id: str | None = None,
    ) -> Response:
        """For a request that can't be answered; tells what to do, shows nothing of the request.

        Args:
            description: what is wrong with it, for who runs the application.
            request_id: by which the audit log names it; without one, a line in the server's log.
        """
        ...
