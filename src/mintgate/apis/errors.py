"""The error body of every built-in API, as Starlette responses [API-40, API-41]."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from mintgate.contract.errors import Refusal
from mintgate.verify import refusals


def error_response(
    status: int, message: str, error_type: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """An error in ERP.net's shape.

    Args:
        message: a sentence that the caller may read.
        error_type: the OAuth error, or another short name of the cause [API-41].
    """
    return Response(
        refusals.error_body(message, status, error_type),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )


def refusal_response(refusal: Refusal, realm: str) -> Response:
    """The same answer that the guard in front gives, with its challenge [API-1, API-15].

    Args:
        realm: the audience name, such as `DomainAPI`.
    """
    status, headers, body = refusals.refusal_response(refusal, realm)
    response = Response(body, status)
    response.raw_headers = headers
    return response
