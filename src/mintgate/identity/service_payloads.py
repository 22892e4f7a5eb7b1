"""The payloads of service tokens: what does not change from one to the next is encoded once.

A service asks for the same token again and again. Its claims are built, checked and encoded by
`contract.claims` the first time; after that only `nbf`, `exp`, `jti` and `iat` are put in.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.claims import BadClaims, ServiceClaims, encode
from mintgate.contract.identifiers import HEX_128
from mintgate.contract.instance import Instance
from mintgate.contract.users import User
from mintgate.identity.grants import ServiceGrant

MAX_KNOWN = 4096
ClaimsOf = Callable[[ServiceGrant, Instance], ServiceClaims]


class _Known(msgspec.Struct, frozen=True):
    """The encoded claims before `jti` and after `iat`, and of which records they were made."""

    instance: Instance
    application: TrustedApplication
    user: User
    before: bytes
    after: bytes


class ServicePayloads:
    """A bounded memory of payloads; the oldest goes first.

    Args:
        claims_of: makes the claims of a grant.
    """

    def __init__(self, claims_of: ClaimsOf) -> None:
        self._claims_of = claims_of
        self._known: dict[tuple[str, str, tuple[str, ...]], _Known] = {}

    def payload(self, grant: ServiceGrant, instance: Instance) -> bytes:
        """The same bytes as `encode(claims_of(grant, instance))`.

        Raises:
            BadClaims: the contract does not allow these claims.
        """
        key = (instance.id, grant.application.id, grant.scopes)
        known = self._known.get(key)
        # Records are never changed, only replaced by others: the very same one says the same.
        if (
            known is None
            or known.application is not grant.application
            or known.user is not grant.system_user
            or known.instance is not instance
        ):
            known = self._learn(key, grant, instance)
        if not HEX_128.fullmatch(grant.jti):
            raise BadClaims("jti must be 32 upper-case hex digits [TOK-25]")
        issued_at = grant.issued_at
        return b'{"nbf":%d,"exp":%d%b"jti":"%b","iat":%d%b' % (
            issued_at,
            issued_at + instance.access_token_lifetime,
            known.before,
            grant.jti.encode(),
            issued_at,
            known.after,
        )

    def _learn(
        self, key: tuple[str, str, tuple[str, ...]], grant: ServiceGrant, instance: Instance
    ) -> _Known:
        claims = self._claims_of(grant, instance)
        start = b'{"nbf":%d,"exp":%d' % (claims.nbf, claims.exp)
        # Random, so it is found once.
        middle = b'"jti":"%b","iat":%d' % (claims.jti.encode(), claims.iat)
        before, _, after = encode(claims).removeprefix(start).partition(middle)
        known = _Known(instance, grant.application, grant.system_user, before, after)
        self._known.pop(key, None)
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[key] = known
        return known
