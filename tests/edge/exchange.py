"""One request as it is written, and the API that tells what reached it."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any, NamedTuple

Pairs = list[tuple[str, str]]


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def reached(self) -> dict[str, Any]:
        """What reached the API: `line` and `headers`."""
        found: dict[str, Any] = json.loads(self.body)
        return found


def exchange(
    port: int, method: str, target: str, headers: Pairs | None = None, body: bytes = b""
) -> Reply:
    """Send a request with nothing that a client library would mend, and read the answer."""
    lines = [("Host", "127.0.0.1"), ("Connection", "close"), *(headers or [])]
    if any(name == "Connection" for name, _ in headers or []):
        del lines[1]
    if body:
        lines += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    text = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        link.sendall(text.encode("latin-1") + b"\r\n" + body)
        answer = HTTPResponse(link, method=method)
        answer.begin()
        found: dict[str, str] = {}
        for name, value in answer.getheaders():
            assert name.lower() not in found or name.lower() in {"server", "date"}, (
                f"{name} came twice"
            )
            found[name.lower()] = value
        return Reply(answer.status, found, answer.read())


class Upstream:
    """An API that answers every request with the bytes of its head, as they came."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.lines: list[str] = []

    @property
    def requests(self) -> int:
        return len(self.lines)


@contextmanager
def upstream() -> Iterator[Upstream]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline().decode("latin-1").rstrip("\r\n")
            if not line:
                return
            headers: list[list[str]] = []
            while head := self.rfile.readline().decode("latin-1").rstrip("\r\n"):
                name, _, value = head.partition(":")
                headers.append([name.lower(), value.strip()])
            length = next((int(value) for name, value in headers if name == "content-length"), 0)
            self.rfile.read(length)
            made.lines.append(line)
            body = json.dumps({"line": line, "headers": headers}).encode()
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
                + f"Content-Length: {len(body)}\r\n\r\n".encode()
                + (b"" if line.startswith("HEAD ") else body)
            )

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        made = Upstream(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        server.shutdown()
