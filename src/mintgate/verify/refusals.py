"""How an API says no: status, challenge and body (RFC 6750 §3) [API-40, API-41]."""

from __future__ import annotations

import secrets

import msgspec

from mintgate.contract.errors import Refusal, ResourceRefusal, TemporarilyUnavailable


def error_body(message: str, code: int, kind: str = "", info: str = "") -> bytes:
    """The body of every API error; `code` is a JSON number [API-40]."""
    return msgspec.json.encode(
        {"error": {"message": message, "code": code, "type": kind, "info": info}}
    )


REQUEST_ID = "mintgate.request_id"
"""The key of an ASGI scope or a WSGI environment under which a refusal's id is found."""


def new_request_id() -> str:
    """An id by which an operator finds the refusal in the log."""
    return secrets.token_hex(8)


def refusal_response(
    refusal: Refusal, realm: str, request_id: str | None = None
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of a refusal; nothing in it tells more than the caller may know.

    Args:
        realm: the audience name of the API.
        request_id: finds the full explanation in the audit log; sent as `X-Request-Id`.
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
        challenge = refusal.challenge(realm)
        if challenge is not None:
            headers.append((b"www-authenticate", challenge.encode("latin-1")))
        headers += refusal.headers()
    if request_id is not None:
        headers.append((b"x-request-id", request_id.encode("ascii")))
    return refusal.status, headers, body
