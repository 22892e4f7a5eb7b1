"""`/connect/authorize` (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2): from request to code."""

from __future__ import annotations

import logging
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mintgate.contract import lifetimes
from mintgate.contract.applications import TrustedApplication
from mintgate.contract.clock import Clock
from mintgate.contract.errors import (
    ConsentRequired,
    InvalidRequest,
    LoginRequired,
    Refusal,
    ServerError,
    TemporarilyUnavailable,
)
from mintgate.contract.identifiers import new_token, token_digest
from mintgate.identity.admission import Admission
from mintgate.identity.auditing import record_refusal
from mintgate.identity.authorization import (
    KNOWN_PARAMETERS,
    AuthorizationRequest,
    PageRefusal,
    ReturnedRefusal,
    validate,
)
from mintgate.identity.directory import Directory
from mintgate.identity.forms import client_address, query_of, read_form
from mintgate.identity.interactions import Interactions, OpenInteraction
from mintgate.identity.mint import half_hash
from mintgate.identity.pages import Pages
from mintgate.identity.response_modes import respond, respond_refusal
from mintgate.identity.sessions import Sessions, SignedIn
from mintgate.store import (
    AuditEvent,
    Database,
    DatabaseUnavailable,
    Transaction,
    codes,
    sessions,
)
from mintgate.store.codes import StoredCode

_log = logging.getLogger(__name__)
RESUME_PATH = "/connect/authorize/resume"
SIGN_IN_PATH = "/signin"
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
        issuer = self._directory.instance.issuer
        try:
            client_id = parameters.get("client_id")
            application = await self._directory.application(client_id) if client_id else None
            valid = validate(parameters, application, self._directory.instance)
            if request.method == "POST":
                # [AUT-50] The cookie is not here on a cross-site POST; a GET will bring it.
                name = await self._interactions.open(parameters)
                return see_other(issuer, RESUME_PATH, name)
            try:
                return await self._proceed(request, valid, parameters, interaction)
            except Refusal as refusal:
                raise ReturnedRefusal(refusal, valid.return_address) from refusal
            except DatabaseUnavailable as error:
                away = TemporarilyUnavailable(cause=str(error))
                raise ReturnedRefusal(away, valid.return_address) from error
            except Exception as error:
                _log.exception("an authorization request failed")  # [AUT-37]
                failure = ServerError(cause=type(error).__name__)
                raise ReturnedRefusal(failure, valid.return_address) from error
        except (PageRefusal, ReturnedRefusal) as refused:
            return await self._refuse(request, refused, parameters)

    async def _proceed(
        self,
        request: Request,
        valid: AuthorizationRequest,
        parameters: dict[str, str],
        interaction: OpenInteraction | None,
    ) -> Response:
        issuer = self._directory.instance.issuer
        signed_in = await self._sessions.current(request)
        if signed_in is None or self._admission.must_sign_in(valid, signed_in, interaction):
            if "none" in valid.prompts:
                raise LoginRequired  # [AUT-32]
            name = interaction.name if interaction else await self._interactions.open(parameters)
            return see_other(issuer, SIGN_IN_PATH, name)
        granted = await self._admission.require_admitted(valid, signed_in)
        if await self._admission.must_consent(valid, signed_in, granted, interaction):
            if "none" in valid.prompts:
                raise ConsentRequired
            name = interaction.name if interaction else await self._interactions.open(parameters)
            return see_other(issuer, CONSENT_PATH, name)
        code = await self._issue(request, valid, signed_in, granted, interaction)
        if code is None:
            return expired_page(self._pages, request)
        return respond(valid.return_address, {"code": code}, issuer)

    async def _issue(
        self,
        request: Request,
        valid: AuthorizationRequest,
        signed_in: SignedIn,
        granted: tuple[str, ...],
        interaction: OpenInteraction | None,
    ) -> str | None:
        """A new code; None when this interaction has given one, or the session has ended."""
        code, now = new_token(), self._clock()  # [AUT-44]
        session, address = signed_in.session, valid.return_address
        stored = StoredCode(
            code_hash=token_digest(code),
            application_id=valid.application.id,
            user_id=signed_in.user.id,
            user_type=signed_in.user.user_type.value,
            sid=session.sid,
            redirect_uri=address.redirect_uri,
            scopes=granted,
            code_challenge=valid.code_challenge,
            nonce=valid.nonce,
            state_hash=half_hash(address.state) if address.state is not None else None,
            auth_time=session.auth_time,
            amr=session.amr,
            idp=session.idp,
            tid=session.tid,
            created_at=now,
            expires_at=now + lifetimes.AUTHORIZATION_CODE,
        )
        instance_id = self._directory.instance.id

        def work(tx: Transaction) -> bool:
            if interaction is not None and not sessions.close_interaction(
                tx, instance_id, interaction.row.id_hash
            ):
                return False
            if not sessions.hold(tx, instance_id, stored.sid):
                return False  # signed out meanwhile
            codes.add(tx, instance_id, stored)
            tx.record(self._event(request, "code.issued", valid.application, signed_in, granted))
            return True

        return code if await self._database.write(work) else None

    async def _refuse(
        self,
        request: Request,
        refused: PageRefusal | ReturnedRefusal,
        parameters: dict[str, str],
    ) -> Response:
        refusal = refused.refusal
        await record_refusal(
            self._database,
            AuditEvent(
                instance_id=self._directory.instance.id,
                at=self._clock(),
                event="authorization.refused",
                application=parameters.get("client_id", "")[:254] or None,
                address=client_address(request.scope),
                cause=f"{refusal.error}: {refusal.cause}",
            ),
        )
        if isinstance(refused, ReturnedRefusal):
            issuer = self._directory.instance.issuer
            return respond_refusal(refused.return_address, refusal, issuer)
        return self._pages.error(
            request, error=refusal.error, description=refusal.description, status=refused.status
        )

    def _event(
        self,
        request: Request,
        event: str,
        application: TrustedApplication,
        signed_in: SignedIn,
        granted: tuple[str, ...],
    ) -> AuditEvent:
        return AuditEvent(
            instance_id=self._directory.instance.id,
            at=self._clock(),
            event=event,
            actor=signed_in.user.login,
            application=application.application_uri,
            session=signed_in.session.sid,
            address=client_address(request.scope),
            details={"scope": granted},
        )


def see_other(issuer: str, path: str, interaction: str) -> Response:
    """303 to a page of the issuer that goes on with an interaction."""
    return RedirectResponse(
        f"{issuer}{path}?interaction={quote(interaction)}",
        status_code=303,
        headers={"Cache-Control": "no-store"},
    )


def expired_page(pages: Pages, request: Request) -> Response:
    """For a page that was left open too long, or whose work is done already."""
    return pages.error(
        request,
        error=InvalidRequest.error,
        description=(
            "This page has expired, or its sign-in is finished already. "
            "Go back to the application and start again."
        ),
    )
