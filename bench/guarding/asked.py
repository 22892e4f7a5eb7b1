"""The instance whose API is guarded, and tokens for callers of it."""

from __future__ import annotations

import http.client
import socket
import time
from pathlib import Path

import msgspec

from bench.guarding.names import API, API_SECRET, DATABASE, INSTANCE, TOKENS
from bench.instance import Site
from bench.problems import Unmeasurable
from bench.processes import Child

START_SECONDS = 40.0
# A limit that is counted and never reached: 16 callers share what one core can do.
_DECLARATION = f"""
[instance]
name = "{INSTANCE}"
database = "{DATABASE}"
base_url = "http://127.0.0.1:{{port}}"
licences = 100

[[apis]]
Name = "{API}"
Secret = "{API_SECRET}"
limits = {{{{ per_session = 1000000 }}}}

[[applications]]
ApplicationUri = "bench.example.org/service"
Name = "Service"
ApplicationSecret = "the-secret-of-the-service-under-load"
SystemUserAllowed = true
SystemUser = "svc.bench"
Scope = "read update"
Audiences = "{API}"

[[users]]
Login = "svc.bench"
Name = "Service"
UserType = "SystemUserNoLogin"
"""


def new_site(folder: Path) -> Site:
    return Site(folder, declaration=_DECLARATION)


def issuer(site: Site) -> str:
    return f"http://127.0.0.1:{site.port}/id"


def callers(site: Site, server: Child) -> list[str]:
    """A token for each caller, from a server that has just been started.

    Raises:
        Unmeasurable: it ended, or gave no token in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        if not server.is_running():
            raise Unmeasurable(f"{server.name} ended: {server.last_words()}")
        try:
            return [_token(site) for _ in range(TOKENS)]
        except OSError:
            if time.monotonic() > deadline:
                raise Unmeasurable(f"no token: {server.last_words()}") from None
            time.sleep(0.05)


def wait_for(child: Child, port: int) -> None:
    """Wait until somebody listens at a port. Raises Unmeasurable when nobody does in time."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not child.is_running():
            break
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.connect()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise Unmeasurable(f"{child.name} does not listen: {child.last_words()}")


def require_refused(port: int, request: str) -> None:
    """Who lets anybody through would win every comparison. Raises Unmeasurable when it does."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request.encode())
        answer = connection.recv(4096)
    if not answer.startswith(b"HTTP/1.1 401 "):
        raise Unmeasurable(f"a forged token was answered with {answer[:100]!r}")


def _token(site: Site) -> str:
    head, _, body = site.token_request().decode().partition("\r\n\r\n")
    path = head.split(" ", 2)[1]
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise Unmeasurable(f"no token: {response.status} {text[:300].decode(errors='replace')}")
    token: str = msgspec.json.decode(text)["access_token"]
    return token
