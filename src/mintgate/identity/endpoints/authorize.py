"""`/connect/authorize` (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2): from request to code."""

from __future__ import annotations

import logging
from functools import partial
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mintgate.contract.clock import Clock
from mintgate.contract.errors import (
    ConsentRequired,
    LoginRequired,
    Refusal,
    ServerError,
    TemporarilyUnavailable,
)
from mintgate.identity.admission import Admission
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.identity.authorization import (
    KNOWN_PARAMETERS,
    AuthorizationRequest,
    PageRefusal,
    ReturnAddress,
    ReturnedRefusal,
    validate,
)
from mintgate.identity.code_issuer import CodeIssuer
from mintgate.identity.directory import Directory
from mintgate.identity.expected_user import without_hint
from mintgate.identity.forms import client_address, query_of, read_form
from mintgate.identity.interactions import Interactions, OpenInteraction
from mintgate.identity.pages import Pages
from mintgate.identity.response_modes import FormPage, respond, respond_refusal
from mintgate.identity.sessions import Sessions
from mintgate.store import Database, DatabaseUnavailable

_log = logging.getLogger(__name__)
RESUME_PATH = "/connect/authorize/resume"
SIGN_IN_PATH = "/signin"
CHOOSER_PATH = "/accounts"
CONSENT_PATH = "/consent"


class AuthorizeEndpoint:
    """Answers with a code, a page, or the way to one."""

    def __init__(
        self,
        directory: Directory,
        database: Database,
        sessions: Sessions,
        interactions: Interactions,
        pages: Pages,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._admission = Admission(directory.instance.id, database, clock)
        self._codes = CodeIssuer(directory, database, clock)
        self._database = database
        self._sessions = sessions
        self._interactions = interactions
        self._pages = pages
        self._clock = clock

    async def respond(self, request: Request) -> Response:
        """A new request from an application."""
        try:
            if request.method == "POST":
                parameters = await read_form(request.scope, request.receive)
            else:
                parameters = query_of(request.scope)
        except Refusal as refusal:
            return await self._refuse(request, PageRefusal(refusal), {})
        known = {name: v for name, v in parameters.items() if name in KNOWN_PARAMETERS}
        return await self._answer(request, known, None)

    async def resume(self, request: Request) -> Response:
        """The same request again, after a page has done its part."""
        interaction = await self._interactions.find(request.query_params.get("interaction"))
        if interaction is None:
            return expired_page(self._pages, request)
        return await self._answer(request, interaction.row.parameters, interaction)

    async def _answer(
        self, request: Request, parameters: dict[str, str], interaction: OpenInteraction | None
    ) -> Response:
        try:
            valid, kept = await self._judge(parameters)
            try:
                if request.method == "POST":
                    # [AUT-50] The cookie is not here on a cross-site POST; a GET will bring it.
                    name = await self._interactions.open(kept)
                    return see_other(self._directory.instance.issuer, RESUME_PATH, name)
                return await self._proceed(request, valid, kept, interaction)
            except Exception as error:
                raise _returned(error, valid.return_address) from error
        except (PageRefusal, ReturnedRefusal) as refused:
            return await self._refuse(request, refused, parameters)

    async def _judge(
        self, parameters: dict[str, str]
    ) -> tuple[AuthorizationRequest, dict[str, str]]:
        """The request, and its parameters as they are kept: without an `id_token_hint`.

        Raises:
            PageRefusal, ReturnedRefusal: see `validate`.
        """
        client_id = parameters.get("client_id")
        application = await self._directory.application(client_id) if client_id else None
        instance = self._directory.instance
        try:
            kept = await without_hint(parameters, self._directory)
        except Exception as error:
            others = {name: v for name, v in parameters.items() if name != "id_token_hint"}
            address = validate(others, application, instance).return_address
            raise _returned(error, address) from error
        return validate(kept, application, instance), kept

    async def _proceed(
        self,
        request: Request,
        valid: AuthorizationRequest,
        parameters: dict[str, str],
        interaction: OpenInteraction | None,
    ) -> Response:
        signed_in = await self._sessions.current(request)
        if signed_in is None or self._admission.must_sign_in(valid, signed_in, interaction):
            return await self._show(SIGN_IN_PATH, LoginRequired(), valid, parameters, interaction)
        if self._admission.must_choose(valid, signed_in, interaction):
            return await self._show(CHOOSER_PATH, LoginRequired(), valid, parameters, interaction)
        granted = await self._admission.require_admitted(valid, signed_in)
        if await self._admission.must_consent(valid, signed_in, granted, interaction):
            return await self._show(CONSENT_PATH, ConsentRequired(), valid, parameters, interaction)
        answer = await self._codes.issue(
            valid, signed_in, granted, interaction, client_address(request.scope)
        )
        if answer is None:
            return expired_page(self._pages, request)
        issuer = self._directory.instance.issuer
        return respond(valid.return_address, answer, issuer, self._form_page(request))

    async def _show(
        self,
        path: str,
        otherwise: Refusal,
        valid: AuthorizationRequest,
        parameters: dict[str, str],
        interaction: OpenInteraction | None,
    ) -> Response:
        """The way to a page; with `prompt=none` there is none [AUT-32]."""
        if "none" in valid.prompts:
            raise otherwise
        name = interaction.name if interaction else await self._interactions.open(parameters)
        return see_other(self._directory.instance.issuer, path, name)

    async def _refuse(
        self,
        request: Request,
        refused: PageRefusal | ReturnedRefusal,
        parameters: dict[str, str],
    ) -> Response:
        refusal = refused.refusal
        is_page = isinstance(refused, PageRefusal)
        await record_refusal(
            self._database,
            refusal_event(
                "authorization.refused",
                refusal,
                request.scope,
                instance_id=self._directory.instance.id,
                at=self._clock(),
                application=parameters.get("client_id", "")[:254] or None,
                details={"request_id": refusal.id} if is_page else None,  # the page shows it
            ),
        )
        if isinstance(refused, ReturnedRefusal):
            issuer = self._directory.instance.issuer
            form_page = self._form_page(request)
            return respond_refusal(refused.return_address, refusal, issuer, form_page)
        return self._pages.error(
            request,
            error=refusal.error,
            description=refusal.description,
            status=refused.status,
            request_id=refusal.id,
        )

    def _form_page(self, request: Request) -> FormPage:
        return partial(self._pages.form_post, request)


def _returned(error: Exception, address: ReturnAddress) -> ReturnedRefusal:
    """What an application is told of a failure, once its address is trusted [AUT-37]."""
    if isinstance(error, Refusal):
        return ReturnedRefusal(error, address)
    if isinstance(error, DatabaseUnavailable):
        return ReturnedRefusal(TemporarilyUnavailable(cause=str(error)), address)
    _log.error("an authorization request failed", exc_info=error)
    return ReturnedRefusal(ServerError(cause=type(error).__name__), address)


def see_other(issuer: str, path: str, interaction: str) -> Response:
    """303 to a page of the issuer that goes on with an interaction."""
    return RedirectResponse(
        f"{issuer}{path}?interaction={quote(interaction)}",
        status_code=303,
        headers={"Cache-Control": "no-store"},
    )


def expired_page(pages: Pages, request: Request) -> Response:
    """For a page that was left open too long, or whose work is done already."""
    return pages.expired(request)
