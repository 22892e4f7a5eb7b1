"""What the pages between an authorization request and its code share."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.errors import AccessDenied, InvalidRequest, Refusal
from mintgate.contract.redirects import policy_source_of
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.identity.authorization import (
    AuthorizationRequest,
    PageRefusal,
    ReturnedRefusal,
    validate,
)
from mintgate.identity.cookies import Cookies
from mintgate.identity.directory import Directory
from mintgate.identity.endpoints.sign_in_steps import SignInSteps
from mintgate.identity.forms import client_address, read_form
from mintgate.identity.interactions import Interactions, OpenInteraction
from mintgate.identity.pages import Pages
from mintgate.identity.response_modes import respond_refusal
from mintgate.identity.sessions import Sessions
from mintgate.identity.signin.second_factor import SecondFactors
from mintgate.store import AuditEvent, Database


class Waiting(msgspec.Struct, frozen=True):
    """An open interaction whose request is still valid."""

    interaction: OpenInteraction
    request: AuthorizationRequest

    @property
    def application(self) -> TrustedApplication:
        return self.request.application

    @property
    def form_target(self) -> str:
        return policy_source_of(self.request.return_address.redirect_uri)


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
