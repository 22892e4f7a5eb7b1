"""The pages of the second step of a sign-in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.instance import Instance
from mintgate.contract.users import translated
from mintgate.sites.rendering import PageRenderer

Languages = Sequence[str | None]


class SecondFactorPages:
    """That part of `mintgate.identity.pages.Pages`."""

    def __init__(self, instance: Instance) -> None:
        self._renderer = PageRenderer(instance)

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
        languages: Languages = (),
    ) -> Response:
        return self._step(
            request,
            "ask.html",
            application,
            languages,
            problem,
            status=status,
            form_target=form_target,
            interaction=interaction,
            user_name=user_name,
            has_app=has_app,
            has_passkey=has_passkey,
            uses_recovery_code=uses_recovery_code,
            anti_forgery=anti_forgery,
        )

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
        languages: Languages = (),
    ) -> Response:
        return self._step(
            request,
            "set_up.html",
            application,
            languages,
            problem,
            status=status,
            form_target=form_target,
            interaction=interaction,
            secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
            uri=uri,
            picture=picture,
            offers_passkeys=offers_passkeys,
            anti_forgery=anti_forgery,
        )

    def recovery_codes(
        self,
        request: Request,
        *,
        interaction: str,
        application: TrustedApplication,
        codes: Sequence[str],
        anti_forgery: str,
        form_target: str | None,
        languages: Languages = (),
    ) -> Response:
        return self._step(
            request,
            "recovery_codes.html",
            application,
            languages,
            None,
            form_target=form_target,
            interaction=interaction,
            codes=codes,
            anti_forgery=anti_forgery,
        )

    def _step(
        self,
        request: Request,
        template: str,
        application: TrustedApplication,
        languages: Languages,
        problem: str | None,
        **values: Any,
    ) -> Response:
        language = self._renderer.language_of(request, *languages)
        return self._renderer.page(
            request,
            f"second_factors/{template}",
            locale=language,
            may_have_opener=True,
            application_name=translated(application.name, language.code)
            or application.application_uri,
            problem=problem and language.gettext(problem),
            **values,
        )
