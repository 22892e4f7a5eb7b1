"""`/connect/endsession` (OpenID Connect RP-Initiated Logout) [END-1..9]."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.errors import Refusal
from mintgate.identity.cookies import Cookies
from mintgate.identity.directory import Directory
from mintgate.identity.forms import client_address, query_of, read_form
from mintgate.identity.id_token_hint import Hint, read_hint
from mintgate.identity.interactions import Interactions
from mintgate.identity.pages import Pages
from mintgate.identity.response_modes import form_target_of
from mintgate.identity.sessions import Sessions, SignedIn

PATH = "/connect/endsession"


class _Logout(msgspec.Struct, frozen=True):
    """A sign-out request: `return_uri` is registered and complete, or None [END-6, END-7]."""

    hint: Hint | None
    return_uri: str | None


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

    async def show(self, request: Request) -> Response:
        """`GET`: sign out, or ask."""
        try:
            parameters = query_of(request.scope)
        except Refusal as refusal:
            return self._refused(request, refusal)
        stored = await self._interactions.find(parameters.get("interaction"))
        if stored is not None:
            parameters = stored.row.parameters
        logout = await self._logout(parameters)
        signed_in = await self._sessions.current(request)
        if signed_in is None:
            return self._signed_out(request, logout)
        if logout.hint is not None and logout.hint.sid == signed_in.session.sid:
            return await self._sign_out(request, signed_in, logout)  # [END-2]
        return self._ask(request, signed_in, parameters, logout)

    async def submit(self, request: Request) -> Response:
        """`POST`: our own form that confirms, or a request of an application by POST."""
        try:
            form = await read_form(request.scope, request.receive)
        except Refusal as refusal:
            return self._refused(request, refusal)
        if self._cookies.is_own_form(request, form.pop("anti_forgery", None)):
            signed_in = await self._sessions.current(request)
            logout = await self._logout(form)
            if signed_in is None:
                return self._signed_out(request, logout)
            return await self._sign_out(request, signed_in, logout)
        # From another site the cookie is not sent with a POST; a GET brings it. The hint is kept
        # in the store, for a token does not belong in a URL.
        name = await self._interactions.open(form)
        issuer = self._directory.instance.issuer
        return RedirectResponse(f"{issuer}{PATH}?interaction={quote(name)}", status_code=303)

    async def _logout(self, parameters: dict[str, str]) -> _Logout:
        hint = None
        if "id_token_hint" in parameters:
            hint = await read_hint(parameters["id_token_hint"], self._directory)
        client_id = parameters.get("client_id")
        if hint is not None and client_id not in (None, hint.application.application_uri):
            return _Logout(None, None)  # two applications are named: neither is believed
        application = hint.application if hint else None
        if application is None and client_id is not None:
            application = await self._directory.application(client_id)
        return _Logout(hint, _return_uri(parameters, application))

    async def _sign_out(self, request: Request, signed_in: SignedIn, logout: _Logout) -> Response:
        await self._sessions.end(signed_in, client_address(request.scope))
        response = self._signed_out(request, logout)
        self._cookies.drop_session(response)
        return response

    def _signed_out(self, request: Request, logout: _Logout) -> Response:
        if logout.return_uri is not None and logout.hint is not None:
            return RedirectResponse(logout.return_uri, status_code=303)
        # [END-8] without a hint the way back is offered, not taken
        return self._pages.signed_out(request, return_uri=logout.return_uri)

    def _ask(
        self,
        request: Request,
        signed_in: SignedIn,
        parameters: dict[str, str],
        logout: _Logout,
    ) -> Response:
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._pages.sign_out(
            request,
            parameters=parameters,
            user_name=signed_in.user.display_name(),
            anti_forgery=anti_forgery,
            form_target=form_target_of(logout.return_uri) if logout.return_uri else None,
        )
        self._cookies.set_anti_forgery(response, anti_forgery)
        return response

    def _refused(self, request: Request, refusal: Refusal) -> Response:
        return self._pages.error(request, error=refusal.error, description=refusal.description)


def _return_uri(parameters: dict[str, str], application: TrustedApplication | None) -> str | None:
    uri = parameters.get("post_logout_redirect_uri")
    if uri is None or application is None or not application.allows_logout_redirect_to(uri):
        return None
    state = parameters.get("state")
    if state is None:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}state={quote(state, safe='')}"
