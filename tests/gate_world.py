"""A world with a gate in it: identity servers, `mintgate gate` on a port, and servers behind it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvicorn

from mintgate.contract.identifiers import secret_hash
from mintgate.gate.assembly import Gate
from mintgate.gate.listener import server_config
from mintgate.gate.settings import GateSettings
from mintgate.server.gate_file import read
from mintgate.store import apis
from tests.world import World, payload_of, sqlite_url

API_SECRET = "the + secret % of an API"


class Served:
    """An ASGI application in a thread, on a port of its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.005)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)


class Seen(NamedTuple):
    """A request as a server behind the gate got it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.headers if found == name]

    def one(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) <= 1, values
        return values[0] if values else None


class Upstream:
    """A real server behind the gate. It notes what comes; its path says how it answers.

    Everything below `/…/slow` takes its time, `/…/stream` sends pieces when it is told to,
    `/…/endless` never ends; everything else is told what it sent.
    """

    def __init__(self, name: str = "upstream") -> None:
        self.name = name
        self.seen: list[Seen] = []
        self.gone = threading.Event()
        self.go_on = threading.Event()
        self.answer_headers: list[tuple[bytes, bytes]] = []
        self.status = 200
        self.received = 0
        self.peers: set[int] = set()
        self._served = Served(
            uvicorn.Config(
                self, log_config=None, access_log=False, lifespan="off", ws="websockets-sansio"
            )
        )
        self.port = self._served.port
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.go_on.set()
        self._served.stop()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.peers.add(scope["client"][1])
        target = scope["raw_path"].decode()
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode()
        headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]]
        if scope["type"] == "websocket":
            self.seen.append(Seen("WEBSOCKET", target, headers, b""))
            await self._websocket(scope, receive, send)
            return
        if target.endswith("/slow"):
            self.seen.append(Seen(scope["method"], target, headers, b""))
            await self._until_gone(receive)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                return
            piece = message.get("body", b"")
            self.received += len(piece)
            body = (body + piece)[:100_000]
            if not message.get("more_body"):
                break
        seen = Seen(scope["method"], target, headers, body)
        self.seen.append(seen)
        if target.endswith(("/stream", "/endless")):
            await self._stream(target, receive, send)
            return
        answer = json.dumps(
            {"by": self.name, **seen._replace(body=body.decode("latin-1"))._asdict()}
        )
        content = b"" if self.status in {204, 304} else answer.encode()
        start = [(b"content-type", b"application/json"), *self.answer_headers]
        if content and not any(n == b"content-length" for n, _ in start):
            start.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": start})
        await send({"type": "http.response.body", "body": content})

    async def _until_gone(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone.set()

    async def _stream(self, target: str, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        if target.endswith("/endless"):
            await self._until_gone(receive)
            return
        await asyncio.to_thread(self.go_on.wait, 20)
        await send({"type": "http.response.body", "body": b"two", "more_body": False})

    async def _websocket(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["raw_path"].endswith(b"/refused"):
            await send({"type": "websocket.close"})
            return
        subprotocol = "v2" if "v2" in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                self.closed_with = message.get("code")
                self.gone.set()
                return
            if message.get("text") == "close":
                await send({"type": "websocket.close", "code": 4001, "reason": "as you wish"})
                return
            await send({**message, "type": "websocket.send"})


class RawUpstream:
    """A socket that answers with bytes which no server would send.

    Args:
        answer: sent (or called) after the head of a request was read; then it closes.
    """

    def __init__(self, answer: bytes | Callable[[socket.socket], None] = b"") -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.hold = threading.Event()
        self.holds = False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        self.hold.set()
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._one, args=[connection], daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            data = b""
            while b"\r\n\r\n" not in data:
                piece = connection.recv(65536)
                if not piece:
                    return
                data += piece
            self.requests.append(data)
            if callable(self.answer):
                self.answer(connection)
            else:
                connection.sendall(self.answer)
            if self.holds:
                self.hold.wait(20)


class GateWorld:
    """A gate, the identity servers that it knows and the servers behind it.

    Args:
        text: a gate file; `{issuer}`, `{database}` and `{upstream}` are filled in, and so is
            whatever `names` has.
    """

    def __init__(self, text: str, environment: dict[str, str], **options: Any) -> None:
        self.settings: GateSettings = read(text, environment, Path())
        self.gate = Gate(self.settings, **options)
        self._served = Served(server_config(self.gate.app, self.settings.listener))
        self.port = self._served.port
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=30)

    def stop(self) -> None:
        self.http.close()
        self._served.stop()

    def ask(
        self, path: str, token: str | None = None, method: str = "GET", **options: Any
    ) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.http.request(method, path, headers=headers, **options)


def identity_server(
    folder: Path,
    apis_of: Iterable[str] = ("DomainAPI",),
    database: str | None = None,
    **options: Any,
) -> World:
    """A running identity server whose APIs have `API_SECRET`."""
    world = World(sqlite_url(folder), clock=time.time, **options).start()
    if database is not None:
        world.declare(replace=(f'"{world.instance.database}"', f'"{database}"'))
        # An instance with another setting is put together anew, a moment after it was seen.
        until(lambda: payload_of(world.service_token())["client_db"] == database)
    with world.database.begin() as tx:
        for api in apis_of:
            apis.set_secret(tx, world.instance.id, api, secret_hash(API_SECRET))
    world.sync()
    return world


def exchange(port: int, data: bytes, *, seconds: float = 10.0) -> bytes:
    """Send bytes as they are, and everything that comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as link:
        link.sendall(data)
        answer = b""
        with suppress(ConnectionResetError):
            while piece := link.recv(65536):
                answer += piece
        return answer


class Reply(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def reply_to(port: int, data: bytes, method: str = "GET") -> Reply:
    """One answer to bytes that were sent as they are."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(data)
        answer = HTTPResponse(link, method=method)
        answer.begin()
        headers = [(name.lower(), value) for name, value in answer.getheaders()]
        return Reply(answer.status, headers, answer.read())


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
