"""`/signin/enrol`: the first second factor, where one is required and the person has none yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.second_factors import passkey_domain
from mintgate.contract.translating import translatable
from mintgate.identity.endpoints.authorize import RESUME_PATH, expired_page, see_other
from mintgate.identity.endpoints.interaction import InteractionEndpoint, Waiting
from mintgate.identity.endpoints.sign_in_steps import SECOND_FACTOR_PATH, HalfSignedIn
from mintgate.identity.forms import client_address
from mintgate.identity.signin import passkeys as ceremonies
from mintgate.identity.signin.enrolment import UNNAMED, Enrolment, NotPossible
from mintgate.identity.signin.passkeys import PasskeyRefused
from mintgate.identity.signin.second_factor import WITH_CODE
from mintgate.identity.signin.totp import TotpOffer

T = TypeVar("T")

WRONG_FIRST_CODE = translatable(
    "The code is not right. Enter the six digits that the app shows now; "
    "the clock of the phone must be right."
)
WRONG_NEW_PASSKEY = translatable(
    "This passkey could not be set up. Try again, or use an authenticator app."
)


class EnrolmentEndpoint(InteractionEndpoint):
    """Leads through an authenticator app or a passkey, and shows recovery codes once."""

    async def get(self, request: Request) -> Response:
        waiting = await self._waiting(request.query_params.get("interaction"))
        if waiting is None:
            return expired_page(self._pages, request)
        half = await self._steps.find(request, waiting.interaction)
        if half is None:
            return self._go_to(RESUME_PATH, waiting)
        if half.proof.amr is not None:
            return self._codes_page(request, waiting, half, ())  # reloaded: they were shown once
        return await self._page(request, waiting, half)

    async def post(self, request: Request) -> Response:
        form = await self._own_form(request)
        if isinstance(form, Response):
            return form
        waiting = await self._waiting(form.get("interaction"))
        if waiting is None:
            return expired_page(self._pages, request)
        if form.get("action") == "cancel":
            return await self._cancel(request, waiting)
        half = await self._steps.find(request, waiting.interaction)
        if half is None:
            return self._go_to(RESUME_PATH, waiting)
        if half.proof.amr is not None:
            answer = await self._steps.complete_half(
                request, waiting.interaction, half, half.proof.amr
            )
            return answer or self._go_to(RESUME_PATH, waiting)
        try:
            if "credential" in form:
                return await self._add_passkey(request, waiting, half, form["credential"])
            return await self._add_app(request, waiting, half, form.get("one_time_code", ""))
        except NotPossible:
            # Set up in another window, or open for too long: the page for what is so now.
            return await self._page(request, waiting, half)

    async def _add_app(
        self, request: Request, waiting: Waiting, half: HalfSignedIn, typed: str
    ) -> Response:
        def work(enrolment: Enrolment) -> tuple[str, ...] | None:
            enrolment.require_first()
            return enrolment.confirm_totp(typed)

        codes = await self._enrol(request, half, work)
        if codes is None:
            return await self._page(request, waiting, half, WRONG_FIRST_CODE)
        await self._steps.note(half, WITH_CODE)
        return self._codes_page(request, waiting, half, codes)

    async def _add_passkey(
        self, request: Request, waiting: Waiting, half: HalfSignedIn, credential: str
    ) -> Response:
        instance, user = self._directory.instance, half.user
        try:
            answer = ceremonies.read_answer(credential)
            # In a thread, as the first of the process imports the library.
            verified = await asyncio.to_thread(
                ceremonies.verify_registration,
                instance,
                answer,
                user_id=user.id,
                name=UNNAMED,
                now=self._database.clock(),
            )

            def work(enrolment: Enrolment) -> tuple[str, ...]:
                enrolment.require_first()
                return enrolment.add_passkey(answer, verified)

            codes = await self._enrol(request, half, work)
        except PasskeyRefused:
            return await self._page(request, waiting, half, WRONG_NEW_PASSKEY)
        await self._steps.note(half, ("pwd", *ceremonies.amr_of(verified)))
        return self._codes_page(request, waiting, half, codes)

    async def _enrol(
        self, request: Request, half: HalfSignedIn, work: Callable[[Enrolment], T]
    ) -> T:
        address = client_address(request.scope)
        return await self._second_factors.enrol(half.user, half.proof, address, work)

    def _go_to(self, path: str, waiting: Waiting) -> Response:
        return see_other(self._directory.instance.issuer, path, waiting.interaction.name)

    async def _page(
        self,
        request: Request,
        waiting: Waiting,
        half: HalfSignedIn,
        problem: str | None = None,
    ) -> Response:
        def work(enrolment: Enrolment) -> TotpOffer:
            enrolment.require_first()
            return enrolment.offer_totp()

        try:
            offer = await self._enrol(request, half, work)
        except NotPossible:
            return self._go_to(SECOND_FACTOR_PATH, waiting)
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._pages.set_up_second_factor(
            request,
            interaction=waiting.interaction.name,
            application=waiting.application,
            secret=offer.secret,
            uri=offer.uri,
            picture=offer.picture,
            offers_passkeys=passkey_domain(self._directory.instance) is not None,
            anti_forgery=anti_forgery,
            form_target=waiting.form_target,
            problem=problem,
            status=400 if problem else 200,
            languages=(half.user.default_language, *waiting.request.ui_locales),
        )
        self._cookies.set_anti_forgery(response, anti_forgery)
        return response

    def _codes_page(
        self, request: Request, waiting: Waiting, half: HalfSignedIn, codes: tuple[str, ...]
    ) -> Response:
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._pages.recovery_codes(
            request,
            interaction=waiting.interaction.name,
            application=waiting.application,
            codes=codes,
            anti_forgery=anti_forgery,
            form_target=waiting.form_target,
            languages=(half.user.default_language, *waiting.request.ui_locales),
        )
        self._cookies.set_anti_forgery(response, anti_forgery)
        return response
