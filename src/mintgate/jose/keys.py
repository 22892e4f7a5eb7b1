"""Keys that sign and verify, each for one algorithm (RFC 7518 §3, RFC 8725 §3.1) [TOK-2, EXT-6]."""

from __future__ import annotations

from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mintgate.jose.algorithms import (
    PrivateKeyObject,
    PublicKeyObject,
    UnfitKey,
    algorithm_of,
    der_to_pair,
    pair_to_der,
)
from mintgate.jose.compact import CompactToken
from mintgate.jose.encoding import base64url_encode
from mintgate.jose.key_types import KEY_TYPES

ACCESS_TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - RFC 9068 §2.1 [TOK-4]
ID_TOKEN_TYPE: Final = "JWT"  # noqa: S105 - [IDT-1]
INTROSPECTION_TYPE: Final = "token-introspection+jwt"
"""RFC 9701 §5 [EXT-16]"""
CALLER_TYPE: Final = "caller+jwt"
"""What the gate tells an API behind it."""
RS256: Final = "RS256"
LOGOUT_TOKEN_TYPE: Final = "logout+jwt"  # noqa: S105 - OpenID Connect Back-Channel Logout §2.4


class PublicKey:
    """The verifying half of a key, as published in a JWKS.

    Args:
        kid: names the key in a header [TOK-3].
        key: RSA of at least 2048 bit, a point on P-256, or Ed25519.
        algorithm: the only one that the key is used for (RFC 8725 §3.1).

    Raises:
        ValueError: the key does not fit the algorithm.
    """

    def __init__(self, kid: str, key: PublicKeyObject, algorithm: str = RS256) -> None:
        row = algorithm_of(algorithm)
        problem = row.problem_of(key)
        if problem is not None:
            raise UnfitKey(f"key {kid} {problem}")
        self.kid = kid
        self.algorithm = algorithm
        self._key = key
        self._verify: Any = key.verify  # which arguments it takes is said by the row
        self._parameters = row.parameters
        self._is_pair = row.is_pair

    def verifies(self, signature: bytes, signing_input: bytes) -> bool:
        """Whether the key's own algorithm made this signature."""
        if self._is_pair:
            der = pair_to_der(signature)
            if der is None:
                return False
            signature = der
        try:
            self._verify(signature, signing_input, *self._parameters)
        except InvalidSignature:
            return False
        return True

    def has_signed(self, token: CompactToken) -> bool:
        """Whether the token names this key's algorithm and has its signature."""
        return token.header.get("alg") == self.algorithm and self.verifies(
            token.signature, token.signing_input
        )

    def to_pem(self) -> bytes:
        """The SubjectPublicKeyInfo (RFC 7468 §13)."""
        return self._key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def to_jwk(self) -> dict[str, Any]:
        """The JWK with public members only [DSC-13]."""
        kty = algorithm_of(self.algorithm).kty
        key_type = KEY_TYPES[kty]
        jwk = key_type.jwk.import_key(self.to_pem()).as_dict(private=False)
        head = {"kty": kty, "use": "sig", "alg": self.algorithm, "kid": self.kid}
        return head | {name: jwk[name] for name in key_type.members}


class SigningKey:
    """A private key with its `kid`; it signs with one algorithm and never prints itself.

    Raises:
        ValueError: the key does not fit the algorithm.
    """

    def __init__(self, kid: str, key: PrivateKeyObject, algorithm: str = RS256) -> None:
        self.public = PublicKey(kid, key.public_key(), algorithm)
        self.kid = kid
        self.algorithm = algorithm
        row = algorithm_of(algorithm)
        self._key: Any = key
        self._parameters = row.parameters
        self._is_pair = row.is_pair
        self._headers = {
            typ: base64url_encode(f'{{"alg":"{algorithm}","kid":"{kid}","typ":"{typ}"}}'.encode())
            + b"."
            for typ in (
                ACCESS_TOKEN_TYPE,
                ID_TOKEN_TYPE,
                LOGOUT_TOKEN_TYPE,
                INTROSPECTION_TYPE,
                CALLER_TYPE,
            )
        }

    @classmethod
    def generate(cls, kid: str, algorithm: str = RS256) -> SigningKey:
        return cls(kid, algorithm_of(algorithm).generate(), algorithm)

    @classmethod
    def from_pkcs8(cls, kid: str, data: bytes, algorithm: str = RS256) -> SigningKey:
        """Load an unencrypted PKCS #8 DER key.

        Raises:
            ValueError: not a key for this algorithm.
        """
        return cls(kid, _fit(kid, serialization.load_der_private_key(data, None)), algorithm)

    @classmethod
    def from_pem(cls, kid: str, text: bytes, algorithm: str = RS256) -> SigningKey:
        """Load an unencrypted PEM key, as `openssl genpkey` writes it.

        Raises:
            ValueError: not a key for this algorithm.
        """
        try:
            key = serialization.load_pem_private_key(text, None)
        except TypeError as error:  # it is encrypted
            raise UnfitKey(f"key {kid}: {error}") from None
        return cls(kid, _fit(kid, key), algorithm)

    def to_pkcs8(self) -> bytes:
        """The unencrypted PKCS #8 DER; encrypt it before it is stored."""
        data: bytes = self._key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return data

    def sign(self, payload: bytes, typ: str) -> str:
        """A compact JWS with the header members `alg`, `kid`, `typ`, in this order [TOK-1].

        Args:
            typ: `at+jwt`, `JWT`, `logout+jwt`, `token-introspection+jwt` or `caller+jwt`.
        """
        signing_input = self._headers[typ] + base64url_encode(payload)
        signature = self.signature_of(signing_input)
        return (signing_input + b"." + base64url_encode(signature)).decode("ascii")

    def signature_of(self, data: bytes) -> bytes:
        """The bare signature over some bytes that are no JWS."""
        signature: bytes = self._key.sign(data, *self._parameters)
        return der_to_pair(signature) if self._is_pair else signature

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid})"


def _fit(kid: str, key: Any) -> PrivateKeyObject:
    if not isinstance(
        key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    ):
        raise UnfitKey(f"key {kid} is of a kind that signs no tokens")
    return key
