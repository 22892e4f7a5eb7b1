"""Random values and digests, in the forms that the contract gives them."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
import uuid
from base64 import b64encode

HEX_128 = re.compile(r"[0-9A-F]{32}")


_IDENTIFIERS_AT_ONCE = 128
_identifiers: list[str] = []
# A forked process must not give out what its parent gives out as well.
os.register_at_fork(after_in_child=_identifiers.clear)


def new_hex128() -> str:
    """32 upper-case hex digits, 128 random bits: `jti`, `sid`, `kid` [TOK-3, TOK-25, TOK-29].

    Names, not secrets: they are drawn from the system's generator many at once, as one call of
    it costs more than the rest of an identifier. `pop` gives each one out once, to any thread.
    """
    try:
        return _identifiers.pop()
    except IndexError:
        digits = os.urandom(16 * _IDENTIFIERS_AT_ONCE).hex().upper()
        _identifiers.extend(digits[start : start + 32] for start in range(32, len(digits), 32))
        return digits[:32]


def new_token() -> str:
    """64 upper-case hex digits, 256 random bits: codes, refresh tokens [AUT-44, LIF-11]."""
    return secrets.token_hex(32).upper()


def new_secret() -> str:
    """A generated secret of 256 bits in `A-Z a-z 0-9 _ -` only [TKN-6]."""
    return secrets.token_urlsafe(32)


def new_guid() -> str:
    """A random GUID as ERP.net writes it: lower case, with hyphens."""
    return str(uuid.uuid4())


def new_ordered_guid() -> str:
    """A GUID that begins with the time, to the millisecond (RFC 9562 §5.7: version 7).

    Rows that are made one after the other then stand together in an index, and a group of them
    writes a few of its pages in place of one each. It is a name and no secret.
    """
    moment = time.time_ns() // 1_000_000 << 80
    version, variant = 0x7 << 76, 0b10 << 62
    random = secrets.randbits(12) << 64 | secrets.randbits(62)
    return str(uuid.UUID(int=moment | version | variant | random))


def token_digest(token: str) -> str:
    """Upper-hex SHA-256 of a random token; the only form in which one is stored [REF-4]."""
    return hashlib.sha256(token.encode()).hexdigest().upper()


def secret_hash(secret: str) -> str:
    """`base64(SHA-256(UTF-8 secret))`, the form of `ApplicationSecretHash` [TKN-3, TOP-28]."""
    return b64encode(hashlib.sha256(secret.encode()).digest()).decode()


def secret_matches(secret: str, stored_hash: str) -> bool:
    """Whether `secret` has `stored_hash`, in constant time [TKN-3]."""
    return hmac.compare_digest(secret_hash(secret), stored_hash)
