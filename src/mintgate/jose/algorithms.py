"""The signature algorithms of RFC 7518 §3 and RFC 8037 that a key can be made for [EXT-6].

Each is a row: which keys fit, how one is made, what the signing call of `cryptography` needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256

MIN_KEY_BITS: Final = 2048
KEY_BITS: Final = 2048
COORDINATE_BYTES: Final = 32
"""Of P-256, and of each half of an ES256 signature (RFC 7518 §3.4)."""

PrivateKeyObject = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKeyObject = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class UnfitKey(ValueError):
    """The key cannot be used with the algorithm."""


class Algorithm(NamedTuple):
    """One algorithm; `parameters` are the arguments of sign and verify after the data."""

    name: str
    kty: str
    generate: Callable[[], PrivateKeyObject]
    problem_of: Callable[[PublicKeyObject], str | None]
    parameters: tuple[Any, ...]
    is_pair: bool = False
    """Whether a signature is r||s on the wire and a DER sequence for `cryptography`."""


def _rsa_problem(key: PublicKeyObject) -> str | None:
    if not isinstance(key, rsa.RSAPublicKey):
        return "is not an RSA key"
    if key.key_size < MIN_KEY_BITS:  # RFC 7518 §3.3, §3.5 [TOK-2]
        return f"has {key.key_size} bit; at least {MIN_KEY_BITS} are needed"
    return None


def _p256_problem(key: PublicKeyObject) -> str | None:
    is_p256 = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    return None if is_p256 else "is not a key on the curve P-256"


def _ed25519_problem(key: PublicKeyObject) -> str | None:
    # RFC 8037 lets EdDSA mean Ed448, too; here it is Ed25519 and nothing else.
    return None if isinstance(key, ed25519.Ed25519PublicKey) else "is not an Ed25519 key"


def _new_rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)


_ALL = (
    Algorithm("RS256", "RSA", _new_rsa, _rsa_problem, (padding.PKCS1v15(), SHA256())),
    Algorithm(
        "PS256",
        "RSA",
        _new_rsa,
        _rsa_problem,
        # RFC 7518 §3.5: the salt is as long as the hash.
        (padding.PSS(padding.MGF1(SHA256()), SHA256.digest_size), SHA256()),
    ),
    Algorithm(
        "ES256",
        "EC",
        lambda: ec.generate_private_key(ec.SECP256R1()),
        _p256_problem,
        (ec.ECDSA(SHA256()),),
        is_pair=True,
    ),
    Algorithm("EdDSA", "OKP", ed25519.Ed25519PrivateKey.generate, _ed25519_problem, ()),
)
BY_NAME: Final = {algorithm.name: algorithm for algorithm in _ALL}
ALGORITHMS: Final = tuple(BY_NAME)
"""The names, as headers have them. RFC 9864 calls EdDSA with this curve `Ed25519`."""


def algorithm_of(name: str) -> Algorithm:
    """The row of an algorithm. Raises UnfitKey for a name that is none of `ALGORITHMS`."""
    found = BY_NAME.get(name)
    if found is None:
        raise UnfitKey(f"no algorithm {name[:16]!r}; there are {', '.join(ALGORITHMS)}")
    return found


def pair_to_der(signature: bytes) -> bytes | None:
    """The DER form of r||s; None when it does not have exactly 64 bytes (RFC 7518 §3.4)."""
    if len(signature) != 2 * COORDINATE_BYTES:
        return None
    halves = signature[:COORDINATE_BYTES], signature[COORDINATE_BYTES:]
    return encode_dss_signature(*(int.from_bytes(half, "big") for half in halves))


def der_to_pair(signature: bytes) -> bytes:
    return b"".join(
        number.to_bytes(COORDINATE_BYTES, "big") for number in decode_dss_signature(signature)
    )
