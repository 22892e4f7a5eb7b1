"""`/signin/second-factor`: the page after the right password, for those who have a second one."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.second_factors import Factors, passkey_domain
from mintgate.contract.translating import translatable
from mintgate.contract.users import User
from mintgate.identity.endpoints.authorize import RESUME_PATH, expired_page, see_other
from mintgate.identity.endpoints.interaction import InteractionEndpoint, Waiting
from mintgate.identity.endpoints.sign_in_steps import HalfSignedIn
from mintgate.identity.endpoints.signin import WRONG_PASSKEY
from mintgate.identity.forms import client_address
from mintgate.identity.signin.passkey_sign_in import SECOND_STEP
from mintgate.identity.signin.second_factor import WITH_CODE

# One sentence for a wrong code, a used one and a wait [SGN-6].
WRONG_CODE = translatable(
    "The code is not right, or it was used already. "
    "After five wrong tries, wait five minutes before the next one."
)


class SecondFactorEndpoint(InteractionEndpoint):
    """Asks for a code of the app, a recovery code or a passkey."""

    async def get(self, request: Request) -> Response:
        waiting = await self._waiting(request.query_params.get("interaction"))
        if waiting is None:
            return expired_page(self._pages, request)
        half = await self._steps.find(request, waiting.interaction)
        if half is None:
            return self._start_over(waiting)
        recovery = request.query_params.get("use") == "recovery"
        return await self._page(request, waiting, half.user, uses_recovery_code=recovery)

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
            return self._start_over(waiting)
        if "credential" in form:
            return await self._use_passkey(request, waiting, half, form["credential"])
        return await self._use_code(request, waiting, half, form)

    async def _use_code(
        self, request: Request, waiting: Waiting, half: HalfSignedIn, form: dict[str, str]
    ) -> Response:
        is_right = await self._second_factors.use_code(
            half.user,
            form.get("one_time_code", ""),
            client_address(request.scope),
            self._cookies.device_of(request),
        )
        if is_right:
            return await self._complete(request, waiting, half, WITH_CODE)
        return await self._page(
            request,
            waiting,
            half.user,
            WRONG_CODE,
            uses_recovery_code=form.get("use") == "recovery",
        )

    async def _use_passkey(
        self, request: Request, waiting: Waiting, half: HalfSignedIn, credential: str
    ) -> Response:
        proved = await self._second_factors.passkeys.use(
            credential,
            SECOND_STEP,
            half.proof.proof_hash,
            client_address(request.scope),
            half.user,
        )
        if proved is None:
            return await self._page(request, waiting, half.user, WRONG_PASSKEY)
        return await self._complete(request, waiting, half, ("pwd", *proved.amr))

    async def _complete(
        self, request: Request, waiting: Waiting, half: HalfSignedIn, amr: tuple[str, ...]
    ) -> Response:
        answer = await self._steps.complete_half(request, waiting.interaction, half, amr)
        return answer or self._start_over(waiting)

    def _start_over(self, waiting: Waiting) -> Response:
        """To whatever page is next: the sign-in form, or the application for who is signed in."""
        return see_other(self._directory.instance.issuer, RESUME_PATH, waiting.interaction.name)

    async def _page(
        self,
        request: Request,
        waiting: Waiting,
        user: User,
        problem: str | None = None,
        *,
        uses_recovery_code: bool = False,
    ) -> Response:
        factors: Factors = await self._second_factors.factors_of(user)
        anti_forgery = self._cookies.anti_forgery_of(request)
        has_domain = passkey_domain(self._directory.instance) is not None
        response = self._pages.second_factor(
            request,
            interaction=waiting.interaction.name,
            application=waiting.application,
            user_name=user.display_name(),
            has_app=factors.has_totp,
            has_passkey=factors.passkeys > 0 and has_domain,
            uses_recovery_code=uses_recovery_code,
            anti_forgery=anti_forgery,
            form_target=waiting.form_target,
            problem=problem,
            status=400 if problem else 200,
            languages=(user.default_language, *waiting.request.ui_locales),
        )
        self._cookies.set_anti_forgery(response, anti_forgery)
        return response
