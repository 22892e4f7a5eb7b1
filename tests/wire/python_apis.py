"""The example applications, each in its own process behind the server that people run it with."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import NamedTuple

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"
UVICORN = "uvicorn {app} --fd {fd} --no-access-log --log-level warning"
GUNICORN = "gunicorn {app} --bind fd://{fd} --threads 4 --log-level warning --no-control-socket"
COMMANDS = {
    "asgi": UVICORN.format(app="asgi_app:app", fd="{fd}"),
    "wsgi": GUNICORN.format(app="wsgi_app:app", fd="{fd}"),
    "fastapi": UVICORN.format(app="fastapi_app:app", fd="{fd}"),
    "flask": GUNICORN.format(app="flask_app:app", fd="{fd}"),
    "django-wsgi": GUNICORN.format(app="django_app:application", fd="{fd}"),
    "django-asgi": UVICORN.format(app="django_app:asgi_application", fd="{fd}"),
}


class Running(NamedTuple):
    port: int
    output: Path


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[dict[str, Running]]:
    """Start every example at once; each listens before it has started, so nobody has to wait."""
    found: dict[str, Running] = {}
    processes = []
    try:
        for name, command in COMMANDS.items():
            with (
                socket.create_server(("127.0.0.1", 0)) as listening,
                open(folder / f"{name}.txt", "wb") as output,
            ):
                found[name] = Running(listening.getsockname()[1], folder / f"{name}.txt")
                words = command.format(fd=listening.fileno()).split()
                processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", *words],
                        cwd=EXAMPLES,
                        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
                        pass_fds=[listening.fileno()],
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )
        yield found
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


class Reply(NamedTuple):
    """What a caller sees; the body of a refusal is compared byte by byte."""

    status: int
    challenge: str | None
    body: bytes


def ask(port: int, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Reply:
    """One request as it is written, with nothing that a client library would mend."""
    lines = [("Host", "127.0.0.1"), ("Connection", "close"), *headers]
    if body:
        lines += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    text = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        link.sendall(text.encode("latin-1") + b"\r\n" + body)
        answer = HTTPResponse(link, method=method)
        answer.begin()
        challenges = answer.headers.get_all("www-authenticate", [])
        assert len(challenges) <= 1
        return Reply(answer.status, challenges[0] if challenges else None, answer.read())


def ask_twice(port: int, method: str, target: str) -> bytes:
    """Two requests without a credential on one connection: all that comes back."""
    text = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        link.sendall(f"{text}\r\n{text}Connection: close\r\n\r\n".encode())
        answer = b""
        while piece := link.recv(65536):
            answer += piece
    return answer
