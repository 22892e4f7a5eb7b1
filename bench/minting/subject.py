"""What is minted: one application, one secret, one key, one form for every contender."""

from __future__ import annotations

import http.client
import secrets
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from bench.problems import Unmeasurable
from bench.processes import Child
from mintgate.jose.encoding import base64url_decode

CLIENT_ID = "bench.example.org/service"
SCOPE = "read update"
START_SECONDS = 40.0


class Subject(msgspec.Struct, frozen=True):
    """The application that asks for tokens; its secret lives as long as the run."""

    secret: str
    folder: Path

    @property
    def form(self) -> str:
        return urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": CLIENT_ID,
                "client_secret": self.secret,
                "scope": SCOPE,
            }
        )


def new_subject(folder: Path) -> Subject:
    return Subject(secrets.token_urlsafe(32), folder)


def write_private(path: Path, content: Any) -> Path:
    """Write JSON that holds a secret or a private key."""
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(content))
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def first_token(child: Child, port: int, path: str, form: str) -> str:
    """Wait until the server mints, and take its first token.

    Raises:
        Unmeasurable: it ended, or gave no token in time.
    """
    deadline = time.monotonic() + START_SECONDS
    problem = "no answer"
    while time.monotonic() < deadline:
        if not child.is_running():
            raise Unmeasurable(f"{child.name} ended: {child.last_words()}")
        try:
            status, text = _post(port, path, form)
        except OSError:
            time.sleep(0.05)
            continue
        if status == 200:
            token: str = msgspec.json.decode(text)["access_token"]
            return token
        problem = f"{status} {text[:300].decode(errors='replace')}"
        time.sleep(0.25)
    raise Unmeasurable(f"{child.name} gave no token: {problem}; it said: {child.last_words()}")


def _post(port: int, path: str, form: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", path, form, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def require_valid(tokens: list[str], key: rsa.RSAPublicKey, name: str) -> None:
    """A figure counts only when the tokens behind it are good.

    Raises:
        Unmeasurable: a token whose signature does not verify.
    """
    for token in tokens:
        signing_input, _, signature = token.rpartition(".")
        try:
            key.verify(
                base64url_decode(signature.encode()),
                signing_input.encode(),
                padding.PKCS1v15(),
                SHA256(),
            )
        except (InvalidSignature, ValueError):
            raise Unmeasurable(f"{name} gave a token that does not verify") from None
