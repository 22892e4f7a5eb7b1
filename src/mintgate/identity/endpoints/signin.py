"""`/signin`: login and password, or a passkey, before the code."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.errors import Refusal, TemporarilyUnavailable
from mintgate.contract.second_factors import offers_passkeys
from mintgate.contract.translating import translatable
from mintgate.identity.accounts.registration import may_register
from mintgate.identity.endpoints.authorize import expired_page
from mintgate.identity.endpoints.interaction import InteractionEndpoint, InteractionParts, Waiting
from mintgate.identity.endpoints.sign_in_steps import ENROL_PATH, SECOND_FACTOR_PATH
from mintgate.identity.forms import client_address
from mintgate.identity.signin.passkey_sign_in import SIGN_IN
from mintgate.identity.signin.password import AMR, PasswordSignIn, Proved

# One sentence for an unknown user, a wrong password, a lock and a wait [SGN-3, SGN-6].
WRONG_PASSWORD = translatable(
    "The login or the password is not right. "
    "After five wrong tries, wait five minutes before the next one."
)
WRONG_PASSKEY = translatable(
    "This passkey could not be used here. Sign in with your login and password, or try again."
)


class SignInEndpoint(InteractionEndpoint):
    """Login and password [SGN-1..5]."""

    def __init__(
        self, parts: InteractionParts, passwords: PasswordSignIn, *, can_mail: bool
    ) -> None:
        super().__init__(parts)
        self._passwords = passwords
        self._can_mail = can_mail

    async def get(self, request: Request) -> Response:
        waiting = await self._waiting(request.query_params.get("interaction"))
        if waiting is None:
            return expired_page(self._pages, request)
        return self._form(request, waiting, login=waiting.request.likely_login)

    async def post(self, request: Request) -> Response:
        form = await self._own_form(request)
        if isinstance(form, Response):
            return form
        waiting = await self._waiting(form.get("interaction"))
        if waiting is None:
            return expired_page(self._pages, request)
        if form.get("action") == "cancel":
            return await self._cancel(request, waiting)
        if "credential" in form:
            return await self._use_passkey(request, waiting, form)
        return await self._sign_in(request, waiting, form)

    async def _sign_in(self, request: Request, waiting: Waiting, form: dict[str, str]) -> Response:
        login, address = form.get("login", "").strip(), client_address(request.scope)
        remember = form.get("remember") == "on"
        try:
            proved = await self._passwords.prove(
                login, form.get("password", ""), address, self._cookies.device_of(request)
            )
        except Refusal as refusal:
            answer = self._form(
                request, waiting, login, refusal.description, refusal.status, remember=remember
            )
            if isinstance(refusal, TemporarilyUnavailable):  # too many wait (ADR 12)
                answer.headers["Retry-After"] = str(refusal.retry_after)
            return answer
        if proved is None:
            return self._form(request, waiting, login, WRONG_PASSWORD, 400, remember=remember)
        response = await self._go_on(request, waiting, proved, remember=remember)
        return response or self._form(
            request, waiting, login, WRONG_PASSWORD, 400, remember=remember
        )

    async def _go_on(
        self, request: Request, waiting: Waiting, proved: Proved, *, remember: bool
    ) -> Response | None:
        """A session, or the page for the second factor; None when the password was changed."""
        acr = waiting.request.claims.acr
        is_wanted = acr is not None and not acr.is_met_by(AMR)
        if not await self._second_factors.asks(proved.user, is_wanted=is_wanted):
            return await self._steps.complete_password(
                request, waiting.interaction, proved, AMR, remember=remember
            )
        factors = await self._second_factors.factors_of(proved.user)
        path = SECOND_FACTOR_PATH if factors.has_any else ENROL_PATH
        return await self._steps.begin(waiting.interaction, proved, remember=remember, path=path)

    async def _use_passkey(
        self, request: Request, waiting: Waiting, form: dict[str, str]
    ) -> Response:
        """Both factors at once, and no login needs to be typed."""
        proved = await self._second_factors.passkeys.use(
            form["credential"],
            SIGN_IN,
            waiting.interaction.row.id_hash,
            client_address(request.scope),
        )
        answer = None
        if proved is not None:
            answer = await self._steps.complete_passkey(
                request, waiting.interaction, proved, remember=form.get("remember") == "on"
            )
        return answer or self._form(request, waiting, form.get("login", ""), WRONG_PASSKEY, 400)

    def _form(
        self,
        request: Request,
        waiting: Waiting,
        login: str,
        problem: str | None = None,
        status: int = 200,
        *,
        remember: bool = False,
    ) -> Response:
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._pages.sign_in(
            request,
            interaction=waiting.interaction.name,
            application=waiting.application,
            login=login[:254],
            anti_forgery=anti_forgery,
            form_target=waiting.form_target,
            offers_passkeys=offers_passkeys(self._directory.instance),
            problem=problem,
            remember=remember,
            can_mail=self._can_mail,
            may_register=self._can_mail and may_register(waiting.application),
            status=status,
            languages=waiting.request.ui_locales,
        )
        self._cookies.set_anti_forgery(response, anti_forgery)
        return response
