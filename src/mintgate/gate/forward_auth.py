"""Forward auth: a server in front of an API asks, for every request, whether it may pass.

`/gate/<dialect>/<instance>/<API>`; the operator writes that address in the server's configuration.
`-token` behind the dialect asks for an internal token instead of identity headers. All of it stands
in the address as nobody but the operator writes that: `Host` is the client's with some servers.
"""

from __future__ import annotations

import logging
from typing import Any

from mintgate.contract.clock import Clock
from mintgate.contract.errors import (
    BatchNotTaken,
    Refusal,
    ServerError,
    TemporarilyUnavailable,
    UnknownGate,
)
from mintgate.gate.forward_calls import REFUSED, ForwardCalls
from mintgate.gate.forward_dialects import (
    SECRET,
    Answer,
    Dialect,
    HandedOver,
    Headers,
    handed_back,
    original,
    taken_apart,
)
from mintgate.gate.forward_guards import (
    ForwardGuards,
    LegacyOf,
    LimitsOf,
    unlimited,
    without_legacy,
)
from mintgate.gate.forward_targets import Target, target_of
from mintgate.gate.identity import NOBODY, TOKEN_HEADER, InternalTokens
from mintgate.gate.permissions import Permissions
from mintgate.gate.readable_answers import headers_for, sent_origin
from mintgate.gate.refusal_log import RefusalLog
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.identity.directory import Directory
from mintgate.jose import SigningKey
from mintgate.store import Database, DatabaseUnavailable
from mintgate.verify import ApiRequest, Guard, Principal, Verifier
from mintgate.verify.asgi import Receive, Scope, Send, request_of
from mintgate.verify.keys import KeysUnavailable
from mintgate.verify.noting import remember_refusal
from mintgate.verify.refusals import refusal_response
from mintgate.verify.sessions import SessionSource
from mintgate.verify.state import StateUnavailable

_log = logging.getLogger(__name__)
NOTHING_KNOWN = ApiRequest("", b"", b"", [])
"""Of a call that does not say what it asks about."""


class ForwardAuth:
    """Answers the servers in front of the APIs of one instance.

    Args:
        sessions: see `Guard`.
        limits_of: the rate limits of an API; None for none.
        legacy_of: the legacy schemes of an API by its name; None for none.
        clock: Unix seconds.
    """

    def __init__(
        self,
        directory: Directory,
        database: Database,
        verifier: Verifier,
        clock: Clock,
        *,
        sessions: SessionSource | None,
        limits_of: LimitsOf = unlimited,
        legacy_of: LegacyOf = without_legacy,
    ) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock
        self.guards = ForwardGuards(
            directory, verifier, sessions=sessions, limits_of=limits_of, legacy_of=legacy_of
        )
        self._permissions = Permissions()
        self.prepare = ForwardCalls(self.guards, self._permissions).prepare
        """For calls that are answered before the application is asked; see `gate.shortcut`."""
        self._key: SigningKey | None = None
        self._tokens = InternalTokens(self._signing_key, directory.instance.issuer, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = target_of(scope["raw_path"])
        if target is None or target.instance != self._directory.instance.name:
            unknown = UnknownGate(cause=f"no address of forward auth: {scope['path'][:254]}")
            answer = await self._misused(scope, unknown, "gate")
        else:
            try:
                answer = await self._answer(target, scope)
            except Exception:  # noqa: BLE001 - logged, and nothing passes by it
                failed = ServerError()
                _log.exception("request %s failed: %s", failed.id, scope["path"])
                answer = handed_back(target.dialect, refusal_response(failed, target.api))
        if scope["type"] == "http":
            status, headers, body = answer
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await _answer_handshake(scope, send, answer)

    async def _answer(self, target: Target, scope: Scope) -> Answer:
        dialect = target.dialect
        call = taken_apart(dialect, scope["headers"])
        guard: Guard | None = None
        request = NOTHING_KNOWN
        try:
            guard = await self._guard(target.api, call)
            asked = request_of(scope)
            request = original(dialect, call, asked.method, target.rest, asked.query)
            if (found := scope.pop(REFUSED, None)) is not None:
                raise found
            admission = await guard.admit_async(request)
            if admission.operation.is_batch:
                raise BatchNotTaken  # its parts are in the body, which no server hands over
            if target.as_token:
                headers = await self._token(admission.principal, target)
            else:
                headers = self._identity(admission.principal, dialect)
        except UnknownGate as refusal:
            return await self._misused(scope, refusal, target.api)
        except Refusal as refusal:
            remember_refusal(scope, refusal)
            return await self._refused(target, guard, request, refusal)
        except (DatabaseUnavailable, KeysUnavailable, StateUnavailable) as error:
            away = TemporarilyUnavailable(cause=str(error))
            remember_refusal(scope, away)
            return await self._refused(target, guard, request, away)
        if admission.headers:
            headers = [*headers, *admission.headers]
        return dialect.allowed, headers, b""

    async def _guard(self, api: str, call: HandedOver) -> Guard:
        """The guard of an API whose secret was sent. Raises: as `ForwardGuards.of`."""
        if SECRET in call.repeated:
            raise UnknownGate(cause="the secret came twice")
        secret = call.told.get(SECRET, b"")
        return self.guards.known(api, secret) or await self.guards.of(api, secret)

    async def _token(self, principal: Principal | None, target: Target) -> Headers:
        """Who calls, as an internal token; an empty one for nobody [API-25]."""
        token = b""
        if principal is not None:
            self._key = await self._directory.signing_key()
            token = self._tokens.token_for(principal, target.api).encode()
        return [*target.dialect.allowed_headers, (TOKEN_HEADER, token)]

    def _identity(self, principal: Principal | None, dialect: Dialect) -> Headers:
        """Who calls, as headers; empty ones for nobody [API-25].

        A header that is not there would leave a client's own, or a placeholder, in its place.
        """
        if principal is None:
            return [*dialect.allowed_headers, *NOBODY]
        return self._permissions.of(principal, dialect).headers

    def _signing_key(self) -> SigningKey:
        if self._key is None:
            raise TemporarilyUnavailable(cause="no signing key was read")
        return self._key

    async def _refused(
        self, target: Target, guard: Guard | None, request: ApiRequest, refusal: Refusal
    ) -> Answer:
        if guard is not None:
            instance = self._directory.instance
            log = RefusalLog(instance, guard.audience, self._database, self._clock)
            await log(_scope_of(request), refusal)
        status, headers, body = refusal_response(refusal, target.api)
        return handed_back(target.dialect, (status, headers + await self._for_page(request), body))

    async def _for_page(self, request: ApiRequest) -> Headers:
        """What lets a page of an application in a browser read the refusal [EP-8, API-23]."""
        origin = sent_origin(request.headers)
        if origin is None:
            return []
        try:
            origins = await self._directory.browser_origins()
        except DatabaseUnavailable:
            origins = frozenset()
        return headers_for(origin, is_allowed=origin in origins)

    async def _misused(self, scope: Scope, refusal: UnknownGate, api: str) -> Answer:
        """Written down for the operator; every server in front takes the status for a failure."""
        event = refusal_event(
            "gate.refused",
            refusal,
            scope,
            instance_id=self._directory.instance.id,
            at=self._clock(),
            details={"path": scope["path"][:254], "request_id": refusal.id},
        )
        await record_refusal(self._database, event)
        return refusal_response(refusal, api)


def _scope_of(request: ApiRequest) -> dict[str, Any]:
    """The request as the audit log knows requests."""
    return {
        "type": "http",
        "method": request.method,
        "path": request.raw_path.decode("latin-1"),
        "raw_path": request.raw_path,
        "query_string": request.query,
        "headers": request.headers,
        "client": (request.address, 0) if request.address else None,
    }


async def _answer_handshake(scope: Scope, send: Send, answer: Answer) -> None:
    """A server in front may ask with the client's own handshake: it is answered, and not taken."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    status, headers, body = answer
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
