"""`/connect/userinfo` (OpenID Connect Core §5.3) [UIN-1..7]."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mintgate.contract.claims import PROFILE_CLAIMS, profile_claims
from mintgate.contract.clock import Clock
from mintgate.contract.errors import InvalidToken, Refusal, TemporarilyUnavailable
from mintgate.contract.scopes import OPENID, PROFILE
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.identity.directory import Directory
from mintgate.identity.rendering import NO_STORE, RawJson, method_not_allowed
from mintgate.store import Database, DatabaseUnavailable, userinfo_requests
from mintgate.verify import Guard, Principal, StateUnavailable, Verifier
from mintgate.verify.refusals import refusal_response

REALM = "UserInfo"


class UserinfoEndpoint:
    """Claims of the signed-in person, as the record says now.

    Args:
        verifier: takes the tokens of everybody who may sign in. It knows reference tokens, which
            lack `openid` and are refused for that [UIN-3].
    """

    def __init__(
        self, directory: Directory, database: Database, verifier: Verifier, clock: Clock
    ) -> None:
        issuer = directory.instance.issuer
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
            names = await self._names(principal)
        except DatabaseUnavailable as error:
            return _refused(TemporarilyUnavailable(cause=str(error)))
        except StateUnavailable as error:
            return _refused(TemporarilyUnavailable(cause=str(error)))
        except Refusal as refusal:
            await record_refusal(
                self._database,
                refusal_event(
                    "userinfo.refused",
                    refusal,
                    scope,
                    instance_id=self._directory.instance.id,
                    at=self._clock(),
                ),
            )
            return _refused(refusal)
        # [UIN-6] as in the ID token of the same sign-in, also after a rename
        claims = {"sub": principal.login} | profile_claims(user, names)
        return RawJson(claims, headers=NO_STORE)

    async def _names(self, principal: Principal) -> tuple[str, ...]:
        """Which claims the token's scopes and the request that led to it give [UIN-5, EXT-15]."""
        if PROFILE in principal.scopes:
            return PROFILE_CLAIMS
        instance_id = self._directory.instance.id
        return await self._database.read(
            lambda connection: userinfo_requests.claims_of(connection, instance_id, principal.jti)
        )


def _refused(refusal: Refusal) -> Response:
    status, headers, body = refusal_response(refusal, REALM)
    response = Response(body, status_code=status)
    response.raw_headers = [*headers, (b"pragma", b"no-cache")]  # [EP-6]
    return response
