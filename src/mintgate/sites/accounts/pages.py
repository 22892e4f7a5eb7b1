"""The pages around mailed links."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.instance import Instance
from mintgate.contract.translating import translatable
from mintgate.contract.users import translated
from mintgate.identity.account_pages import Done, LinkOver
from mintgate.sites.rendering import PageRenderer


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a page without a form says.

    Args:
        hint: a second paragraph.
        goes_on: the text of a link to the instance's first page; None where the person waits.
    """

    title: str
    lead: str
    hint: str | None = None
    goes_on: str | None = None


_GO_ON = translatable("Go on")
_DONE = {
    Done.ASKED_FOR_LINK: _Said(
        title=translatable("Look into your mailbox"),
        lead=translatable(
            "If there is an account with this name and a confirmed address, a link is on its way "
            "to that address. It works once, within 30 minutes."
        ),
        hint=translatable(
            "Nothing came? Look among unwanted mail, or ask an administrator: your address may not "
            "be confirmed. After several requests within an hour no more mails are sent."
        ),
    ),
    Done.PASSWORD_SET: _Said(
        title=translatable("Your new password is set"),
        lead=translatable(
            "Sign in with it from now on. Everywhere else you are signed out, and applications ask "
            "you to sign in again."
        ),
        goes_on=_GO_ON,
    ),
    Done.EMAIL_CONFIRMED: _Said(
        title=translatable("Your address is confirmed"),
        lead=translatable("If you forget your password, we can send you a link there."),
        goes_on=_GO_ON,
    ),
    Done.REGISTERED: _Said(
        title=translatable("Look into your mailbox"),
        lead=translatable(
            "We have sent you a mail. Confirm your address with the link in it; you can sign in "
            "with the address and your password right away."
        ),
        hint=translatable("If the address had an account before, the mail says so."),
    ),
    Done.JOINED: _Said(
        title=translatable("Welcome"),
        lead=translatable("Your account is ready. Sign in with your login and the new password."),
        goes_on=_GO_ON,
    ),
}
_OVER = {
    LinkOver.RESET: _Said(
        title=translatable("This link works no more"),
        lead=translatable(
            "It works once, within 30 minutes, and ends when the password is changed."
        ),
    ),
    LinkOver.CONFIRM: _Said(
        title=translatable("This link works no more"),
        lead=translatable(
            "It works once, within three days. If you have used it already, the address is "
            "confirmed."
        ),
        goes_on=_GO_ON,
    ),
    LinkOver.INVITE: _Said(
        title=translatable("This invitation works no more"),
        lead=translatable(
            "It works once, within seven days. If you have accepted it already, sign in; else ask "
            "whoever invited you for another one."
        ),
        goes_on=_GO_ON,
    ),
}


class SiteAccountPages:
    """Implements `mintgate.identity.account_pages.AccountPages` for one instance."""

    def __init__(self, instance: Instance) -> None:
        self._renderer = PageRenderer(instance)

    def language_of(self, request: Request) -> str:
        return self._renderer.language_of(request).code

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
        return self._form(
            request,
            "forgotten_password",
            problem,
            status,
            interaction=interaction,
            login=login,
            anti_forgery=anti_forgery,
            can_mail=can_mail,
        )

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
        return self._form(
            request,
            "new_password",
            problem,
            status,
            link=link,
            login=login,
            anti_forgery=anti_forgery,
        )

    def confirm_email(
        self, request: Request, *, link: str, email: str, anti_forgery: str
    ) -> Response:
        return self._form(
            request, "confirm_email", link=link, email=email, anti_forgery=anti_forgery
        )

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
        code = self.language_of(request)
        return self._form(
            request,
            "register",
            problem,
            status,
            interaction=interaction,
            application_name=translated(application.name, code) or application.application_uri,
            email=email,
            name=name,
            anti_forgery=anti_forgery,
        )

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
        return self._form(
            request,
            "invitation",
            problem,
            status,
            link=link,
            login=login,
            name=name,
            anti_forgery=anti_forgery,
        )

    def done(self, request: Request, done: Done, *, interaction: str | None = None) -> Response:
        return self._say(request, _DONE[done], 200, interaction, asks_anew=False)

    def link_over(self, request: Request, over: LinkOver) -> Response:
        return self._say(request, _OVER[over], 404, None, asks_anew=over is LinkOver.RESET)

    def _say(
        self,
        request: Request,
        said: _Said,
        status: int,
        interaction: str | None,
        *,
        asks_anew: bool,
    ) -> Response:
        language = self._renderer.language_of(request)
        return self._renderer.page(
            request,
            "accounts/said.html",
            locale=language,
            status=status,
            title=language.gettext(said.title),
            lead=language.gettext(said.lead),
            hint=said.hint and language.gettext(said.hint),
            goes_on=said.goes_on and language.gettext(said.goes_on),
            may_have_opener=interaction is not None,
            interaction=interaction,
            asks_anew=asks_anew,
        )

    def _form(
        self,
        request: Request,
        template: str,
        problem: str | None = None,
        status: int = 200,
        **values: Any,
    ) -> Response:
        language = self._renderer.language_of(request)
        return self._renderer.page(
            request,
            f"accounts/{template}.html",
            locale=language,
            status=status,
            # On the way to an application, which may have opened a window for it.
            may_have_opener=values.get("interaction") is not None,
            problem=problem and language.gettext(problem),
            **values,
        )
