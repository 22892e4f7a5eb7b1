"""The error body of every API [API-40, API-41], for the built-in ones and for the guard."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from mintgate.contract.errors import Refusal, ResourceRefusal, TemporarilyUnavailable


def error_response(
    status: int, message: str, error_type: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """An error in ERP.net's shape; `code` is a number because the .NET client casts it [API-40].

    Args:
        message: a sentence that the caller may read.
        error_type: the OAuth error, or another short name of the cause [API-41].
    """
    body = {"error": {"message": message, "code": status, "type": error_type, "info": ""}}
    return Response(
        msgspec.json.encode(body),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )


def refusal_response(refusal: Refusal, realm: str) -> Response:
    """What a refused request is answered by the API `realm`, with its challenge [API-1, API-15].

    Args:
        realm: the audience name, such as `DomainAPI`.
    """
    headers: dict[str, str] = {}
    if isinstance(refusal, ResourceRefusal):
        headers["WWW-Authenticate"] = refusal.challenge(realm)
    if isinstance(refusal, TemporarilyUnavailable):
        headers["Retry-After"] = str(refusal.retry_after)
    return error_response(refusal.status, refusal.description, refusal.error, headers)
