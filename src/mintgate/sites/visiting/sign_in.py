"""Signing in to a site as any client does: out to the issuer, and back with a code."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mintgate.contract.clock import Clock
from mintgate.contract.errors import AccessDenied, InvalidRequest, LoginRequired, Refusal
from mintgate.contract.first_party import SIGN_IN_PATH
from mintgate.contract.identifiers import new_token, token_digest
from mintgate.contract.translating import translatable
from mintgate.identity.directory import Directory
from mintgate.identity.forms import query_of
from mintgate.identity.pages import Pages
from mintgate.sites.visiting.cookies import SiteCookies
from mintgate.sites.visiting.redeeming import Redeemer
from mintgate.sites.visiting.site import Site
from mintgate.sites.visiting.started import SignInStates, Started
from mintgate.sites.visiting.visitor import Visitor, Visitors
from mintgate.store import Database, Transaction, site_sessions

STATE_PURPOSE = "sign-ins to sites"
SCOPE = "openid profile"
"""Of what the application may have [TOP-12], the least: no token of it is ever used."""

NOT_SIGNED_IN = translatable(
    "You did not sign in, or this account may not use this site. Open the site again to sign in."
)
NOT_BEGUN_HERE = translatable(
    "This browser has not begun the sign-in that ends here, or it took too long, or cookies are "
    "blocked. Allow cookies for this site and open it again."
)


class SignInParts(NamedTuple):
    """What signing in to a site needs."""

    directory: Directory
    database: Database
    visitors: Visitors
    cookies: SiteCookies
    redeemer: Redeemer
    pages: Pages
    clock: Clock


class SiteSignIn:
    """Sends people to the issuer, and starts their session when they come back."""

    def __init__(self, site: Site, parts: SignInParts) -> None:
        self._site = site
        self._parts = parts
        instance = parts.directory.instance
        self._instance = instance
        self._callback = instance.base_url + site.root + SIGN_IN_PATH
        key = parts.directory.derived_key(STATE_PURPOSE)
        self._states = SignInStates(key, site.name)

    def start(self, request: Request, address: str, *, again: Visitor | None = None) -> Response:
        """To the issuer, and later to `address`.

        Args:
            address: of this site, without the host; see `Site.address`.
            again: who must prove once more who it is, and nobody else.
        """
        cookies = self._parts.cookies
        cookie = cookies.start_of(request) or new_token()
        started = self._states.new(cookie, address, self._parts.clock())
        query = {
            "client_id": self._site.client_id,
            "redirect_uri": self._callback,
            "response_type": "code",
            "scope": SCOPE,
            "state": started.state,
            "nonce": started.nonce,
            "code_challenge": started.challenge,
            "code_challenge_method": "S256",
        }
        if again is not None:
            query |= _once_more(again)
        where = f"{self._instance.issuer}/connect/authorize?{urlencode(query, quote_via=quote)}"
        response = _see_other(where)
        cookies.set_start(response, cookie)
        return response

    async def callback(self, request: Request) -> Response:
        """`GET …/signin-oidc`: the answer of the issuer."""
        try:
            answer = query_of(request.scope)
        except Refusal as refusal:
            return self._page(request, refusal)
        cookie = self._parts.cookies.start_of(request)
        started = None
        # RFC 9207 §2.4: the answer is of this issuer and no other.
        if cookie and answer.get("iss") == self._instance.issuer:
            started = self._states.read(cookie, answer.get("state", ""), self._parts.clock())
        if started is None:
            return self._page(request, InvalidRequest(NOT_BEGUN_HERE))
        if "code" not in answer:
            return await self._refused(request, answer.get("error", ""), started)
        return await self._sign_in(request, answer["code"], started)

    async def _sign_in(self, request: Request, code: str, started: Started) -> Response:
        parts = self._parts
        claims = await parts.redeemer.redeem(
            request,
            code=code,
            redirect_uri=self._callback,
            verifier=started.verifier,
            nonce=started.nonce,
        )
        application = await parts.directory.application(self._site.client_id)
        before, value = parts.cookies.session_of(request), new_token()

        def work(tx: Transaction) -> bool:
            return (
                claims is not None
                and application is not None
                and site_sessions.start(
                    tx,
                    self._instance.id,
                    cookie_hash=token_digest(value),
                    application_id=application.id,
                    sid=claims.sid,
                    issued_at=claims.iat,
                    before=token_digest(before) if before else None,
                )
            )

        response = _see_other(self._instance.base_url + started.address)
        if claims is None or not await parts.database.write(work):
            # The code was used, as by the back button, or the sign-in has ended since.
            if await parts.visitors.current(request) is None:
                return self._page(request, InvalidRequest(NOT_BEGUN_HERE))
            return response
        parts.cookies.set_session(response, value)
        return response

    async def _refused(self, request: Request, error: str, started: Started) -> Response:
        """What the issuer's refusal means here; its own words are not repeated."""
        if error == LoginRequired.error:
            # Somebody else signed in than was asked: that person's page, from the beginning.
            return _see_other(self._instance.base_url + started.address)
        if error != AccessDenied.error:
            return self._page(request, InvalidRequest(NOT_BEGUN_HERE))
        if await self._parts.visitors.current(request) is not None:
            # A page wanted a new sign-in, and the person did not: the others are still open.
            return _see_other(self._instance.base_url + self._site.root)
        return self._page(request, AccessDenied(NOT_SIGNED_IN), 403)

    def _page(self, request: Request, refusal: Refusal, status: int = 400) -> Response:
        return self._parts.pages.error(
            request, error=refusal.error, description=refusal.description, status=status
        )


def _once_more(visitor: Visitor) -> dict[str, str]:
    """The same person must sign in anew [SES-50] (OpenID Connect Core §3.1.2.1, §5.5.1)."""
    login = visitor.user.login
    claims = {"id_token": {"sub": {"value": login}}}
    return {
        "prompt": "login",
        "login_hint": login,
        "claims": msgspec.json.encode(claims).decode(),
    }


def _see_other(where: str) -> Response:
    return RedirectResponse(where, status_code=303, headers={"Cache-Control": "no-store"})
