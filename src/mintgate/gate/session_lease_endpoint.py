"""`POST /connect/session_leases`: ERP sessions for guards in other processes [API-16].

JSON in, JSON out; a refusal for want of a slot is an answer, not an error of this endpoint, so
that nothing in between takes it for one and asks again.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.clock import Clock
from mintgate.contract.errors import InvalidRequest, Refusal, TemporarilyUnavailable
from mintgate.contract.session_leases import MAX_REQUEST_BYTES, LeaseRequest
from mintgate.gate.session_leases import SessionLeases
from mintgate.identity.api_authentication import require_api
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.forms import header, read_body
from mintgate.identity.rendering import NO_STORE, RawJson, oauth_error
from mintgate.store import Database, DatabaseUnavailable
from mintgate.verify.keys import KeysUnavailable
from mintgate.verify.state import StateUnavailable

_decoder = msgspec.json.Decoder(LeaseRequest)


class SessionLeaseEndpoint:
    """Answers APIs that prove who they are by their secret, as introspection does [ITR-1].

    Args:
        clock: Unix seconds.
    """

    def __init__(
        self,
        instance_id: str,
        leases: SessionLeases,
        database: Database,
        clock: Clock,
        tries: ClientTries,
    ) -> None:
        self._instance_id = instance_id
        self._leases = leases
        self._database = database
        self._clock = clock
        self._tries = tries

    async def post(self, request: Request) -> Response:
        try:
            api = await require_api(request, self._tries, self._instance_id, self._database)
            asked = _read(header(request.scope, b"content-type"), await _body(request))
        except Refusal as refusal:
            await self._audit(request, refusal)
            return oauth_error(refusal)
        try:
            answer = await self._leases.answer(api, asked)
        except (DatabaseUnavailable, KeysUnavailable, StateUnavailable) as error:
            return oauth_error(TemporarilyUnavailable(cause=str(error)))
        return RawJson(answer, headers=NO_STORE)

    async def _audit(self, request: Request, refusal: Refusal) -> None:
        event = refusal_event(
            "session_lease.refused",
            refusal,
            request.scope,
            instance_id=self._instance_id,
            at=self._clock(),
        )
        await record_refusal(self._database, event)


async def _body(request: Request) -> bytes:
    return await read_body(request.receive, MAX_REQUEST_BYTES)


def _read(content_type: str | None, body: bytes) -> LeaseRequest:
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest("Send the request as application/json.")
    try:
        asked: LeaseRequest = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # Not told what was wrong: the library's text may quote the token.
        raise InvalidRequest("The body is no request for a session lease.") from None
    return asked
