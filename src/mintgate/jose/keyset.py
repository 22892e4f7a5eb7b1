"""JWK Sets (RFC 7517 §5): what an issuer publishes and a verifier reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mintgate.jose.algorithms import COORDINATE_BYTES
from mintgate.jose.encoding import base64url_decode, decode_object
from mintgate.jose.key_types import KEY_TYPES
from mintgate.jose.keys import PublicKey

MAX_KEYS = 64


class MalformedKeySet(ValueError):
    """What was fetched is not a JWK Set."""


class KeySet:
    """Public keys by `kid`."""

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._by_kid = {key.kid: key for key in keys}

    @classmethod
    def from_json(cls, text: bytes) -> KeySet:
        """Read a JWK Set; keys that we cannot use are passed over (RFC 7517 §5).

        Raises:
            MalformedKeySet: not a JSON object with a `keys` array of at most 64 members.
        """
        try:
            members = decode_object(text).get("keys")
        except (ValueError, RecursionError):
            members = None
        if not isinstance(members, list) or len(members) > MAX_KEYS:
            raise MalformedKeySet("not a JWK Set")
        return cls(key for member in members if (key := _usable_key(member)) is not None)

    def get(self, kid: str) -> PublicKey | None:
        return self._by_kid.get(kid)

    def to_dict(self) -> dict[str, Any]:
        """The document to publish; public members only [DSC-13]."""
        return {"keys": [key.to_jwk() for key in self._by_kid.values()]}

    def __iter__(self) -> Iterator[PublicKey]:
        return iter(self._by_kid.values())

    def __len__(self) -> int:
        return len(self._by_kid)


def _usable_key(member: Any) -> PublicKey | None:
    from joserfc.errors import JoseError

    if not isinstance(member, dict):
        return None
    kty = member.get("kty")
    key_type = KEY_TYPES.get(kty) if isinstance(kty, str) else None
    kid = member.get("kid")
    if key_type is None or not isinstance(kid, str) or not kid:
        return None
    # A key that says what it is for is used for nothing else (RFC 7517 §4.2, §4.4); one that
    # does not is for the first algorithm of its type.
    algorithm = member.get("alg", key_type.algorithms[0])
    if member.get("use", "sig") != "sig" or algorithm not in key_type.algorithms:
        return None
    operations = member.get("key_ops", ["verify"])  # RFC 7517 §4.3
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        public = {name: member[name] for name in key_type.members}
        if kty != "RSA" and not _has_exact_lengths(public):
            return None
        key = key_type.jwk.import_key({"kty": kty, **public}).public_key
        return PublicKey(kid, key, algorithm)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _has_exact_lengths(public: dict[str, Any]) -> bool:
    """RFC 7518 §6.2.1.2, RFC 8037 §2: each coordinate has the full length of its field."""
    coordinates = (base64url_decode(public[name].encode()) for name in ("x", "y") if name in public)
    return all(len(coordinate) == COORDINATE_BYTES for coordinate in coordinates)
