"""Service tokens for requests that were answered before; see `identity.repeating`.

Everything that may have changed since is looked at in the copies that this process follows the
state feed with. Where those do not know, or say no, the request is read anew on the long way,
which asks the database and gives the refusal.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Sequence

import msgspec

from mintgate.contract.clock import Clock
from mintgate.contract.errors import Refusal
from mintgate.identity.client_authentication import is_still_proved
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.directory import Directory
from mintgate.identity.grants.client_credentials import ClientCredentials, system_user_of
from mintgate.identity.mint import mint
from mintgate.identity.rendering import JSON_HEADERS, failure, oauth_error
from mintgate.identity.repeating import Headers, SendWhole
from mintgate.identity.tallies import MINTED
from mintgate.store import DatabaseUnavailable

_encode = msgspec.json.Encoder().encode


class ServiceTokens:
    """What every such request of one instance needs.

    Args:
        headers: that every answer has besides its own.
    """

    def __init__(
        self,
        directory: Directory,
        grant: ClientCredentials,
        tries: ClientTries,
        clock: Clock,
        headers: Sequence[tuple[bytes, bytes]],
    ) -> None:
        self.directory = directory
        self.grant = grant
        self.tries = tries
        self.clock = clock
        self.more_headers = tuple(headers)
        self.headers: Headers = (*JSON_HEADERS, *headers)
        self.minted = MINTED.cell("access", grant.grant_type)


class ServiceTokenRequest:
    """A request with a secret that was right.

    Args:
        secret_hash: of that secret, which is not kept.
        scope: the parameter as it was sent; None when it was not.
        address: the sender's.
    """

    __slots__ = ("_address", "_by", "_client_id", "_scope", "_secret_hash")

    def __init__(
        self,
        by: ServiceTokens,
        *,
        client_id: str,
        secret_hash: str,
        scope: str | None,
        address: str | None,
    ) -> None:
        self._by = by
        self._client_id = client_id
        self._secret_hash = secret_hash
        self._scope = scope
        self._address = address

    def begin(self, send: SendWhole) -> bool:
        """See `RepeatedRequest`: the same checks as on the long way, without waiting."""
        by = self._by
        directory = by.directory
        application = directory.cached_application(self._client_id)
        key = directory.known_signing_key()
        if (
            application is None
            or key is None
            or not by.tries.is_known(self._client_id, self._address)
            or not is_still_proved(application, self._secret_hash, by.clock())
        ):
            return False
        try:
            user = directory.known_user(system_user_of(application))
            grant, recorded = by.grant.decide_for(self._scope, self._address, application, user)
        except (Refusal, DatabaseUnavailable):
            return False
        # Signed while the audit row is on its way; nothing leaves before that is committed.
        body = _encode(mint(grant, directory.instance, key))

        def committed(done: Future[None]) -> None:
            error = done.exception()
            if error is None:
                by.minted[0] += 1
                send(200, by.headers, body)
                return
            answer = oauth_error(failure(error, "a repeated token request"))
            send(answer.status_code, (*answer.raw_headers, *by.more_headers), bytes(answer.body))

        recorded.add_done_callback(committed)
        return True
