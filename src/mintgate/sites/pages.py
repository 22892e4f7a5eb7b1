"""The pages of the identity service and the landing page, drawn with Jinja2."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.discovery import sites_of
from mintgate.contract.instance import Instance
from mintgate.contract.redirects import origin_of
from mintgate.contract.users import translated

if TYPE_CHECKING:
    from jinja2 import Environment

ASSETS_PATH = "/assets"
"""Below the issuer."""

_SCOPE_SENTENCES = {
    "openid": "Know who you are (your login)",
    "profile": "See your profile: name, email and language",
    "read": "Read the data that you can read",
    "update": "Create, change and delete the data that you can change",
    "sec": "Manage users and applications, as far as you can",
    "DomainApi": "Use an outdated permission that gives nothing by itself",
    "offline_access": "Keep access while you are away",
}


@cache
def _environment() -> Environment:
    # Made with the first page: a server that only mints needs none.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("mintgate.sites", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
    )


class SitePages:
    """Implements `mintgate.identity.pages.Pages` for one instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def sign_in(
        self,
        request: Request,
        *,
        interaction: str,
        application: TrustedApplication,
        login: str,
        anti_forgery: str,
        form_target: str | None,
        problem: str | None = None,
        status: int = 200,
    ) -> Response:
        return self._page(
            "sign_in.html",
            status,
            form_target,
            application_name=_name_of(application),
            interaction=interaction,
            login=login,
            anti_forgery=anti_forgery,
            problem=problem,
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
    ) -> Response:
        return self._page(
            "choose_account.html",
            200,
            form_target,
            application_name=_name_of(application),
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
    ) -> Response:
        return self._page(
            "consent.html",
            200,
            form_target,
            application=application,
            application_name=_name_of(application),
            user_name=user_name,
            sentences=[_SCOPE_SENTENCES[scope] for scope in scopes],
            interaction=interaction,
            anti_forgery=anti_forgery,
        )

    def sign_out(
        self,
        request: Request,
        *,
        interaction: str,
        user_name: str,
        anti_forgery: str,
    ) -> Response:
        return self._page(
            "sign_out.html",
            200,
            None,
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
    ) -> Response:
        response = self._page(
            "signed_out.html",
            200,
            None,
            return_uri=return_uri,
            frames=frames,
            goes_back=goes_back,
        )
        if frames:
            response.headers["Content-Security-Policy"] += _framing(frames)
        return response

    def error(
        self, request: Request, *, error: str, description: str, status: int = 400
    ) -> Response:
        return self._page("error.html", status, None, error=error, description=description)

    async def landing(self, request: Request) -> Response:
        """`GET /`: the public sites [TOP-29]."""
        return self._page("landing.html", 200, None, sites=sites_of(self._instance))

    def _page(self, template: str, status: int, form_target: str | None, **values: Any) -> Response:
        issuer = self._instance.issuer
        text = (
            _environment()
            .get_template(template)
            .render(instance=self._instance, issuer=issuer, assets=issuer + ASSETS_PATH, **values)
        )
        return HTMLResponse(text, status_code=status, headers=_headers(form_target))


def _framing(frames: Sequence[str]) -> str:
    """What a page with frames may do besides: load exactly these origins, and our script."""
    origins = dict.fromkeys(origin for url in frames if (origin := origin_of(url)) is not None)
    return f"; script-src 'self'; frame-src {' '.join(origins)}"


def _headers(form_target: str | None) -> dict[str, str]:
    # Browsers apply form-action to the redirect after the POST as well [SGN-9].
    form_action = f"'self' {form_target}" if form_target else "'self'"
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        f"form-action {form_action}; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",  # [EP-7]
        "Cache-Control": "no-store",
    }


def _name_of(application: TrustedApplication) -> str:
    return translated(application.name, "en") or application.application_uri
