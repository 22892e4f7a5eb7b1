"""`/signin` and `/consent`: the pages between an authorization request and its code."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract import scopes
from mintgate.contract.applications import TrustedApplication
from mintgate.contract.errors import (
    AccessDenied,
    InvalidRequest,
    Refusal,
    TemporarilyUnavailable,
)
from mintgate.contract.second_factors import offers_passkeys
from mintgate.contract.translating import translatable
from mintgate.contract.users import UserType
from mintgate.identity.accounts.registration import may_register
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.identity.authorization import (
    AuthorizationRequest,
    PageRefusal,
    ReturnedRefusal,
    validate,
)
from mintgate.identity.cookies import Cookies
from mintgate.identity.directory import Directory
from mintgate.identity.endpoints.authorize import RESUME_PATH, expired_page, see_other
from mintgate.identity.endpoints.sign_in_steps import (
    ENROL_PATH,
    SECOND_FACTOR_PATH,
    SignInSteps,
)
from mintgate.identity.forms import client_address, read_form
from mintgate.identity.interactions import Interactions, OpenInteraction
from mintgate.identity.pages import Pages
from mintgate.identity.response_modes import form_target_of, respond_refusal
from mintgate.identity.sessions import Sessions, SignedIn
from mintgate.identity.signin.passkey_sign_in import SIGN_IN
from mintgate.identity.signin.password import AMR, PasswordSignIn, Proved
from mintgate.identity.signin.second_factor import SecondFactors
from mintgate.store import AuditEvent, Database, Transaction, applications
from mintgate.store import sessions as session_rows

# One sentence for an unknown user, a wrong password, a lock and a wait [SGN-3, SGN-6].
WRONG_PASSWORD = translatable(
    "The login or the password is not right. "
    "After five wrong tries, wait five minutes before the next one."
)
WRONG_PASSKEY = translatable(
    "This passkey could not be used here. Sign in with your login and password, or try again."
)
FOREIGN_FORM = translatable(
    "The form did not come from this site, or cookies are blocked. "
    "Allow cookies for this site, go back and try again."
)


class Waiting(msgspec.Struct, frozen=True):
    """An open interaction whose request is still valid."""

    interaction: OpenInteraction
    request: AuthorizationRequest

    @property
    def application(self) -> TrustedApplication:
        return self.request.application

    @property
    def form_target(self) -> str:
        return form_target_of(self.request.return_address.redirect_uri)


class InteractionParts(NamedTuple):
    """What these pages need."""

    directory: Directory
    database: Database
    sessions: Sessions
    interactions: Interactions
    cookies: Cookies
    pages: Pages
    steps: SignInSteps
    second_factors: SecondFactors


class InteractionEndpoint:
    """What these pages share: finding the request that waits, and going back to it."""

    def __init__(self, parts: InteractionParts) -> None:
        self._directory = parts.directory
        self._database = parts.database
        self._sessions = parts.sessions
        self._interactions = parts.interactions
        self._cookies = parts.cookies
        self._pages = parts.pages
        self._steps = parts.steps
        self._second_factors = parts.second_factors

    async def _waiting(self, name: str | None) -> Waiting | None:
        interaction = await self._interactions.find(name)
        if interaction is None:
            return None
        parameters = interaction.row.parameters
        application = await self._directory.application(parameters.get("client_id", ""))
        try:
            valid = validate(parameters, application, self._directory.instance)
        except (PageRefusal, ReturnedRefusal):
            return None  # the application was changed meanwhile
        return Waiting(interaction, valid)

    async def _cancel(self, request: Request, waiting: Waiting) -> Response:
        """[AUT-33] The person does not want to."""
        refusal = AccessDenied("The user did not agree.")
        event = AuditEvent(
            instance_id=self._directory.instance.id,
            at=self._database.clock(),
            event="authorization.refused",
            application=waiting.application.application_uri,
            address=client_address(request.scope),
            cause=f"{refusal.error}: the user pressed cancel",
        )
        await self._interactions.close(waiting.interaction, event)
        issuer = self._directory.instance.issuer
        form_page = partial(self._pages.form_post, request)
        return respond_refusal(waiting.request.return_address, refusal, issuer, form_page)

    async def _own_form(self, request: Request) -> dict[str, str] | Response:
        """The form that was sent, or the page to answer with when it is not one of ours."""
        try:
            form = await read_form(request.scope, request.receive)
        except Refusal as refusal:
            return self._pages.error(request, error=refusal.error, description=refusal.description)
        if not self._cookies.is_own_form(request, form.get("anti_forgery")):
            return await self._foreign_form(request)
        return form

    async def _foreign_form(self, request: Request) -> Response:
        refusal = InvalidRequest(cause="a form without the anti-forgery value of this browser")
        event = refusal_event(
            "form.refused",
            refusal,
            request.scope,
            instance_id=self._directory.instance.id,
            at=self._database.clock(),
            details={"request_id": refusal.id},
        )
        await record_refusal(self._database, event)
        return self._pages.foreign_form(request, request_id=refusal.id)


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
            proved = await self._passwords.authenticate(
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


class ConsentEndpoint(InteractionEndpoint):
    """Asks whether the application may have what it asks for [EXT-2]."""

    async def get(self, request: Request) -> Response:
        waiting = await self._waiting(request.query_params.get("interaction"))
        signed_in = await self._sessions.current(request)
        if waiting is None or signed_in is None:
            return expired_page(self._pages, request)
        asked = _asked_scopes(waiting, signed_in)
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._pages.consent(
            request,
            interaction=waiting.interaction.name,
            application=waiting.application,
            user_name=signed_in.user.display_name(),
            scopes=asked,
            anti_forgery=anti_forgery,
            form_target=waiting.form_target,
            languages=(signed_in.user.default_language, *waiting.request.ui_locales),
        )
        self._cookies.set_anti_forgery(response, anti_forgery)
        return response

    async def post(self, request: Request) -> Response:
        form = await self._own_form(request)
        if isinstance(form, Response):
            return form
        waiting = await self._waiting(form.get("interaction"))
        signed_in = await self._sessions.current(request)
        if waiting is None or signed_in is None:
            return expired_page(self._pages, request)
        if form.get("action") != "allow":
            return await self._cancel(request, waiting)
        instance_id = self._directory.instance.id
        user, application = signed_in.user, waiting.application
        allowed = frozenset(_asked_scopes(waiting, signed_in))

        def work(tx: Transaction) -> None:
            applications.remember_consent(tx, instance_id, user.id, application.id, allowed)
            session_rows.note_consent(tx, instance_id, waiting.interaction.row.id_hash, user.id)
            tx.record(
                AuditEvent(
                    instance_id=instance_id,
                    at=tx.now,
                    event="consent.given",
                    actor=user.login,
                    actor_id=user.id,
                    application=application.application_uri,
                    session=signed_in.session.sid,
                    address=client_address(request.scope),
                    details={"scope": sorted(allowed)},
                )
            )

        await self._database.write(work)
        return see_other(self._directory.instance.issuer, RESUME_PATH, waiting.interaction.name)


def _asked_scopes(waiting: Waiting, signed_in: SignedIn) -> tuple[str, ...]:
    """What the page shows, and so what an agreement means [SCP-13]."""
    if signed_in.user.user_type is UserType.COMMUNITY:
        return scopes.without_api_scopes(waiting.request.scopes)
    return waiting.request.scopes
