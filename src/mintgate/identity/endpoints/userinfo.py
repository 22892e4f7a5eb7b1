"""`/connect/userinfo` (OpenID Connect Core §5.3) [UIN-1..7]."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mintgate.contract.clock import Clock
from mintgate.contract.errors import InvalidToken, Refusal, TemporarilyUnavailable
from mintgate.contract.scopes import OPENID, PROFILE
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.auditing import record_refusal
from mintgate.identity.directory import Directory
from mintgate.identity.forms import client_address
from mintgate.identity.rendering import NO_STORE, RawJson, method_not_allowed
from mintgate.jose import ALGORITHMS
from mintgate.store import AuditEvent, Database
from mintgate.verify import Guard, StateUnavailable, Verifier
from mintgate.verify.refusals import refusal_response

REALM = "UserInfo"


class UserinfoEndpoint:
    """Claims of the signed-in person, as the record says now."""

    def __init__(self, directory: Directory, database: Database, clock: Clock) -> None:
        issuer = directory.instance.issuer
        verifier = Verifier(
            issuer,
            directory.instance.database,
            directory,
            keys=directory,
            algorithms=ALGORITHMS,  # each living key vouches for its own [EXT-6]
            user_types=MAY_SIGN_IN,
            clock=clock,
        )
        self._directory = directory
        self._database = database
        self._clock = clock
        self._guard = Guard(verifier, f"{issuer}/resources")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in {"GET", "POST"}:
            response = await self._answer(scope)
        else:
            response = method_not_allowed("GET, POST")
        await response(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response:
        try:
            principal = await self._guard.check_async(scope["headers"], {OPENID})
            user = await self._directory.user(principal.user_id or "")
            if user is None:
                raise InvalidToken(cause="the token has no user")
        except StateUnavailable as error:
            return _refused(TemporarilyUnavailable(cause=str(error)))
        except Refusal as refusal:
            await record_refusal(
                self._database,
                AuditEvent(
                    instance_id=self._directory.instance.id,
                    at=self._clock(),
                    event="userinfo.refused",
                    address=client_address(scope),
                    cause=f"{refusal.error}: {refusal.cause}",
                ),
            )
            return _refused(refusal)
        claims = userinfo_claims(user, with_profile=PROFILE in principal.scopes)
        # [UIN-6] as in the ID token of the same sign-in, also after a rename
        claims["sub"] = principal.login
        return RawJson(claims, headers=NO_STORE)


def _refused(refusal: Refusal) -> Response:
    status, headers, body = refusal_response(refusal, REALM)
    response = Response(body, status_code=status)
    response.raw_headers = [*headers, (b"pragma", b"no-cache")]  # [EP-6]
    return response


def userinfo_claims(user: User, *, with_profile: bool) -> dict[str, Any]:
    """What userinfo tells of a user [UIN-5]; a claim without a value is left out."""
    claims: dict[str, Any] = {"sub": user.login}
    if with_profile:
        claims["sub_id"] = user.id
        claims["name"] = user.display_name()
        claims["preferred_username"] = user.login
        if user.email:
            claims["email"] = user.email
            claims["email_verified"] = user.email_confirmed
        claims["locale"] = user.locale
        claims["user_type"] = user.user_type.value
    return claims
