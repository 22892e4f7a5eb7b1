"""`/connect/endsession` (OpenID Connect RP-Initiated Logout) [END-1..9]."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.converting import convert
from mintgate.contract.errors import InvalidRequest, Refusal
from mintgate.identity.authorization import MAX_REQUEST_CHARACTERS
from mintgate.identity.cookies import Cookies
from mintgate.identity.directory import Directory
from mintgate.identity.forms import client_address, query_of, read_form
from mintgate.identity.id_token_hint import read_hint
from mintgate.identity.interactions import Interactions
from mintgate.identity.pages import Pages
from mintgate.identity.sessions import Sessions, SignedIn
from mintgate.identity.sign_in_parameters import languages_of

PATH = "/connect/endsession"
PARAMETERS = ("id_token_hint", "post_logout_redirect_uri", "state", "client_id", "ui_locales")
"""[END-1]"""


class _Logout(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-out request, once its parameters were judged.

    Args:
        hinted_sid: the session that a genuine ID token of ours names [END-3].
        return_uri: registered and complete with its state; None when there is none [END-6].
        site: the site of the instance whose visitor asks, signed in by `hinted_sid`.
        ui_locales: languages for whoever has chosen none, best first [END-1].
    """

    hinted_sid: str | None = None
    return_uri: str | None = None
    site: str | None = None
    ui_locales: str | None = None


class EndSessionEndpoint:
    """Signs out at once when the application proves the session, else asks the person."""

    def __init__(
        self,
        directory: Directory,
        sessions: Sessions,
        interactions: Interactions,
        cookies: Cookies,
        pages: Pages,
    ) -> None:
        self._directory = directory
        self._sessions = sessions
        self._interactions = interactions
        self._cookies = cookies
        self._pages = pages

    async def get(self, request: Request) -> Response:
        """Sign out, or ask."""
        try:
            parameters = query_of(request.scope)
            _require_short(parameters)
        except Refusal as refusal:
            return self._refused(request, refusal)
        stored = await self._interactions.find(parameters.get("interaction"))
        if stored is not None:
            logout = convert(stored.row.parameters, _Logout)
        else:
            logout = await self._judge(parameters)
        signed_in = await self._sessions.current(request)
        if signed_in is not None and logout.hinted_sid != signed_in.session.sid:
            return await self._ask(request, signed_in, logout)
        return await self._sign_out(request, signed_in, logout)  # [END-2]

    async def post(self, request: Request) -> Response:
        """Our own form that confirms, or a request of an application by POST."""
        try:
            form = await read_form(request.scope, request.receive)
            _require_short(form)
        except Refusal as refusal:
            return self._refused(request, refusal)
        if not self._cookies.is_own_form(request, form.get("anti_forgery")):
            # From another site the cookie is not sent with a POST; a GET brings it. What the
            # hint says is kept, never the hint: a token belongs in no URL and in no table.
            return await self._go_on_with(await self._judge(form))
        stored = await self._interactions.find(form.get("interaction"))
        logout = convert(stored.row.parameters, _Logout) if stored else _Logout()
        # [END-8] Without a hint of this session the way back is offered, not taken.
        signed_in = await self._sessions.current(request)
        frames: list[str] = []
        if signed_in is not None:
            frames = await self._sessions.end(signed_in, client_address(request.scope))
        response = self._pages.signed_out(
            request,
            return_uri=logout.return_uri,
            frames=frames,
            languages=_languages_of(signed_in, logout),
        )
        self._cookies.drop_session(response)
        return response

    async def leave(self, sid: str, site: str) -> Response:
        """The way out of a sign-in, for a site of the instance whose visitor asked for it."""
        return await self._go_on_with(_Logout(hinted_sid=sid, site=site))

    async def _judge(self, parameters: dict[str, str]) -> _Logout:
        ui_locales = " ".join(languages_of(parameters)) or None
        hint = None
        if "id_token_hint" in parameters:
            hint = await read_hint(parameters["id_token_hint"], self._directory)
        client_id = parameters.get("client_id")
        if hint is not None and client_id not in (None, hint.application.application_uri):
            # Two applications are named: neither is believed.
            return _Logout(ui_locales=ui_locales)
        application = hint.application if hint else None
        if application is None and client_id is not None:
            application = await self._directory.application(client_id)
        return_uri = _return_uri(parameters, application)
        return _Logout(
            hinted_sid=hint.sid if hint else None, return_uri=return_uri, ui_locales=ui_locales
        )

    async def _sign_out(
        self, request: Request, signed_in: SignedIn | None, logout: _Logout
    ) -> Response:
        address = client_address(request.scope)
        frames: list[str] = []
        if signed_in is not None:
            frames = await self._sessions.end(signed_in, address)
        elif logout.hinted_sid is not None:
            # When the browser's session is over already, what it gave to applications ends as
            # well. One that lives is in another browser: an ID token, which many have seen and
            # which may be old, must not end it from anywhere [END-2].
            frames = await self._sessions.end_sid(
                logout.hinted_sid, address, only_if_over=logout.site is None
            )
        goes_back = logout.return_uri is not None and logout.hinted_sid is not None
        if goes_back and logout.return_uri is not None and not frames:
            response: Response = RedirectResponse(logout.return_uri, status_code=303)
        else:
            response = self._pages.signed_out(
                request,
                return_uri=logout.return_uri,
                frames=frames,
                goes_back=goes_back,
                languages=_languages_of(signed_in, logout),
            )
        self._cookies.drop_session(response)
        return response

    async def _ask(self, request: Request, signed_in: SignedIn, logout: _Logout) -> Response:
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._pages.sign_out(
            request,
            interaction=await self._keep(logout),
            user_name=signed_in.user.display_name(),
            anti_forgery=anti_forgery,
            languages=_languages_of(signed_in, logout),
        )
        self._cookies.set_anti_forgery(response, anti_forgery)
        return response

    async def _go_on_with(self, logout: _Logout) -> Response:
        name = await self._keep(logout)
        issuer = self._directory.instance.issuer
        return RedirectResponse(f"{issuer}{PATH}?interaction={quote(name)}", status_code=303)

    async def _keep(self, logout: _Logout) -> str:
        fields = msgspec.structs.asdict(logout)
        return await self._interactions.open({k: v for k, v in fields.items() if v is not None})

    def _refused(self, request: Request, refusal: Refusal) -> Response:
        return self._pages.error(request, error=refusal.error, description=refusal.description)


def _require_short(parameters: dict[str, str]) -> None:
    """Raises InvalidRequest: of what is kept or sent back, nothing is cut off [END-6]."""
    if sum(len(parameters.get(name, "")) for name in PARAMETERS) > MAX_REQUEST_CHARACTERS:
        raise InvalidRequest("The request is too long.")


def _languages_of(signed_in: SignedIn | None, logout: _Logout) -> tuple[str | None, ...]:
    """As on the pages of a sign-in: what the person has chosen comes first [AUT-11]."""
    asked = logout.ui_locales.split() if logout.ui_locales else []
    return (signed_in.user.default_language if signed_in is not None else None, *asked)


def _return_uri(parameters: dict[str, str], application: TrustedApplication | None) -> str | None:
    uri = parameters.get("post_logout_redirect_uri")
    if uri is None or application is None or not application.allows_logout_redirect_to(uri):
        return None
    state = parameters.get("state")
    if state is None:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}state={quote(state, safe='')}"
