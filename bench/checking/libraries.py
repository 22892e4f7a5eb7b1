"""Each library as its documentation says to use it: signature, algorithm, issuer, audience, time.

mintgate checks the database, the scopes and the strictness of the form on top; the others are
not made to.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import RSAKey

from bench.checking.tokens import AUDIENCE, DATABASE, ISSUER
from mintgate.jose import KeySet, PublicKey
from mintgate.jose.encoding import base64url_decode
from mintgate.verify import Verifier
from mintgate.verify.keys import StaticKeys

with warnings.catch_warnings(record=True):  # it turns its own warning on; people use it still
    from authlib.jose import JsonWebKey, JsonWebToken  # type: ignore[import-untyped]

Check = Callable[[str], object]
"""Takes a token; raises when it is not good."""

READ = frozenset({"read"})


def raw(key: rsa.RSAPublicKey, tokens: list[str]) -> Check:
    """The floor: the signature alone, of parts that were taken apart before."""
    parts: dict[str, tuple[bytes, bytes]] = {}
    for token in tokens:
        signing_input, _, signature = token.rpartition(".")
        parts[token] = (base64url_decode(signature.encode()), signing_input.encode())
    scheme, digest = padding.PKCS1v15(), SHA256()

    def check(token: str) -> object:
        signature, signing_input = parts[token]
        return key.verify(signature, signing_input, scheme, digest)

    return check


def mintgate(public: PublicKey) -> Check:
    """A verifier that remembers no token, so that each one is new to it."""
    keys = StaticKeys(KeySet([public]))
    verify = Verifier(ISSUER, DATABASE, keys=keys, remembered_tokens=0).verify
    return lambda token: verify(token, AUDIENCE, READ)


def pyjwt(key: rsa.RSAPublicKey) -> Check:
    return lambda token: jwt.decode(
        token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER
    )


def joserfc(key: rsa.RSAPublicKey) -> Check:
    imported = RSAKey.import_key(_pem(key))
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
    )

    def check(token: str) -> None:
        registry.validate(joserfc_jwt.decode(token, imported, algorithms=["RS256"]).claims)

    return check


def authlib(key: rsa.RSAPublicKey) -> Check:
    imported = JsonWebKey.import_key(_pem(key), {"kty": "RSA"})
    decode = JsonWebToken(["RS256"]).decode
    options = {
        "iss": {"essential": True, "value": ISSUER},
        "aud": {"essential": True, "value": AUDIENCE},
        "exp": {"essential": True},
    }

    def check(token: str) -> object:
        return decode(token, imported, claims_options=options).validate()

    return check


def _pem(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
