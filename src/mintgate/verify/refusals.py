"""How an API says no: status, challenge and body (RFC 6750 §3) [API-40, API-41]."""

from __future__ import annotations

import msgspec

from mintgate.contract.errors import Refusal, ResourceRefusal, TemporarilyUnavailable


def error_body(message: str, code: int, kind: str = "", info: str = "") -> bytes:
    """The body of every API error; `code` is a JSON number [API-40]."""
    return msgspec.json.encode(
        {"error": {"message": message, "code": code, "type": kind, "info": info}}
    )


def refusal_response(refusal: Refusal, realm: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of a refusal; nothing in it tells more than the caller may know.

    `X-Request-Id` finds the full explanation in the audit log.

    Args:
        realm: the audience name of the API.
    """
    body = error_body(refusal.description, refusal.status, refusal.error)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if isinstance(refusal, TemporarilyUnavailable):
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    if isinstance(refusal, ResourceRefusal):
        headers += [
            (b"www-authenticate", challenge.encode("latin-1"))
            for challenge in refusal.challenges(realm)
        ]
        headers += refusal.headers()
    headers.append((b"x-request-id", refusal.id.encode("ascii")))
    return refusal.status, headers, body
