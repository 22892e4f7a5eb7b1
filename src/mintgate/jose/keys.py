"""RSA keys that sign and verify with RS256 (RFC 7518 §3.3) [TOK-2]."""

from __future__ import annotations

from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import RSAKey

from mintgate.jose.encoding import base64url_encode

MIN_KEY_BITS: Final = 2048
KEY_BITS: Final = 2048
_PADDING = padding.PKCS1v15()
_HASH = SHA256()

ACCESS_TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - RFC 9068 §2.1 [TOK-4]
ID_TOKEN_TYPE: Final = "JWT"  # noqa: S105 - [IDT-1]
LOGOUT_TOKEN_TYPE: Final = "logout+jwt"  # noqa: S105 - OpenID Connect Back-Channel Logout §2.4


class PublicKey:
    """The verifying half of a key, as published in a JWKS.

    Args:
        kid: names the key in a header [TOK-3].
        key: an RSA key of at least 2048 bit.

    Raises:
        ValueError: a shorter key.
    """

    def __init__(self, kid: str, key: rsa.RSAPublicKey) -> None:
        if key.key_size < MIN_KEY_BITS:
            raise ValueError(
                f"key {kid} has {key.key_size} bit; at least {MIN_KEY_BITS} are needed"
            )
        self.kid = kid
        self._key = key

    def verifies(self, signature: bytes, signing_input: bytes) -> bool:
        try:
            self._key.verify(signature, signing_input, _PADDING, _HASH)
        except InvalidSignature:
            return False
        return True

    def to_jwk(self) -> dict[str, Any]:
        """The JWK with public members only [DSC-13]."""
        jwk = RSAKey.import_key(
            self._key.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        ).as_dict(private=False)
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid,
            "n": jwk["n"],
            "e": jwk["e"],
        }


class SigningKey:
    """A private key with its `kid`; it signs and never prints itself."""

    def __init__(self, kid: str, key: rsa.RSAPrivateKey) -> None:
        self.public = PublicKey(kid, key.public_key())
        self.kid = kid
        self._key = key
        self._headers = {
            typ: base64url_encode(f'{{"alg":"RS256","kid":"{kid}","typ":"{typ}"}}'.encode()) + b"."
            for typ in (ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, LOGOUT_TOKEN_TYPE)
        }

    @classmethod
    def generate(cls, kid: str) -> SigningKey:
        return cls(kid, rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS))

    @classmethod
    def from_pkcs8(cls, kid: str, data: bytes) -> SigningKey:
        """Load an unencrypted PKCS #8 DER key.

        Raises:
            ValueError: not an RSA key.
        """
        key = serialization.load_der_private_key(data, password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("not an RSA key")
        return cls(kid, key)

    def to_pkcs8(self) -> bytes:
        """The unencrypted PKCS #8 DER; encrypt it before it is stored."""
        return self._key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def sign(self, payload: bytes, typ: str) -> str:
        """A compact JWS with the header members `alg`, `kid`, `typ`, in this order [TOK-1].

        Args:
            typ: `at+jwt`, `JWT` or `logout+jwt`.
        """
        signing_input = self._headers[typ] + base64url_encode(payload)
        signature = self._key.sign(signing_input, _PADDING, _HASH)
        return (signing_input + b"." + base64url_encode(signature)).decode("ascii")

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid})"
