"""What goes back: JSON that no cache keeps, and errors in the shape of every API [API-40]."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from mintgate.contract.automation.problems import InvalidInput, MethodNotAllowed
from mintgate.contract.errors import Refusal
from mintgate.verify import refusals

Headers = dict[str, str]


class Answer(msgspec.Struct, frozen=True):
    """A response as it can be stored and given again."""

    status: int
    headers: Headers
    body: bytes

    def response(self, **headers: str) -> Response:
        return Response(
            self.body,
            self.status,
            {"Cache-Control": "no-store", **self.headers, **headers},
            media_type="application/json" if self.body else None,
        )


def refusal_parts(refusal: Refusal, realm: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body; single attributes that are to blame are in `parameters`."""
    status, headers, body = refusals.refusal_response(refusal, realm)
    if isinstance(refusal, MethodNotAllowed):
        headers.append((b"allow", refusal.allowed.encode()))
    if isinstance(refusal, InvalidInput) and refusal.problems:
        told = [{"name": name, "problem": sentence} for name, sentence in refusal.problems]
        error = {
            "message": refusal.description,
            "code": status,
            "type": refusal.error,
            "info": "",
            "parameters": told,
        }
        body = msgspec.json.encode({"error": error})
        headers = [(n, v) for n, v in headers if n != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
    return status, headers, body


def refusal_answer(refusal: Refusal, realm: str) -> Response:
    status, headers, body = refusal_parts(refusal, realm)
    response = Response(body, status)
    response.raw_headers = headers
    return response
