"""`POST /connect/token` (RFC 6749 §3.2): the hot path, plain ASGI from end to end."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

import msgspec
from starlette.types import Receive, Scope, Send

from mintgate.contract.clock import Clock
from mintgate.contract.errors import (
    InvalidRequest,
    Refusal,
    TemporarilyUnavailable,
    UnsupportedGrantType,
)
from mintgate.contract.identifiers import secret_hash
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.identity.client_authentication import (
    CLIENT_CREDENTIALS,
    authenticate,
    presented_client,
)
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.directory import Directory
from mintgate.identity.forms import client_address, header, read_form
from mintgate.identity.grants import GrantType, TokenRequest
from mintgate.identity.mint import IssuedTokens, mint
from mintgate.identity.rendering import method_not_allowed, oauth_error, send_json
from mintgate.identity.repeating import REPEAT
from mintgate.identity.service_tokens import ServiceTokenRequest, ServiceTokens
from mintgate.identity.tallies import MINTED
from mintgate.store import Database, DatabaseUnavailable

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class TokenEndpoint:
    """Authenticates the application, has the grant decide, and the mint sign."""

    def __init__(
        self,
        directory: Directory,
        database: Database,
        grants: Iterable[GrantType],
        clock: Clock,
        tries: ClientTries,
        repeated: ServiceTokens | None = None,
    ) -> None:
        """
        Args:
            repeated: answers repeated requests for service tokens; None: nobody does.
        """
        self._directory = directory
        self._database = database
        self._grants = {grant.grant_type: grant for grant in grants}
        self._minted = {
            name: [MINTED.cell(kind, name) for kind in ("access", "id", "refresh")]
            for name in self._grants
        }
        self._clock = clock
        self._tries = tries
        self._repeated = repeated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await method_not_allowed("POST")(scope, receive, send)
            return
        form: dict[str, str] = {}
        try:
            form = await read_form(scope, receive)
            tokens = await self._answer(form, scope)
        except Refusal as refusal:
            await self._audit(refusal, form, scope)
            await oauth_error(refusal)(scope, receive, send)
        except DatabaseUnavailable as error:
            _log.error("a token request was answered with 503: %s", error)
            await oauth_error(TemporarilyUnavailable(cause=str(error)))(scope, receive, send)
        else:
            if self._repeated is not None and REPEAT in scope:
                self._tell_again(self._repeated, form, scope)
            await send_json(send, _encode(tokens))

    def _tell_again(self, by: ServiceTokens, form: dict[str, str], scope: Scope) -> None:
        """How the same request for a service token is answered the next time."""
        if form["grant_type"] != CLIENT_CREDENTIALS:
            return
        presented = presented_client(form, header(scope, b"authorization"))
        if presented.secret is None or presented.raw is not None:
            return
        scope[REPEAT](
            ServiceTokenRequest(
                by,
                client_id=presented.client_id,
                secret_hash=secret_hash(presented.secret),
                scope=form.get("scope"),
                address=client_address(scope),
            )
        )

    async def _answer(self, form: dict[str, str], scope: Scope) -> IssuedTokens:
        grant_type = form.get("grant_type")
        if grant_type is None:
            raise InvalidRequest("The parameter grant_type is missing.")  # [TKN-30]
        grant = self._grants.get(grant_type)
        if grant is None:
            raise UnsupportedGrantType(cause=f"grant_type {grant_type[:64]!r}")  # [TKN-31]
        presented = presented_client(form, header(scope, b"authorization"))
        address = client_address(scope)
        application = await self._tries.prove(
            presented, address, partial(authenticate, presented, grant_type, self._directory)
        )
        # A grant sees only the parameters that it declares.
        parameters = {name: form[name] for name in grant.parameters if name in form}
        request = TokenRequest(parameters, address)
        # The key first: nothing may fail between a commit and its tokens.
        key = await self._directory.signing_key()
        decided = await grant.decide(request, application)
        tokens = mint(decided.grant, self._directory.instance, key)
        if decided.recorded is not None:
            await decided.recorded
        access, identity, refresh = self._minted[grant_type]
        access[0] += 1
        if tokens.id_token is not None:
            identity[0] += 1
        if tokens.refresh_token is not None:
            refresh[0] += 1
        return tokens

    async def _audit(self, refusal: Refusal, form: dict[str, str], scope: Scope) -> None:
        await record_refusal(
            self._database,
            refusal_event(
                "token.refused",
                refusal,
                scope,
                instance_id=self._directory.instance.id,
                at=self._clock(),
                application=_claimed_client(form, scope),
                details={"grant_type": form.get("grant_type", "")[:64]},
            ),
        )


def _claimed_client(form: dict[str, str], scope: Scope) -> str | None:
    """Whom the sender claims to be, proved or not: the one who is attacked."""
    try:
        client = presented_client(form, header(scope, b"authorization"))
    except Refusal:
        return None
    return client.client_id[:254]
