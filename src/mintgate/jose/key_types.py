"""The key types of RFC 7518 §6 and RFC 8037 §2, as JWKs have them."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from joserfc.jwk import ECKey, OKPKey, RSAKey


class KeyType(NamedTuple):
    """How joserfc reads it, its public members, and the algorithms that it serves."""

    jwk: Any
    members: tuple[str, ...]
    algorithms: tuple[str, ...]


KEY_TYPES: Final = {
    "RSA": KeyType(RSAKey, ("n", "e"), ("RS256", "PS256")),
    "EC": KeyType(ECKey, ("crv", "x", "y"), ("ES256",)),
    "OKP": KeyType(OKPKey, ("crv", "x"), ("EdDSA",)),
}
