"""`POST /connect/revocation` (RFC 7009) [REV-1..7, EXT-13]."""

from __future__ import annotations

from functools import partial

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.clock import Clock
from mintgate.contract.errors import InvalidClient, InvalidRequest, Refusal
from mintgate.contract.identifiers import token_digest
from mintgate.contract.lifetimes import CLOCK_ERROR
from mintgate.contract.reference_tokens import FORMAT
from mintgate.identity.api_authentication import authenticate_api
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.identity.client_authentication import (
    PresentedClient,
    authenticate,
    presented_client,
)
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.directory import Directory
from mintgate.identity.forms import client_address, header, read_form
from mintgate.identity.references import is_for
from mintgate.identity.rendering import NO_STORE, oauth_error
from mintgate.jose import MalformedToken, parse_compact
from mintgate.jose.encoding import DuplicateMember, require_unique
from mintgate.store import (
    AuditEvent,
    Database,
    Transaction,
    applications,
    reference_tokens,
    refresh,
    revocations,
)
from mintgate.store.reference_tokens import ReferenceToken


class _Caller(msgspec.Struct, frozen=True):
    """Who asks: an application (by id), or an API."""

    name: str
    application_id: str | None


class RevocationEndpoint:
    """Ends a token of the application that asks; every other answer is the same 200 [REV-2]."""

    def __init__(
        self, directory: Directory, database: Database, clock: Clock, tries: ClientTries
    ) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock
        self._tries = tries

    async def post(self, request: Request) -> Response:
        try:
            form = await read_form(request.scope, request.receive)
            presented = presented_client(form, header(request.scope, b"authorization"))
            token = form.get("token")
            if token is None:
                raise InvalidRequest("The parameter token is missing.")
            caller = await self._tries.prove(
                presented,
                client_address(request.scope),
                partial(self._caller, presented, token),
            )
        except Refusal as refusal:
            await record_refusal(self._database, self._event(request, refusal))
            return oauth_error(refusal)
        await self._revoke(token, caller, client_address(request.scope))
        return Response(status_code=200, headers=NO_STORE)

    async def _caller(self, presented: PresentedClient, token: str) -> _Caller:
        try:
            application = await authenticate(presented, "revocation", self._directory)
        except InvalidClient:
            if not FORMAT.fullmatch(token):
                raise
            # [EXT-13] A reference token may be ended by an API that found it where it should
            # not be, such as in a log.
            instance_id = self._directory.instance.id
            return _Caller(await authenticate_api(presented, instance_id, self._database), None)
        return _Caller(application.application_uri, application.id)

    async def _revoke(self, token: str, caller: _Caller, address: str | None) -> None:
        if FORMAT.fullmatch(token):
            await self._revoke_reference(token, caller, address)
        elif "." in token:
            await self._revoke_access(token, caller, address)
        else:
            await self._revoke_family(token, caller, address)

    async def _revoke_reference(self, value: str, caller: _Caller, address: str | None) -> None:
        instance_id = self._directory.instance.id
        key = token_digest(value)

        def work(tx: Transaction) -> None:
            token = reference_tokens.by_key(tx.connection, instance_id, key)
            if token is None or not self._may_end(tx.connection, token, caller):
                return  # [REV-6]
            if reference_tokens.revoke(tx, instance_id, token.id, caller.name[:64]):
                tx.record(
                    self._revoked("reference_token", caller, token.jti, address, token.user_id)
                )

        await self._database.write(work)

    def _may_end(self, connection: Connection, token: ReferenceToken, caller: _Caller) -> bool:
        """Whether the token is the application's own, or one that the API may introspect."""
        if caller.application_id is not None:
            return caller.application_id == token.application_id
        instance = self._directory.instance
        application = applications.by_id(connection, instance.id, token.application_id)
        return application is not None and is_for(caller.name, token, application, instance)

    async def _revoke_access(self, token: str, caller: _Caller, address: str | None) -> None:
        claims = await self._own_claims(token)
        if claims is None or claims[0] != caller.name:
            return
        _, jti, expires_at = claims
        if expires_at <= self._clock() - CLOCK_ERROR:
            return  # also by the clocks of those who would accept it
        instance_id = self._directory.instance.id

        def work(tx: Transaction) -> None:
            revocations.add(tx, instance_id, jti, expires_at)  # [REV-4]
            tx.record(self._revoked("access_token", caller, jti, address))

        await self._database.write(work)

    async def _revoke_family(self, token: str, caller: _Caller, address: str | None) -> None:
        instance_id = self._directory.instance.id
        digest = token_digest(token)

        def work(tx: Transaction) -> None:
            found = refresh.find(tx.connection, instance_id, digest)
            if found is None or found.family.application_id != caller.application_id:
                return
            if refresh.revoke(tx, instance_id, found.family.id, "revoked"):  # [REV-3]
                tx.record(
                    self._revoked("refresh_token", caller, None, address, found.family.user_id)
                )

        await self._database.write(work)

    async def _own_claims(self, text: str) -> tuple[str, str, int] | None:
        """`client_id`, `jti` and `exp` of an access token that this instance signed."""
        try:
            token = parse_compact(text, {})
            kid = token.header.get("kid")
            key = await self._directory.public_key(kid) if isinstance(kid, str) else None
            if token.header.get("typ") != "at+jwt" or key is None or not key.has_signed(token):
                return None
            require_unique(token.payload_json, token.claims)
        except (MalformedToken, DuplicateMember, RecursionError):
            return None
        client_id, jti, expires = (token.claims.get(name) for name in ("client_id", "jti", "exp"))
        if isinstance(client_id, str) and isinstance(jti, str) and type(expires) is int:
            return client_id, jti, expires
        return None

    def _revoked(
        self,
        kind: str,
        caller: _Caller,
        jti: str | None,
        address: str | None,
        user_id: str | None = None,
    ) -> AuditEvent:
        return AuditEvent(
            instance_id=self._directory.instance.id,
            at=self._clock(),
            event="token.revoked",
            subject_id=user_id,
            application=caller.name,
            jti=jti,
            address=address,
            details={"kind": kind},
        )

    def _event(self, request: Request, refusal: Refusal) -> AuditEvent:
        return refusal_event(
            "revocation.refused",
            refusal,
            request.scope,
            instance_id=self._directory.instance.id,
            at=self._clock(),
        )
