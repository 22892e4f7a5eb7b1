"""Taking a compact JWS apart, strictly (RFC 7515 §7.1)."""

from __future__ import annotations

from typing import Any

import msgspec

from mintgate.jose.encoding import base64url_decode, decode_object, require_unique

MAX_TOKEN_BYTES = 16 * 1024
"""Far above what the contract issues; bounds the work for a hostile input."""


class MalformedToken(ValueError):
    """Not three base64url parts of which the first two are JSON objects [API-4]."""


class CompactToken(msgspec.Struct, frozen=True):
    """The parts of a compact JWS; nothing is verified yet.

    `header_text` and `payload_text` are the encoded first two parts, `signing_input` both with
    the dot between them.
    """

    header_text: bytes
    signing_input: bytes
    signature: bytes
    header: dict[str, Any]
    payload_json: bytes
    claims: dict[str, Any]

    def verified(self) -> CompactToken:
        """The same without what only its own verification needs, to be kept for long."""
        return CompactToken(b"", b"", b"", self.header, b"", self.claims)


def parse_compact(token: str | bytes, known_headers: dict[bytes, dict[str, Any]]) -> CompactToken:
    """Split and decode a token.

    Args:
        known_headers: header parts decoded before, with their members; a caller adds those that
            led to a valid signature and never more than it wants to keep.

    Raises:
        MalformedToken: the reason, in words that quote nothing of the token.
    """
    try:
        raw = token.encode("ascii") if isinstance(token, str) else token
    except UnicodeEncodeError:
        raise MalformedToken("it holds a character that is not ASCII") from None
    if len(raw) > MAX_TOKEN_BYTES:
        raise MalformedToken(f"it is longer than {MAX_TOKEN_BYTES} bytes")
    signing_input, _, signature_text = raw.rpartition(b".")
    header_text, dot, payload_text = signing_input.partition(b".")
    if not dot or b"." in payload_text:
        raise MalformedToken("it does not have three parts")
    header = known_headers.get(header_text)
    if header is None:
        header = _decode_header(header_text)
    try:
        payload_json = base64url_decode(payload_text)
        signature = base64url_decode(signature_text)
    except ValueError:
        raise MalformedToken("a part is not base64url") from None
    try:
        claims = decode_object(payload_json)
    except (ValueError, RecursionError):
        raise MalformedToken("the payload is not a JSON object") from None
    return CompactToken(header_text, signing_input, signature, header, payload_json, claims)


def _decode_header(header_text: bytes) -> dict[str, Any]:
    try:
        text = base64url_decode(header_text)
        header = decode_object(text)
        require_unique(text, header)
    except (ValueError, RecursionError):
        raise MalformedToken("the header is not a JSON object with unique members") from None
    return header
