"""base64url without padding, and JSON without duplicate members (RFC 7515 §2, RFC 8259 §4)."""

from __future__ import annotations

import binascii
import json
from typing import Any

import msgspec

_decode_json = msgspec.json.Decoder(dict[str, Any]).decode
# Strict about alphabet and padding, and more than twice as fast as `binascii`.
_decode_base64 = msgspec.json.Decoder(bytes).decode

_TO_URL = bytes.maketrans(b"+/", b"-_")
# What only the standard alphabet has becomes a character that the decoder refuses; so does what
# means something inside a JSON string, as which the decoder is given it.
_TO_STANDARD = bytes.maketrans(b'-_+/="\\', b"+/!!!!!")
# By length modulo 4: the padding to add with the end of the string, and the characters that leave
# no stray bits at the end.
_ENDINGS: tuple[tuple[bytes, frozenset[int] | None], ...] = (
    (b'"', None),
    (b"", frozenset()),  # no number of bytes has such a length
    (b'=="', frozenset(b"AQgw")),
    (b'="', frozenset(b"AEIMQUYcgkosw048")),
)


class DuplicateMember(ValueError):
    """A JSON object names a member twice: two readers would see two different tokens."""


def base64url_encode(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=")


def base64url_decode(text: bytes) -> bytes:
    """Decode strictly: alphabet, no padding, and zero bits at the end (RFC 4648 §3.5).

    Raises:
        ValueError: anything that another encoder would not have produced.
    """
    ending, last = _ENDINGS[len(text) & 3]
    if last is not None and text[-1] not in last:
        raise ValueError("not base64url, or with stray bits at the end")
    return _decode_base64(b'"%b%b' % (text.translate(_TO_STANDARD), ending))


def decode_object(text: bytes) -> dict[str, Any]:
    """Decode one JSON object. A duplicate member keeps its last value: see `require_unique`.

    Raises:
        ValueError: not JSON, or not an object.
    """
    return _decode_json(text)


def require_unique(text: bytes, decoded: dict[str, Any]) -> None:
    """Refuse duplicate members, at any depth, of JSON that `decode_object` has accepted.

    The quick way counts `":`: in JSON with no space before a colon there is one for each member
    and one for each such pair inside a string, so an equal count proves that no member was lost.
    Anything else goes through a slow parser that sees every pair.

    Raises:
        DuplicateMember: a member is named twice.
    """
    if (
        text.count(b'":') == len(decoded)
        and (b" " not in text or b" :" not in text)
        # Inside a string these are always escaped (RFC 8259 §7), so one byte is enough to see.
        and b"\n" not in text
        and b"\t" not in text
        and b"\r" not in text
    ):
        return
    json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DuplicateMember("a JSON member is named twice")
    return members
