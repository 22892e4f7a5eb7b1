"""How an API behind the gate learns who calls: headers, or a short-lived JWT of the gate's own.

Both are made from the verified credential alone. Clients cannot send them: the guard refuses
every request that has a header of these names [`contract.request_target`].
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from mintgate.contract.clock import Clock
from mintgate.jose import CALLER_TYPE, SigningKey
from mintgate.verify import Principal

Headers = list[tuple[bytes, bytes]]
TOKEN_HEADER = b"x-mintgate-token"
TOKEN_SECONDS = 60
MAX_KEPT = 4096
_TOLD = {
    "sub": "login",
    "kind": "kind",
    "sub_id": "user_id",
    "user_type": "user_type",
    "name": "name",
    "email": "email",
    "is_admin": "is_admin",
    "client_id": "client_id",
    "tenant": "issuer",
    "db": "database",
    "scope": "scopes",
    "session": "session",
    "jti": "jti",
}
"""What a token tells of its caller, by claim: the principal's attributes."""
_told = attrgetter(*_TOLD.values())
# A header value is ASCII, and loses the spaces at its ends (RFC 9110 §5.5).
_UNSAFE = re.compile(r"^ +| +$|[^ -$&-~]+")


def identity_headers(principal: Principal) -> Headers:
    """The caller as headers; what is not ASCII, and `%`, is percent-encoded as UTF-8.

    Every header is always there, if need be empty: a server that overwrites what it is given
    then never leaves a client's own value.
    """
    return [
        (b"x-mintgate-kind", principal.kind.encode()),
        (b"x-mintgate-login", _value(principal.login)),
        (b"x-mintgate-user-id", _value(principal.user_id)),
        (b"x-mintgate-user-type", _value(principal.user_type)),
        (b"x-mintgate-name", _value(principal.name)),
        (b"x-mintgate-email", _value(principal.email)),
        (b"x-mintgate-admin", b"true" if principal.is_admin else b"false"),
        (b"x-mintgate-client-id", _value(principal.client_id)),
        (b"x-mintgate-issuer", _value(principal.issuer)),
        (b"x-mintgate-database", _value(principal.database)),
        (b"x-mintgate-scope", _value(" ".join(sorted(principal.scopes)))),
        (b"x-mintgate-session", _value(principal.session)),
    ]


NOBODY: Headers = [
    (b"x-mintgate-" + name, b"")
    for name in (
        b"kind login user-id user-type name email admin client-id issuer database scope session"
    ).split()
]
"""The same headers for a request that nobody in particular sends [API-25]."""


class _Kept(NamedTuple):
    """A token, and for whom it was made."""

    made_at: float
    end: int
    principal: Principal
    token: str


class InternalTokens:
    """Makes a JWT from any credential, so that an API needs one kind of check only.

    Its type is `caller+jwt`, which no check of access tokens accepts (RFC 8725 §3.11).

    Args:
        signing_key: the key that signs now; the API finds its public part in a JWKS.
        issuer: who vouches, for `iss`.
        clock: Unix seconds.
    """

    def __init__(self, signing_key: Callable[[], SigningKey], issuer: str, clock: Clock) -> None:
        self._signing_key = signing_key
        self._issuer = issuer
        self._clock = clock
        self._kept: dict[tuple[str, str, str], _Kept] = {}

    def token_for(self, principal: Principal, audience: str) -> str:
        """A token that lives for a minute; the same one for half of it, as signing takes time.

        Args:
            audience: the API that it is for.
        """
        now = self._clock()
        key = (audience, principal.issuer, principal.jti)
        kept = self._kept.get(key)
        if (
            kept is not None
            and 0 <= now - kept.made_at < TOKEN_SECONDS / 2
            and (kept.principal is principal or _is_still(kept, principal))
        ):
            return kept.token
        # No longer than the credential itself.
        end = min(int(now) + TOKEN_SECONDS, principal.expires_at)
        token = self._signing_key().sign(
            msgspec.json.encode(self._claims(principal, audience, int(now), end)), CALLER_TYPE
        )
        while len(self._kept) >= MAX_KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[key] = _Kept(now, end, principal, token)
        return token

    def _claims(self, principal: Principal, audience: str, now: int, end: int) -> dict[str, Any]:
        claims = {"iss": self._issuer, "aud": audience, "iat": now, "exp": end}
        claims |= zip(_TOLD, _told(principal), strict=True)
        claims["scope"] = sorted(principal.scopes)
        return {name: value for name, value in claims.items() if value not in (None, "")}


def _is_still(kept: _Kept, principal: Principal) -> bool:
    """Whether a token tells what is true now.

    Of one credential that may change: a reference token is whoever the user, or the application's
    system user, is at the request [REF-36, REF-37].
    """
    return kept.end <= principal.expires_at and _told(kept.principal) == _told(principal)


def _value(text: str | None) -> bytes:
    escaped = _UNSAFE.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8")), text or ""
    )
    return escaped.encode("ascii")
