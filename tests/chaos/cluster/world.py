"""The world: PostgreSQL, three servers, nginx before them, and two APIs that follow them.

Every server reaches PostgreSQL through a cable of its own. The instance's base URL is a cable,
too: it leads to nginx, and the APIs in processes of their own ask their issuer by it. Clients go to
nginx, or to one process, and call it by the instance's name (`through`).
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import httpx

from mintgate.contract.identifiers import secret_hash
from mintgate.server import declaration
from mintgate.store import Database, apis, instances, schema
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.records import fill_demo_data
from tests.chaos.cluster.cables import Cable, Patchbay
from tests.chaos.cluster.nginx import Nginx
from tests.chaos.cluster.postgres import PostgreSQL
from tests.soak.traffic import people
from tests.wire.test_serve import PROGRAM, free_port
from tests.world import PASSWORD_HASH, TOML

API_SECRET = "the-secret-of-the-api"
DATABASE_NAME = "ORION_PROD X-1"
LICENCES = 6
NODES = 3
PATIENCE_SECONDS = 60.0
"""Of clients: a busy machine is no failure."""
READY_KEPT_SECONDS = 1.2
"""What `/readyz` says may be a second old."""


class Through(httpx.HTTPTransport):
    """Takes every request to one port of this machine, whatever its URL says."""

    def __init__(self, port: int) -> None:
        super().__init__(verify=False)  # there is no TLS, and its certificates take long to load
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(port=self._port)
        return super().handle_request(request)


class Node:
    """One `mintgate serve`, its cable to PostgreSQL and its clock.

    Args:
        stale: its `stale_state_seconds`.
    """

    def __init__(
        self, number: int, folder: Path, cable: Cable, database: str, stale: float
    ) -> None:
        self.name = f"server {number} (stale {stale:g} s)"
        self.stale = stale
        self.is_cut_off = False
        """Whether it may not reach PostgreSQL: from before that until it is ready again."""
        self.port = free_port()
        self.cable = cable
        self.output = folder / f"{self.name}.txt"
        self._folder = folder
        self._clock_file = folder / f"{self.name}.clock"
        self._clock_file.write_bytes(struct.pack("d", 0.0))
        self._database = database
        self.process: subprocess.Popen[bytes] | None = None

    def move_clock(self, seconds: float) -> None:
        """How far its time of day is off from now on."""
        with self._clock_file.open("r+b") as file:
            file.write(struct.pack("d", seconds))

    def start(self) -> None:
        command = ["serve", "--port", str(self.port), "--database", self._database]
        command += ["--key-file", str(self._folder / "mintgate.key"), "--drain-seconds", "0.2"]
        command += ["--stale-state-seconds", str(self.stale)]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.cluster.node", str(self._clock_file), *command],
                cwd=Path(__file__).parents[3],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def stop(self, seconds: float = 60) -> None:
        """End it as an operator does, and wait for it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise

    @property
    def is_ready(self) -> bool:
        return self.readiness.startswith("200")

    @property
    def readiness(self) -> str:
        """What `/readyz` says."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5)
        except httpx.HTTPError as error:
            return repr(error)
        return f"{answer.status_code} {answer.text}"


class Adapter:
    """An API in its own process; see `adapter`.

    Args:
        stale: its `stale_state_seconds`.
    """

    def __init__(self, stale: float, issuer: str, folder: Path) -> None:
        self.name = f"API (stale {stale:g} s)"
        self.stale = stale
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            (folder / f"{self.name}.txt").open("wb") as output,
        ):
            self.port: int = listening.getsockname()[1]
            words = [issuer, DATABASE_NAME, str(stale), str(listening.fileno())]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.cluster.adapter", *words],
                cwd=Path(__file__).parents[3],
                env={**os.environ, "API_SECRET": API_SECRET},
                pass_fds=[listening.fileno()],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Cluster:
    """All of it.

    Args:
        stale: the `stale_state_seconds` of APIs and servers, in turn.
    """

    def __init__(self, folder: Path, stale: tuple[float, ...]) -> None:
        self.folder = folder
        self._stale = stale
        self._stack = ExitStack()
        self.unready: Counter[str] = Counter()
        """What servers said that were waited for."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def _start(self, stack: ExitStack) -> None:
        patchbay = stack.enter_context(Patchbay())
        self.postgresql = stack.enter_context(PostgreSQL())
        self.front_port = free_port()
        self.issuer_cable = patchbay.cable(self.front_port)
        self.base = f"http://127.0.0.1:{self.issuer_cable.port}"
        self.database = Database(self.postgresql.url())
        """Past every cable, for what the test looks at itself."""
        stack.callback(self.database.close)
        self._declare()
        cables = [patchbay.cable(self.postgresql.port) for _ in range(NODES)]
        self.nodes = [
            Node(number, self.folder, cable, self.postgresql.url(cable.port), stale)
            for number, (cable, stale) in enumerate(
                zip(cables, itertools.cycle(self._stale), strict=False), 1
            )
        ]
        for node in self.nodes:
            node.start()
            stack.callback(node.stop)
        self._nginx = Nginx(self.front_port, [node.port for node in self.nodes])
        stack.enter_context(self._nginx)
        self.wait_until_ready()
        self.adapters = [Adapter(stale, f"{self.base}/id", self.folder) for stale in self._stale]
        for adapter in self.adapters:
            stack.callback(adapter.stop)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _declare(self) -> None:
        text = TOML.replace("licences = 1000", f"licences = {LICENCES}")
        text = text.replace(
            'ApplicationUri = "shop.example.org/backoffice"',
            'ApplicationUri = "shop.example.org/backoffice"\n'
            'ReferenceTokens = "AuthenticatedUsers"',
        ).format(
            base_url=self.base,
            instance_settings="",
            password_hash=PASSWORD_HASH,
            more=people(),
        )
        schema.upgrade(self.database)
        self.key_file = self.folder / "mintgate.key"
        key = KeyEncryptionKey.from_file(self.key_file, create=True)
        declaration.apply(self.database, declaration.read(text, {}), lambda: key)
        self.instance_id = self.database.read_now(instances.all_of)[0].id
        with self.database.begin() as tx:
            apis.set_secret(tx, self.instance_id, "DomainAPI", secret_hash(API_SECRET))
            fill_demo_data(tx, self.instance_id)

    def wait_until_ready(self, seconds: float = 180) -> None:
        """Until every server says that it is ready, and says so again when it has looked anew."""
        deadline = time.monotonic() + seconds
        since: float | None = None
        while since is None or time.monotonic() - since < READY_KEPT_SECONDS:
            said = [node.readiness for node in self.nodes]
            if not all(text.startswith("200") for text in said):
                since = None
                self.unready.update(text for text in said if not text.startswith("200"))
            elif since is None:
                since = time.monotonic()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)
        for node in self.nodes:
            node.is_cut_off = False

    def said(self) -> str:
        """What all have to say of the last moments, for who wonders what went wrong."""
        servers = [
            f"{node.name}: {node.readiness}\n{node.output.read_text(errors='replace')[-3000:]}"
            for node in self.nodes
        ]
        return "\n".join([*servers, f"nginx: {self._nginx.said[-3000:]}"])

    def client(self, port: int | None = None) -> httpx.Client:
        """A client of nginx, or of the process at a port."""
        transport = Through(port or self.front_port)
        return httpx.Client(base_url=self.base, transport=transport, timeout=PATIENCE_SECONDS)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `mintgate` on the database."""
        return subprocess.run(
            [*PROGRAM, *words, "--database", self.postgresql.url()],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
        )


def wait_for(condition: Callable[[], bool], seconds: float, said: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.05)
