"""Every way to stand in front of an API, running, each with something behind it that remembers."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from waitress.server import create_server

from mintgate.server.application import Application
from mintgate.server.instance_application import InstanceApplication
from mintgate.verify import Guard, GuardMiddleware
from tests.edge.naive import Reached, naive_upstream
from tests.edge.recording_apps import RecordFile, asgi_recorder, guarded_by_issuer
from tests.edge.servers import running
from tests.gate_world import API_SECRET, GateWorld
from tests.world import World

FRONTS = ("nginx", "caddy", "haproxy", "apache")
IN_PROCESS = ("uvicorn", "uvicorn-h11", "gunicorn", "waitress")
WITH_BATCHES = ("gate", *IN_PROCESS)
NAMES = (*FRONTS, *WITH_BATCHES)
_GATE = """
[gate]
name = "gate-of-bypasses"
header_seconds = 2

[[tenants]]
name = "orion"
issuer = "{issuer}"
database = "{database}"
secrets = {{ DomainAPI = {{ env = "SECRET" }} }}

[[routes]]
prefix = "/"
api = "DomainAPI"
upstream = "http://127.0.0.1:{upstream}"
identity = "headers"
websocket = true
"""
_GUNICORN = "gunicorn tests.edge.recording_apps:app --threads 4 --log-level warning"


class Way(NamedTuple):
    """One server.

    Args:
        new: what has reached what stands behind it since the last time.
    """

    name: str
    port: int
    new: Callable[[], list[Reached]]


class Answered(NamedTuple):
    """What one attempt led to."""

    data: bytes
    reached: list[Reached]

    @property
    def statuses(self) -> list[int]:
        """Of all answers that came back, in order."""
        pieces = self.data.split(b"HTTP/1.")[1:]
        return [int(piece[2:5]) for piece in pieces if piece[2:5].isdigit()]


@contextmanager
def all_ways(world: World, folder: Path) -> Iterator[dict[str, Way]]:
    """Start everything at once.

    Args:
        world: with the API DomainAPI, whose secret is `API_SECRET`.
    """
    with ExitStack() as stack:
        ways = [
            _gunicorn(stack, world, folder),
            _waitress(stack, world),
            _gate(stack, world),
            *(_in_server(world, http) for http in ("httptools", "h11")),
        ]
        for name in FRONTS:
            upstream = stack.enter_context(naive_upstream())
            port = stack.enter_context(running(name, world.port, upstream.port, API_SECRET))
            ways.append(Way(name, port, _drain(upstream.reached)))
        yield {name: way for name in NAMES for way in ways if way.name == name}


def attempt(way: Way, data: bytes, first: float = 1.5) -> Answered:
    """Send bytes as they are, and wait `first` seconds for an answer to begin."""
    way.new()  # what came too late
    answer = sent(way.port, data, first=first)
    return Answered(answer, way.new())


def sent(port: int, data: bytes, *, first: float = 5.0, silence: float = 0.2) -> bytes:
    """All that comes back, until the connection ends or nothing comes any more.

    Args:
        first: seconds to wait for the first byte.
        silence: seconds after which nothing more is waited for.
    """
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=first) as link:
        with suppress(OSError):
            link.sendall(data)
        with suppress(OSError):
            while piece := link.recv(65536):
                answer += piece
                link.settimeout(silence)
    return answer


def _drain(found: list[Reached]) -> Callable[[], list[Reached]]:
    def new() -> list[Reached]:
        taken, found[:] = list(found), []
        return taken

    return new


def _gate(stack: ExitStack, world: World) -> Way:
    upstream = stack.enter_context(naive_upstream())
    text = _GATE.format(
        issuer=world.issuer, database=world.instance.database, upstream=upstream.port
    )
    gate = GateWorld(text, {"SECRET": API_SECRET})
    stack.callback(gate.stop)
    return Way("gate", gate.port, _drain(upstream.reached))


def _in_server(world: World, http: str) -> Way:
    """`GuardMiddleware` under uvicorn, in the server's event loop and by its own sources."""
    listening = socket.create_server(("127.0.0.1", 0))
    found: list[Reached] = []

    async def serve(application: Application, instance: InstanceApplication) -> None:
        guard = Guard(instance._verifier, "DomainAPI", sessions=instance.erp_sessions)
        config = uvicorn.Config(
            GuardMiddleware(asgi_recorder(found.append), guard),
            http=http,  # type: ignore[arg-type]
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            assert not task.done()
            await asyncio.sleep(0.01)

    world.run_in_server(serve)
    name = "uvicorn" if http == "httptools" else f"uvicorn-{http}"
    return Way(name, listening.getsockname()[1], _drain(found))


def _environment(world: World) -> dict[str, str]:
    return {
        "MINTGATE_ISSUER": world.issuer,
        "MINTGATE_API_SECRET": API_SECRET,
        "MINTGATE_DATABASE": world.instance.database,
    }


def _waitress(stack: ExitStack, world: World) -> Way:
    found: list[Reached] = []
    listening = socket.create_server(("127.0.0.1", 0))
    app, guard = guarded_by_issuer(found.append, _environment(world))
    server: Any = create_server(app, sockets=[listening], threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()

    def stop() -> None:
        server.close()
        server.task_dispatcher.shutdown()
        guard.close()

    stack.callback(stop)
    return Way("waitress", listening.getsockname()[1], _drain(found))


def _gunicorn(stack: ExitStack, world: World, folder: Path) -> Way:
    records, output = folder / "gunicorn.jsonl", folder / "gunicorn.txt"
    file = RecordFile(records)
    with socket.create_server(("127.0.0.1", 0)) as listening, output.open("wb") as log:
        port = int(listening.getsockname()[1])
        words = [*_GUNICORN.split(), "--no-control-socket", "--bind", f"fd://{listening.fileno()}"]
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "MINTGATE_RECORDS": str(records), **_environment(world)},
            pass_fds=[listening.fileno()],
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def stop() -> None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        text = output.read_text(errors="replace")
        assert "Traceback" not in text, text
        assert API_SECRET not in text

    stack.callback(stop)
    deadline = time.monotonic() + 20
    while b" 401 " not in sent(port, b"GET / HTTP/1.0\r\n\r\n"):
        assert time.monotonic() < deadline, output.read_text(errors="replace")
        time.sleep(0.05)
    return Way("gunicorn", port, file.new)
