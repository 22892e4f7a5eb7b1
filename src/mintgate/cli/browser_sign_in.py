"""Signing in with the browser through a loopback redirect (RFC 8252 §7.3, RFC 7636)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import typer

from mintgate.cli.token_requests import TokenRequestFailed, metadata_of, request_token
from mintgate.jose.encoding import base64url_encode

WAIT_SECONDS = 300
CALLBACK_PATH = "/callback"
_DONE = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>mintgate</title>"
    b"<p>You can close this window and go back to the terminal.</p></html>"
)


class _Callback(HTTPServer):
    """A server for one request on a port that the system chooses."""

    answer: dict[str, str] | None = None
    timeout = WAIT_SECONDS

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def redirect_uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{CALLBACK_PATH}"

    def handle_timeout(self) -> None:
        raise TokenRequestFailed("nobody signed in within five minutes; try again")


class _Handler(BaseHTTPRequestHandler):
    server: _Callback

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != CALLBACK_PATH:
            self.send_error(404)
            return
        self.server.answer = dict(parse_qsl(parts.query))
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_DONE)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(_DONE)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the request line holds the code."""


def sign_in(
    issuer: str, client_id: str, scope: str | None, *, open_browser: bool
) -> dict[str, Any]:
    """Have a person sign in, and exchange the code; returns the token response.

    Raises:
        TokenRequestFailed: refused, answered by somebody else, or nobody came.
    """
    metadata = metadata_of(issuer)
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    challenge = base64url_encode(hashlib.sha256(verifier.encode()).digest()).decode()
    with _Callback() as server:
        parameters = {
            "client_id": client_id,
            "redirect_uri": server.redirect_uri,
            "response_type": "code",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "state": state,
        }
        if scope is not None:
            parameters["scope"] = scope
        url = f"{metadata['authorization_endpoint']}?{urlencode(parameters)}"
        typer.echo(f"Sign in here:\n\n  {url}\n", err=True)
        if open_browser:
            webbrowser.open(url)
        while server.answer is None:
            server.handle_request()
        answer, redirect_uri = server.answer, server.redirect_uri
    code = _code_of(answer, issuer, state)
    form = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    return request_token(metadata, form)


def _code_of(answer: dict[str, str], issuer: str, state: str) -> str:
    if not hmac.compare_digest(answer.get("state", "").encode(), state.encode()):
        raise TokenRequestFailed("the answer belongs to another sign-in (state); try again")
    # RFC 9207 §2.4: an answer of another issuer is not used.
    if answer.get("iss") != issuer:
        raise TokenRequestFailed("the answer is from another issuer; try again")
    if "error" in answer:
        text = answer.get("error_description", "")
        raise TokenRequestFailed(f"the sign-in ended with {answer['error']}. {text}")
    if "code" not in answer:
        raise TokenRequestFailed("the answer has no code; try again")
    return answer["code"]
