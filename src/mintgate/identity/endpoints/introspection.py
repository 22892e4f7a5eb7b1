"""`POST /connect/introspect` (RFC 7662): what an API may know of a token [ITR-1..6]."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.clock import Clock
from mintgate.contract.errors import (
    InvalidRequest,
    Refusal,
    ResourceRefusal,
    TemporarilyUnavailable,
)
from mintgate.identity.api_authentication import authenticate_api
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.identity.client_authentication import presented_client
from mintgate.identity.directory import Directory
from mintgate.identity.forms import header, read_form
from mintgate.identity.rendering import NO_STORE, RawJson, oauth_error
from mintgate.store import Database
from mintgate.verify import StateUnavailable, Verifier

INACTIVE = {"active": False}
"""[ITR-3] And nothing else, whatever the reason."""


class IntrospectionEndpoint:
    """Answers APIs that prove who they are; the checks are the verifier's."""

    def __init__(
        self, directory: Directory, database: Database, verifier: Verifier, clock: Clock
    ) -> None:
        self._directory = directory
        self._database = database
        self._verifier = verifier
        self._clock = clock

    async def post(self, request: Request) -> Response:
        try:
            form = await read_form(request.scope, request.receive)
            presented = presented_client(form, header(request.scope, b"authorization"))
            instance_id = self._directory.instance.id
            audience = await authenticate_api(presented, instance_id, self._database)
            token = form.get("token")
            if token is None:
                raise InvalidRequest("The parameter token is missing.")
        except Refusal as refusal:
            await self._audit(request, refusal)
            return oauth_error(refusal)
        try:
            return RawJson(await self._describe(token, audience), headers=NO_STORE)
        except StateUnavailable as error:
            return oauth_error(TemporarilyUnavailable(cause=str(error)))

    async def _describe(self, token: str, audience: str) -> dict[str, Any]:
        try:
            # [ITR-4] A caller that is not among the audiences learns nothing.
            principal = await self._verifier.verify_async(token, audience)
        except ResourceRefusal:
            return INACTIVE
        claims = dict(principal.claims)
        claims["scope"] = " ".join(claims["scope"])  # [ITR-5] one string here
        return {"active": True, "token_type": "Bearer", **claims}

    async def _audit(self, request: Request, refusal: Refusal) -> None:
        event = refusal_event(
            "introspection.refused",
            refusal,
            request.scope,
            instance_id=self._directory.instance.id,
            at=self._clock(),
        )
        await record_refusal(self._database, event)
