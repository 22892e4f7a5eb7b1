"""The pages of the identity service and the landing page."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.redirects import policy_source_of
from mintgate.contract.request_ids import new_refusal_id
from mintgate.contract.users import translated
from mintgate.sites import problems
from mintgate.sites.landing import landing_sites
from mintgate.sites.languages import Language
from mintgate.sites.problems import Problem
from mintgate.sites.scope_texts import scope_text
from mintgate.sites.second_factor_pages import SecondFactorPages

_log = logging.getLogger(__name__)


class SitePages(SecondFactorPages):
    """Implements `mintgate.identity.pages.Pages` for one instance."""

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
        language = self._renderer.language_of(request, *languages)
        return self._renderer.page(
            request,
            "identity/sign_in.html",
            locale=language,
            status=status,
            form_target=form_target,
            may_have_opener=True,
            application_name=_name_of(application, language),
            interaction=interaction,
            login=login,
            anti_forgery=anti_forgery,
            offers_passkeys=offers_passkeys,
            problem=problem and language.gettext(problem),
            remember=remember,
            can_mail=can_mail,
            may_register=may_register,
        )

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
        language = self._renderer.language_of(request, *languages)
        return self._renderer.page(
            request,
            "identity/choose_account.html",
            locale=language,
            form_target=form_target,
            may_have_opener=True,
            application_name=_name_of(application, language),
            account=account,
            login=login,
            user_name=user_name,
            interaction=interaction,
            anti_forgery=anti_forgery,
        )

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
        language = self._renderer.language_of(request, *languages)
        return self._renderer.page(
            request,
            "identity/consent.html",
            locale=language,
            form_target=form_target,
            may_have_opener=True,
            application=application,
            application_name=_name_of(application, language),
            user_name=user_name,
            sentences=[scope_text(scope, language) for scope in scopes],
            interaction=interaction,
            anti_forgery=anti_forgery,
        )

    def form_post(self, request: Request, action: str, fields: dict[str, str]) -> Response:
        return self._renderer.page(
            request,
            "identity/form_post.html",
            form_target=policy_source_of(action),
            has_own_forms=False,
            may_have_opener=True,
            action=action,
            fields=fields,
        )

    def sign_out(
        self,
        request: Request,
        *,
        interaction: str,
        user_name: str,
        anti_forgery: str,
        languages: Sequence[str | None] = (),
    ) -> Response:
        return self._renderer.page(
            request,
            "identity/sign_out.html",
            locale=self._renderer.language_of(request, *languages),
            may_have_opener=True,
            interaction=interaction,
            user_name=user_name,
            anti_forgery=anti_forgery,
        )

    def signed_out(
        self,
        request: Request,
        *,
        return_uri: str | None = None,
        frames: Sequence[str] = (),
        goes_back: bool = False,
        languages: Sequence[str | None] = (),
    ) -> Response:
        return self._renderer.page(
            request,
            "identity/signed_out.html",
            locale=self._renderer.language_of(request, *languages),
            frames=frames,
            may_have_opener=True,
            return_uri=return_uri,
            goes_back=goes_back,
        )

    def expired(self, request: Request) -> Response:
        return self._problem(request, problems.EXPIRED)

    def foreign_form(self, request: Request, *, request_id: str) -> Response:
        return self._problem(request, problems.FOREIGN_FORM, request_id=request_id)

    def error(
        self,
        request: Request,
        *,
        error: str,
        description: str,
        status: int = 400,
        request_id: str | None = None,
    ) -> Response:
        if request_id is None:
            request_id = new_refusal_id()
            _log.warning("request %s was not answered: %s: %s", request_id, error, description)
        return self._problem(
            request,
            problems.NOT_ANSWERED,
            status=status,
            request_id=request_id,
            detail=f"{error}: {description}",
        )

    def refused(self, request: Request, *, description: str, status: int) -> Response:
        return self._problem(
            request,
            problems.of_refusal(description, status),
            status=status,
            request_id=new_refusal_id(),
        )

    def unavailable(
        self, request: Request, *, status: int, request_id: str | None = None
    ) -> Response:
        """For what is not there, is not taken or has failed; see `BrowserErrors`."""
        return self._problem(
            request, problems.of_status(status), status=status, request_id=request_id
        )

    def _problem(
        self,
        request: Request,
        problem: Problem,
        *,
        status: int = 400,
        request_id: str | None = None,
        detail: str | None = None,
    ) -> Response:
        return self._renderer.page(
            request,
            "identity/error.html",
            status=status,
            may_have_opener=True,
            problem=problem,
            request_id=request_id,
            detail=detail,
        )

    async def landing(self, request: Request) -> Response:
        """`GET /`: the public sites [TOP-29]."""
        return self._renderer.page(
            request, "identity/landing.html", sites=landing_sites(self._renderer.instance)
        )


def _name_of(application: TrustedApplication, language: Language) -> str:
    return translated(application.name, language.code) or application.application_uri
