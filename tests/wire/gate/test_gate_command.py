"""`mintgate gate` as a real process."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.gate_world import API_SECRET, Upstream, exchange, until
from tests.wire.gate.conftest import Gated
from tests.wire.test_serve import PROGRAM, free_port, run
from tests.world import World, sqlite_url

FILE = """
[gate]
port = {port}
shutdown_seconds = 1

[[tenants]]
name = "orion"
issuer = "{issuer}"
database = "{database}"
secrets = {{ DomainAPI = {{ file = "secret.txt" }} }}

[[routes]]
prefix = "/orders"
api = "DomainAPI"
upstream = "{upstream}"
"""


class Running(NamedTuple):
    url: str
    port: int
    output: Path
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def gating(folder: Path, issuer: str, database: str, upstream: str) -> Iterator[Running]:
    port = free_port()
    text = FILE.format(port=port, issuer=issuer, database=database, upstream=upstream)
    (folder / "gate.toml").write_text(text)
    (folder / "secret.txt").write_text(API_SECRET + "\n")
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*PROGRAM, "gate", "gate.toml"], cwd=folder, stdout=file, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:

        def answers() -> bool:
            assert process.poll() is None, output.read_text()
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(f"{url}/-/health").is_success
            return False

        until(answers, 60)
        yield Running(url, port, output, process)
    finally:
        process.kill()
        process.wait(30)


def test_a_real_process_from_start_to_end(gated: Gated, tmp_path: Path) -> None:
    world, upstream = gated.world, gated.upstream
    with gating(tmp_path, world.issuer, world.instance.database, upstream.url) as running:
        until(lambda: httpx.get(f"{running.url}/-/ready").is_success)
        headers = {"Authorization": f"Bearer {gated.token}"}
        assert httpx.get(f"{running.url}/orders/7?q=hidden", headers=headers).is_success
        assert upstream.seen[-1].target == "/orders/7?q=hidden"
        assert httpx.get(f"{running.url}/orders/7").status_code == 401
        refused = exchange(running.port, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 400 ")
        output = running.output.read_text()
        assert f"listens on {running.url}" in output
        assert f"/orders is DomainAPI\n    -> {upstream.url}" in re.sub(r"\n  ", "\n", output)
        for line in ('"path":"/orders/7","status":200', '"status":401', "2 Host headers"):
            assert line in output
        for secret in (gated.token, API_SECRET, "hidden"):
            assert secret not in output

        # What runs may come to its end; what does not is cut off.
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as link:
            head = f"Host: a\r\nAuthorization: Bearer {gated.token}\r\n\r\n"
            link.sendall(f"GET /orders/endless HTTP/1.1\r\n{head}".encode())
            assert link.recv(4096).startswith(b"HTTP/1.1 200 ")
            running.process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            assert running.process.wait(20) in {0, -signal.SIGTERM}
            assert time.monotonic() - started < 15
        assert "Traceback" not in running.output.read_text()


def test_it_waits_for_an_identity_server_that_is_away(tmp_path: Path) -> None:
    world = World(sqlite_url(tmp_path), clock=time.time).start()
    upstream = Upstream()
    token = world.service_token()
    issuer, database = world.issuer, world.instance.database
    world.stop()
    try:
        with gating(tmp_path, issuer, database, upstream.url) as running:
            headers = {"Authorization": f"Bearer {token}"}
            answer = httpx.get(f"{running.url}/orders", headers=headers, timeout=30)
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert answer.json()["error"]["type"] == "temporarily_unavailable"
            assert httpx.get(f"{running.url}/-/ready").status_code == 503
            assert upstream.seen == []
            told = f"the state feed cannot be read: cannot read the metadata of {issuer}"
            until(lambda: told in running.output.read_text())  # by another task, which may be later
    finally:
        upstream.stop()


def test_check_tells_what_it_does(tmp_path: Path) -> None:
    file = Path(__file__).parents[3] / "examples" / "gate.toml"
    secrets = {"DOMAIN_SECRET": "secret-a", "ORDERS_SECRET": "secret-b"}
    done = run("gate", str(file), "--check", cwd=tmp_path, **secrets)
    assert done.returncode == 0, done.stderr
    assert "/orders is Orders" in done.stdout
    assert "-> http://127.0.0.1:9002/v1" in done.stdout
    assert "secret-" not in done.stdout
    example = run("gate", "--example", cwd=tmp_path)
    assert example.stdout == file.read_text()


def test_problems_are_told_by_line(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text('[[routes]]\nprefx = "/a"\napi = "DomainAPI"\n')
    done = run("gate", "gate.toml", cwd=tmp_path)
    assert done.returncode == 1
    assert "gate.toml:2: prefx: is not a key here; did you mean prefix?" in done.stderr
    assert "problems in gate.toml" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["gate", "missing.toml"], "mintgate gate --example"),
        (["gate"], "mintgate gate --example"),
        (["gate", "x.toml", "--tls-cert", "x.pem"], "go together"),
    ],
)
def test_misuse(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode in {1, 2}
    assert told in re.sub(r"[\s│]+", " ", done.stderr)
