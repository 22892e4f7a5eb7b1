"""Each library as its documentation says to use it: signature, algorithm, issuer, audience, time.

mintgate checks the database, the scopes and the strictness of the form on top; the others are
not made to.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import RSAKey

from bench.checking.tokens import AUDIENCE, DATABASE, ISSUER
from mintgate.contract.feed import RevokedToken
from mintgate.jose import KeySet, PublicKey
from mintgate.jose.encoding import base64url_decode
from mintgate.verify import Verifier
from mintgate.verify.folded import Folded
from mintgate.verify.keys import StaticKeys
from mintgate.verify.state import TokenState

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
    return _verifying(public, remembered_tokens=0)


def mintgate_with_state(public: PublicKey) -> Check:
    """The same, that asks of each whether it was revoked and its application and user are good."""
    return _verifying(public, state=FollowedState(), remembered_tokens=0)


def mintgate_cached(public: PublicKey, tokens: list[str], *, with_state: bool = False) -> Check:
    """A verifier as it is made by default, to which no token is new."""
    state = FollowedState() if with_state else None
    check = _verifying(public, state=state)
    for token in tokens:
        check(token)
    return check


class FollowedState:
    """What a verifier has that follows the state feed, up to date: `verify.Folded`, without HTTP.

    It gives no stamp, so everything is looked at anew for each token.
    """

    def __init__(self) -> None:
        self._folded = Folded()
        for number in range(1000):
            entry = RevokedToken(jti=f"{number:032X}", exp=int(time.time()) + 86_400)
            told = msgspec.to_builtins(entry) | {"at": time.time()}
            self._folded.add(msgspec.json.encode(told))

    def find(self, claims: dict[str, Any], token: str) -> TokenState | None:
        return self._folded.state_of(claims, token, time.time())

    def load(self, claims: dict[str, Any], token: str) -> TokenState:
        raise NotImplementedError("it is always there")

    async def load_async(self, claims: dict[str, Any], token: str) -> TokenState:
        raise NotImplementedError("it is always there")


def _verifying(public: PublicKey, **options: Any) -> Check:
    keys = StaticKeys(KeySet([public]))
    verify = Verifier(ISSUER, DATABASE, keys=keys, **options).verify
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


def python_jose(key: rsa.RSAPublicKey, folder: str) -> Check:
    """From a folder of its own; see `bench/peers/python_jose.txt`."""
    if folder not in sys.path:
        sys.path.append(folder)
    from jose import jwt as jose_jwt  # type: ignore[import-untyped]

    pem = _pem(key).decode()
    return lambda token: jose_jwt.decode(
        token, pem, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER
    )


def _pem(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
