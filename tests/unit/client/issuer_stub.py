"""A tiny token endpoint and API, served by a real uvicorn in a thread.

`World` is what the tests know. To run them against a mintgate server, make another `World` with
the same members; only `test_httpx_auth_failures.py` needs `answer_next`, which a real server
does not have.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import uvicorn

Headers = list[tuple[bytes, bytes]]
INVALID = 'Bearer realm="DomainAPI", error="invalid_token", error_description="revoked"'


@dataclass
class FakeClock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class TokenRequest:
    form: dict[str, str]
    client: tuple[str, str | None]
    token: str | None = None


@dataclass
class ApiRequest:
    path: str
    authorization: str | None
    body: bytes


@dataclass
class World:
    """One issuer and one API on one loopback port."""

    base: str = ""
    client_id: str = "app +/%1"
    client_secret: str = "s3cret:& +%41ü"
    refresh_token: str = "RT-0"
    lifetime: float = 3600
    delay: float = 0.0
    challenge: str = INVALID
    refuse_every_token: bool = False
    discovery_issuer: str | None = None
    token_requests: list[TokenRequest] = field(default_factory=list)
    api_requests: list[ApiRequest] = field(default_factory=list)
    discoveries: int = 0
    live: set[str] = field(default_factory=set)
    _canned: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def issuer(self) -> str:
        return self.base + "/id"

    @property
    def token_endpoint(self) -> str:
        return self.issuer + "/connect/token"

    @property
    def api(self) -> str:
        return self.base + "/api"

    def revoke_all(self) -> None:
        self.live.clear()

    def answer_next(
        self, status: int, body: object = b"", headers: dict[str, str] | None = None, times: int = 1
    ) -> None:
        """Make the token endpoint answer the next `times` requests like this."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._canned += [(status, headers or {}, data)] * times

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, extra, answer = await self._answered(scope["path"], headers, body)
        raw = [(name.encode(), value.encode()) for name, value in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": answer})

    async def _answered(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if path == "/id/.well-known/openid-configuration":
            self.discoveries += 1
            issuer = self.discovery_issuer or self.issuer
            document = {"issuer": issuer, "token_endpoint": self.token_endpoint}
            return 200, {}, json.dumps(document).encode()
        if path == "/id/connect/token":
            return await self._token(headers, body)
        answer = self._api(path, headers, body)
        if path == "/api/slow":
            await asyncio.sleep(0.4)
        return answer

    async def _token(
        self, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        request = TokenRequest(form, _client_of(headers, form))
        self.token_requests.append(request)
        await asyncio.sleep(self.delay)
        if self._canned:
            return self._canned.pop(0)
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] != self.refresh_token:
                return 400, {}, b'{"error":"invalid_grant"}'
            self.refresh_token = f"RT-{next(self._numbers)}"
        request.token = f"AT-{next(self._numbers)}"
        self.live.add(request.token)
        answer = {"access_token": request.token, "token_type": "Bearer"}
        if form["grant_type"] == "refresh_token":
            answer["refresh_token"] = self.refresh_token
        return 200, {}, json.dumps(answer | {"expires_in": self.lifetime}).encode()

    def _api(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        authorization = headers.get("authorization")
        self.api_requests.append(ApiRequest(path, authorization, body))
        if path == "/api/away":
            return 307, {"location": headers["x-to"]}, b""
        token = (authorization or "").removeprefix("Bearer ")
        if self.refuse_every_token or token not in self.live:
            return 401, {"www-authenticate": self.challenge}, b"{}"
        return 200, {}, b'{"value":[]}'


def _client_of(headers: dict[str, str], form: dict[str, str]) -> tuple[str, str | None]:
    if "authorization" not in headers:
        return form["client_id"], form.get("client_secret")
    assert "client_id" not in form
    pair = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
    client_id, _, secret = pair.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


class Stage:
    """Serves whichever world is on it, so that one server does for many tests."""

    world = World()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.world(scope, receive, send)


@contextmanager
def served(app: World | Stage) -> Iterator[str]:
    """Serve on a free loopback port; gives the base URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def wait_until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def wait_for_renewals() -> None:
    """Until no renewal runs."""
    wait_until(lambda: all(t.name != "mintgate-renewal" for t in threading.enumerate()))
