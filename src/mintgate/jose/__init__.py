"""Keys, key sets and compact JWS (RFC 7515, RFC 7517). Pure: no I/O and no clock."""

from mintgate.jose.algorithms import ALGORITHMS
from mintgate.jose.compact import MAX_TOKEN_BYTES, CompactToken, MalformedToken, parse_compact
from mintgate.jose.keys import CALLER_TYPE, PublicKey, SigningKey
from mintgate.jose.keyset import KeySet, MalformedKeySet

__all__ = [
    "ALGORITHMS",
    "CALLER_TYPE",
    "MAX_TOKEN_BYTES",
    "CompactToken",
    "KeySet",
    "MalformedKeySet",
    "MalformedToken",
    "PublicKey",
    "SigningKey",
    "parse_compact",
]
