"""`POST /connect/introspect` (RFC 7662): what an API may know of a token [ITR-1..6]."""

from __future__ import annotations

import re
from functools import partial
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
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.directory import Directory
from mintgate.identity.forms import client_address, header, read_form
from mintgate.identity.mint import mint_introspection
from mintgate.identity.rendering import NO_STORE, RawJson, oauth_error
from mintgate.jose.keys import INTROSPECTION_TYPE
from mintgate.store import Database
from mintgate.verify import StateUnavailable, Verifier

INACTIVE = {"active": False}
"""[ITR-3] And nothing else, whatever the reason."""


JWT_MEDIA_TYPE = f"application/{INTROSPECTION_TYPE}"
_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def wants_jwt(accept: str) -> bool:
    """Whether the caller asks for a signed answer by `Accept` (RFC 9701 §4) [EXT-16].

    It must be named, and JSON not be preferred to it (RFC 9110 §12.5.1).
    """
    qualities: dict[str, float] = {}
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        found = [match for text in parameters if (match := _QUALITY.fullmatch(text))]
        qualities[media_type] = float(found[0][1]) if found else 1.0
    wanted = qualities.get(JWT_MEDIA_TYPE, 0.0)
    return wanted > 0 and wanted >= qualities.get("application/json", 0.0)


class IntrospectionEndpoint:
    """Answers APIs that prove who they are; the checks are the verifier's."""

    def __init__(
        self,
        directory: Directory,
        database: Database,
        verifier: Verifier,
        clock: Clock,
        tries: ClientTries,
    ) -> None:
        self._directory = directory
        self._database = database
        self._verifier = verifier
        self._clock = clock
        self._tries = tries

    async def post(self, request: Request) -> Response:
        try:
            form = await read_form(request.scope, request.receive)
            presented = presented_client(form, header(request.scope, b"authorization"))
            instance_id = self._directory.instance.id
            audience = await self._tries.prove(
                presented,
                client_address(request.scope),
                partial(authenticate_api, presented, instance_id, self._database),
            )
            token = form.get("token")
            if token is None:
                raise InvalidRequest("The parameter token is missing.")
        except Refusal as refusal:
            await self._audit(request, refusal)
            return oauth_error(refusal)
        try:
            described = await self._describe(token, audience)
            if not wants_jwt(request.headers.get("accept", "")):
                return RawJson(described, headers=NO_STORE)
            signed = mint_introspection(
                described,
                audience,
                int(self._clock()),
                self._directory.instance,
                await self._directory.signing_key(),
            )
        except TemporarilyUnavailable as refusal:
            return oauth_error(refusal)
        except StateUnavailable as error:
            return oauth_error(TemporarilyUnavailable(cause=str(error)))
        return Response(signed, media_type=JWT_MEDIA_TYPE, headers=NO_STORE)

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
