"""The key types of RFC 7518 §6 and RFC 8037 §2, as JWKs have them."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class KeyType(NamedTuple):
    """The name of joserfc's class for it, its public members, the algorithms that it serves."""

    class_name: str
    members: tuple[str, ...]
    algorithms: tuple[str, ...]

    @property
    def jwk(self) -> Any:
        """The class. Imported with the first JWK: tokens are signed and checked without it."""
        import joserfc.jwk

        return getattr(joserfc.jwk, self.class_name)


KEY_TYPES: Final = {
    "RSA": KeyType("RSAKey", ("n", "e"), ("RS256", "PS256")),
    "EC": KeyType("ECKey", ("crv", "x", "y"), ("ES256",)),
    "OKP": KeyType("OKPKey", ("crv", "x"), ("EdDSA",)),
}
