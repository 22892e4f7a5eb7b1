"""An application's https server that takes what is posted, and answers as told."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mintgate.identity.outgoing import targets
from tests.unit.identity.test_outgoing_targets import a_certificate


class Receiver:
    """What came, and what is answered.

    Args:
        statuses: of the next answers; 200 when there are none.
    """

    def __init__(self, port: int) -> None:
        self.url = f"https://localhost:{port}/callback?from=link"
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.bodies: list[bytes] = []
        self.requests: list[dict[str, str]] = []
        self.others: list[str] = []
        self.hold = threading.Event()
        self.hold.set()

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """The envelopes of so many requests."""
        eventually(lambda: len(self.bodies) >= count)
        return [json.loads(body) for body in self.bodies]


def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return found


@contextmanager
def receiving(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver on this machine, whose certificate this process and its children trust."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append(
                {"path": self.path, **{k.lower(): v for k, v in self.headers.items()}}
            )
            receiver.bodies.append(body)
            receiver.hold.wait(30)
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            receiver.others.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    certificate = a_certificate(folder, "localhost")
    patch.setenv("SSL_CERT_FILE", str(certificate))
    targets._tls.cache_clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()
        targets._tls.cache_clear()
