"""How an API behind the gate learns who calls: headers, or a short-lived JWT of the gate's own.

Both are made from the verified credential alone. Clients cannot send them: the guard refuses
every request that has a header of these names [`contract.request_target`].
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from mintgate.contract.clock import Clock
from mintgate.jose import CALLER_TYPE, SigningKey
from mintgate.verify import Principal

Headers = list[tuple[bytes, bytes]]
TOKEN_HEADER = b"x-mintgate-token"
TOKEN_SECONDS = 60
MAX_KEPT = 4096
_Key = tuple[str, str, str, bool, frozenset[str]]
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
        self._kept: dict[_Key, tuple[float, str]] = {}

    def token_for(self, principal: Principal, audience: str) -> str:
        """A token that lives for a minute; the same one for half of it, as signing takes time.

        Args:
            audience: the API that it is for.
        """
        now = self._clock()
        key = (audience, principal.issuer, principal.jti, principal.is_admin, principal.scopes)
        kept = self._kept.get(key)
        if kept is not None and 0 <= now - kept[0] < TOKEN_SECONDS / 2:
            return kept[1]
        token = self._signing_key().sign(
            msgspec.json.encode(self._claims(principal, audience, int(now))), CALLER_TYPE
        )
        while len(self._kept) >= MAX_KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[key] = (now, token)
        return token

    def _claims(self, principal: Principal, audience: str, now: int) -> dict[str, Any]:
        # No longer than the credential itself.
        end = min(now + TOKEN_SECONDS, principal.expires_at)
        claims = {
            "iss": self._issuer,
            "aud": audience,
            "sub": principal.login,
            "iat": now,
            "exp": end,
            "kind": principal.kind,
            "sub_id": principal.user_id,
            "user_type": principal.user_type,
            "name": principal.name,
            "email": principal.email,
            "is_admin": principal.is_admin,
            "client_id": principal.client_id,
            "tenant": principal.issuer,
            "db": principal.database,
            "scope": sorted(principal.scopes),
            "session": principal.session,
            "jti": principal.jti,
        }
        return {name: value for name, value in claims.items() if value not in (None, "")}


def _value(text: str | None) -> bytes:
    escaped = _UNSAFE.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8")), text or ""
    )
    return escaped.encode("ascii")
