"""A code for an ID token, by the token endpoint itself and without a network in between."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Scope

from mintgate.contract.claims import IdTokenClaims
from mintgate.contract.instance import ID_PATH
from mintgate.identity.forms import FORM_TYPE
from mintgate.jose.encoding import base64url_decode

TOKEN_PATH = f"{ID_PATH}/connect/token"


class Redeemer:
    """Redeems the codes of one site.

    Args:
        token_endpoint: that of the instance: there is one implementation of the grant, with its
            checks and its audit events.
    """

    def __init__(self, token_endpoint: ASGIApp, issuer: str, client_id: str) -> None:
        self._token_endpoint = token_endpoint
        self._issuer = issuer
        self._client_id = client_id

    async def redeem(
        self, request: Request, *, code: str, redirect_uri: str, verifier: str, nonce: str
    ) -> IdTokenClaims | None:
        """Who signed in; None when the code is refused. The tokens are forgotten.

        The ID token comes from the token endpoint itself, which stands in for its signature
        (OpenID Connect Core §3.1.3.7, number 6).
        """
        form = {
            "grant_type": "authorization_code",
            "client_id": self._client_id,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        answer = await _post(self._token_endpoint, request.scope, form)
        id_token = answer.get("id_token")
        if id_token is None:
            return None
        payload = id_token.split(".")[1]
        claims = msgspec.json.decode(base64url_decode(payload.encode()), type=IdTokenClaims)
        if (claims.iss, claims.aud) != (self._issuer, self._client_id):
            return None
        if not hmac.compare_digest(str(claims.nonce).encode(), nonce.encode()):
            return None
        return claims


async def _post(app: ASGIApp, scope: Scope, form: Mapping[str, str]) -> dict[str, Any]:
    """The JSON answer of an ASGI application to a form; empty when it refuses."""
    body = urlencode(form).encode()
    status, text = 0, b""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, text
        status = message.get("status", status)
        text += message.get("body", b"")

    headers = [
        (b"content-type", FORM_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    inner = {
        "type": "http",
        "asgi": scope["asgi"],
        "http_version": "1.1",
        "method": "POST",
        "scheme": scope["scheme"],
        "path": TOKEN_PATH,
        "raw_path": TOKEN_PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": scope.get("client"),
        "server": scope.get("server"),
    }
    await app(inner, receive, send)
    if status != 200:
        return {}
    answer: dict[str, Any] = msgspec.json.decode(text)
    return answer
