"""`mintgate gate` by several processes, told how things stand by systemd's protocols."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path

from tests.certificates import write_certificate
from tests.wire.steady_load import SteadyLoad, get
from tests.wire.test_serve import PROGRAM, free_port
from tests.wire.test_workers import working

FILE = """
[gate]
host = "::1"
[[tenants]]
name = "orion"
issuer = "http://127.0.0.1:1/id"
database = "ORION"
secrets = { DomainAPI = { env = "SECRET" } }
[[routes]]
prefix = "/orders"
api = "DomainAPI"
upstream = "http://127.0.0.1:2"
limits = { per_client = 5 }
"""
HEALTH = "/-/health"
# systemd gives the socket as file 3 and names the process that it is for.
_PASSING = 'exec 3<&"$FD"; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'


def told_to_systemd(listening: socket.socket) -> str:
    return listening.recv(4096).decode()


def test_reloads_tls_and_file(tmp_path: Path) -> None:
    """A new certificate is served after SIGHUP; a bad file changes nothing; none of it is felt."""
    file = tmp_path / "gate.toml"
    file.write_text(FILE)
    certificate = write_certificate(tmp_path)
    options = ("--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1]))
    command = ("gate", "gate.toml", "--port", "0", "--workers", "2", *options)
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(str(tmp_path / "notify"))
    notified.settimeout(60)
    environment = {"SECRET": "s" * 43, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    with notified, working(tmp_path, *command, **environment) as gate:
        gate.until_told("2 workers serve")
        assert told_to_systemd(notified) == "READY=1"
        assert "each of the 2 workers counts" in gate.output
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        load = SteadyLoad(
            gate.port, [get(HEALTH, "a")], kept=3, fresh=2, pause=0.02, host="::1", tls=context
        )

        async def reload_twice() -> None:
            async with load.running():
                served = await asyncio.to_thread(certificate_of, gate.port)
                file.write_text("[gate]\nnonsense = 1\n")
                gate.send(signal.SIGHUP)
                await asyncio.to_thread(gate.until_told, "the workers that there are go on")
                assert "gate.toml:2: nonsense" in gate.output
                file.write_text(FILE)
                write_certificate(tmp_path)
                gate.send(signal.SIGHUP)
                await asyncio.to_thread(gate.until_told, "the old ones end")
                # An old worker still answers who had reached it before it was told to end.
                await asyncio.to_thread(gate.until, lambda: certificate_of(gate.port) != served)
                asked = load.answered
                await asyncio.to_thread(gate.until, lambda: load.answered > asked + 20)

        asyncio.run(reload_twice())
        assert load.failures == []
        assert load.refused == 0
        assert set(load.statuses) == {200}
        for _ in range(2):
            first, second = told_to_systemd(notified).split("\n")
            assert (first, second[:15]) == ("RELOADING=1", "MONOTONIC_USEC=")
            assert told_to_systemd(notified) == "READY=1"
        gate.send(signal.SIGTERM)
        assert told_to_systemd(notified) == "STOPPING=1"
        assert gate.process.wait(60) == 0


def certificate_of(port: int) -> str:
    return ssl.get_server_certificate(("::1", port))


def test_a_worker_that_dies_at_once_ends_the_parent(tmp_path: Path) -> None:
    """Trying again and again would hide what is wrong."""
    (tmp_path / "gate.toml").write_text(FILE)
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nif '\"work\"' in os.environ.get('MINTGATE_INHERITED', ''): os._exit(7)\n"
    )
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    command = ("gate", "gate.toml", "--port", "0", "--workers", "2")
    with working(tmp_path, *command, SECRET="s" * 43, PYTHONPATH=path) as gate:
        assert gate.process.wait(60) == 7
        assert "ended with exit code 7 before it served" in gate.output


def test_one_signing_key_for_all(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text(FILE + 'identity = "token"\n')
    command = ("gate", "gate.toml", "--port", str(free_port()), "--workers", "2")
    with working(tmp_path, *command, SECRET="s" * 43) as gate:
        assert gate.process.wait(60) == 1
        assert "several workers need one signing_key" in gate.output


def test_connections_wait_while_the_program_is_exchanged(tmp_path: Path) -> None:
    """systemd listens: between the end of one program and the next nobody is refused."""
    (tmp_path / "gate.toml").write_text(FILE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment = {**os.environ, "SECRET": "s" * 43, "FD": str(listener.fileno())}

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                ["bash", "-c", _PASSING, "bash", *PROGRAM, "gate", "gate.toml"],
                cwd=tmp_path,
                env=environment,
                pass_fds=(listener.fileno(),),
                stdout=subprocess.DEVNULL,
            )

        def ask() -> socket.socket:
            link = socket.create_connection(listener.getsockname(), timeout=60)
            link.sendall(get(HEALTH, "a"))
            return link

        with ask() as waiting:
            process = start()
            assert waiting.recv(99).startswith(b"HTTP/1.1 200 ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in {0, -signal.SIGTERM}
        with ask() as waiting:
            process = start()
            assert waiting.recv(99).startswith(b"HTTP/1.1 200 ")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in {0, -signal.SIGINT, 130}
