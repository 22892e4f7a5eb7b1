"""Mixed traffic at several processes: memory stays flat, and the slots are exact.

`make soak` does it for 30 minutes, `make test` for one (MINTGATE_SOAK_SECONDS).
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
from sqlalchemy import select

from mintgate.server import declaration
from mintgate.store import Database, erp_session_ends, instances, licence_pools, schema
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.tables import erp_sessions
from tests.soak.journal import Journal
from tests.soak.traffic import Door, Traffic, client_of, people
from tests.wire.test_serve import PROGRAM, free_port
from tests.world import PASSWORD_HASH, TOML

SECONDS = float(os.environ.get("MINTGATE_SOAK_SECONDS", "60"))
SEED = int(os.environ.get("MINTGATE_SOAK_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
FILL = int(os.environ.get("MINTGATE_SOAK_FILL", "4500" if SECONDS >= 600 else "0"))
"""How many tokens are shown everywhere first: more than the 4,096 that a verifier remembers.

The few of a short soak do not show in the memory."""
LICENCES = 4
SECRET = "the-secret-of-the-api"
CUSTOMERS = "/api/domain/odata/Crm_Sales_Customers?$top=1"
GATE = """
[gate]
access_log = false
[[tenants]]
name = "orion"
issuer = "{base}/id"
database = "ORION_PROD X-1"
secrets = {{ DomainAPI = {{ env = "API_SECRET" }} }}
[[routes]]
prefix = "/api/domain"
api = "DomainAPI"
upstream = "{base}"
"""
WATCH_SECONDS = 0.5
SEEN = ("sign-ins", "sign-outs", "refused for want of a slot", "closed")
"""What a run without is worth nothing."""
MEGABYTE = 2**20
MOST_GROWTH = 0.04
"""Of a process from the third quarter to the last, by the least of each: the memory for a check of
a password comes and goes, copies of tokens fill up to their bound, and a leak goes on."""


def test_slots_are_exact_and_memory_is_flat(tmp_path: Path, postgresql: Callable[[], str]) -> None:
    """[SES-11, SES-21, SES-25, SES-33, EXT-17]"""
    ports = free_port(), free_port()
    base = f"http://127.0.0.1:{ports[0]}"
    servers = [f"http://127.0.0.1:{port}" for port in ports]
    gate_port = free_port()
    database = declare(tmp_path, base, postgresql())
    journal = Journal()
    with ExitStack() as stack:
        processes = {
            f"server {number}": stack.enter_context(serving(tmp_path, port, database.url))
            for number, port in enumerate(ports)
        }
        processes["gate"] = stack.enter_context(gating(tmp_path, gate_port, base))
        doors = [
            Door(f"server {number}", caller(stack, server, base))
            for number, server in enumerate(servers)
        ]
        gate = f"http://127.0.0.1:{gate_port}"
        doors.append(Door("the gate", caller(stack, gate, gate)))
        doors.append(Door("forward auth", forward_auth(stack, servers[1])))
        watch = Watch(database, journal, {n: p.pid for n, p in processes.items()})
        traffic = Traffic(servers, doors, journal, SEED)
        traffic.fill_memories(FILL)
        watch.start()
        traffic.start()
        watch.wait(SECONDS)
        traffic.stop()
        watch.stop()
        assert not journal.problems, (SEED, journal.problems, dict(journal.counts))
        print(f"seed {SEED}: {dict(journal.counts)}\n{watch.told()}")  # noqa: T201 - for `make soak`
        for what in SEEN:
            assert journal.counts[what] > 0, (what, journal.counts)
        assert database.keys() == journal.open
        assert database.in_use() == len(journal.open) <= LICENCES
        assert watch.growth() == {}
        for key in sorted(journal.open):
            database.close_session(key)
        assert (database.keys(), database.in_use()) == (set(), 0)
    database.dispose()


class Books:
    """What the store says of sessions and slots, read and changed as another process does."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database = Database(url)
        schema.upgrade(self._database)

    def declare(self, text: str, key: KeyEncryptionKey) -> None:
        declaration.apply(self._database, declaration.read(text, {}), lambda: key)
        self._id = self._database.read_now(instances.all_of)[0].id

    def keys(self) -> set[str]:
        return set(
            self._database.read_now(lambda c: c.execute(select(erp_sessions.c.key)).scalars())
        )

    def in_use(self) -> int:
        now = time.time()
        return self._database.read_now(lambda c: licence_pools.counts(c, self._id, now).in_use)

    def close_session(self, key: str) -> None:
        with self._database.begin() as tx:
            assert erp_session_ends.close(tx, self._id, key, "soak"), key

    def dispose(self) -> None:
        self._database.close()


class Watch:
    """The administrator: counts slots, looks at the memory, and closes what was left.

    He closes when somebody was refused, as one who hears complaints: so the slots fill up on a
    machine of any speed.
    """

    def __init__(self, books: Books, journal: Journal, pids: dict[str, int]) -> None:
        self._books, self._journal = books, journal
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self.memory: dict[str, list[int]] = {name: [] for name in pids}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def start(self) -> None:
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """So long, and on a slow machine longer, until each of what must happen has happened."""
        begun = time.monotonic()
        while not self._journal.problems:
            passed, counts = time.monotonic() - begun, self._journal.counts
            if passed >= seconds and (all(counts[w] for w in SEEN) or passed >= 5 * seconds):
                break
            self._stopping.wait(0.2)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(60)

    def told(self) -> str:
        return "\n".join(
            f"{name}: {values[0] / MEGABYTE:.1f} MB at first, then "
            + ", ".join(f"{value / MEGABYTE:.1f}" for value in self._quarters(values))
            for name, values in self.memory.items()
        )

    def growth(self) -> dict[str, str]:
        """Processes that grew from the third quarter to the last one by more than they may."""
        grown = {}
        for name, values in self.memory.items():
            _, _, before, after = self._quarters(values)
            if after > before * (1 + MOST_GROWTH):
                grown[name] = f"{before / MEGABYTE:.1f} to {after / MEGABYTE:.1f} MB"
        return grown

    def _quarters(self, values: list[int]) -> list[int]:
        size = max(1, len(values) // 4)
        return [min(values[start : start + size]) for start in range(0, 4 * size, size)]

    def _work(self) -> None:
        answered = 0
        while not self._stopping.wait(WATCH_SECONDS):
            in_use = self._books.in_use()
            if in_use > LICENCES:
                self._journal.problem(f"{in_use} slots of {LICENCES} are in use")
                return
            for name, process in self._processes.items():
                self.memory[name].append(process.memory_info().rss)
            refused = self._journal.counts["refused for want of a slot"]
            while refused > answered and (key := self._journal.take_left()):
                self._books.close_session(key)
                self._journal.closed(key)
                self._journal.count("closed")
            answered = refused


def declare(folder: Path, base: str, url: str) -> Books:
    text = TOML.replace("licences = 1000", f"licences = {LICENCES}").format(
        base_url=base,
        instance_settings="",
        password_hash=PASSWORD_HASH,
        more=f'{people()}\n[[apis]]\nName = "DomainAPI"\nSecret = "{SECRET}"\n',
    )
    books = Books(url)
    books.declare(text, KeyEncryptionKey.from_file(folder / "mintgate.key", create=True))
    return books


def serving(folder: Path, port: int, url: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """A server's process."""
    key_file = str(folder / "mintgate.key")
    command = ["serve", "--port", str(port), "--database", url, "--key-file", key_file]
    return running(folder, command, f"http://127.0.0.1:{port}/readyz")


def gating(folder: Path, port: int, base: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """A gate's process, in front of the first server's own API, which checks once more."""
    file = folder / "gate.toml"
    file.write_text(GATE.format(base=base))
    command = ["gate", str(file), "--port", str(port)]
    return running(folder, command, f"http://127.0.0.1:{port}/-/ready", API_SECRET=SECRET)


@contextmanager
def running(
    folder: Path, command: list[str], ready: str, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    output = folder / f"output {command[0]} {httpx.URL(ready).port}.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*PROGRAM, *command],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_ready(ready, process, output)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, "it did not start"
        time.sleep(0.05)


def caller(stack: ExitStack, server: str, base: str) -> Callable[[str], httpx.Response]:
    http = stack.enter_context(client_of(server, base))
    return lambda token: http.get(CUSTOMERS, headers={"Authorization": f"Bearer {token}"})


def forward_auth(stack: ExitStack, server: str) -> Callable[[str], httpx.Response]:
    """What a server in front of an API asks, and is told; HAProxy gets refusals as they are."""
    http = stack.enter_context(httpx.Client(base_url=server, timeout=60))
    told = {
        "X-Mintgate-Gate-Secret": SECRET,
        "X-Mintgate-Gate-Method": "GET",
        "X-Mintgate-Gate-Uri": CUSTOMERS,
        "X-Mintgate-Gate-Address": "192.0.2.17",
    }
    return lambda token: http.get(
        "/gate/haproxy/orion/DomainAPI", headers={**told, "Authorization": f"Bearer {token}"}
    )
