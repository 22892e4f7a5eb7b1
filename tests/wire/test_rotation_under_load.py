"""Keys change while several processes serve and check: no good token is refused [EXT-14, API-6]."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.promptness import promptly
from tests.wire.test_claims_by_flow import header_of
from tests.wire.test_serve import free_port, run, serving
from tests.world import REDIRECT

CUSTOMERS = "/api/domain/odata/Crm_Sales_Customers?$top=1"
DEMO_REDIRECT = "http://127.0.0.1:9101/callback"
PAUSE = 0.02
assert REDIRECT == DEMO_REDIRECT

VERIFIER = """
import sys
from mintgate.verify import Verifier
verifier = Verifier.discover(sys.argv[1])
for line in sys.stdin:
    try:
        verifier.verify(line.strip(), "DomainAPI", {"read"})
        print("good", flush=True)
    except Exception as error:
        print(repr(error), flush=True)
"""
"""A verifier in a process of its own; one line a token."""


class Servers:
    """Two server processes over one database, known by one base URL."""

    def __init__(self, folder: Path, database: str, ports: tuple[int, int]) -> None:
        self.folder, self.database = folder, database
        self.base = f"http://127.0.0.1:{ports[0]}"
        # The host of the request decides the instance, so the second is asked by the same name.
        self.clients = [
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Host": f"127.0.0.1:{ports[0]}"},
                timeout=30,
            )
            for port in ports
        ]

    def command(self, *arguments: str) -> str:
        done = run(*arguments, "--database", self.database, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def service_token(self, client: httpx.Client) -> str:
        answer = client.post(
            "/id/connect/token",
            data={"grant_type": "client_credentials"},
            auth=("demo.app/service", "demo-secret"),
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def user_token(self, client: httpx.Client) -> str:
        """Sign in as a person does, and redeem the code."""
        with httpx.Client(
            base_url=client.base_url, headers={"Host": client.headers["Host"]}, timeout=30
        ) as browser:
            query = {
                "client_id": "demo.app/web",
                "redirect_uri": DEMO_REDIRECT,
                "response_type": "code",
                "scope": "openid profile read",
                "state": "s",
            }
            page = self._follow(browser, browser.get("/id/connect/authorize", params=query))
            hidden = re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', page.text)
            form = dict(hidden) | {"login": "john.doe", "password": "demo-password"}
            done = self._follow(browser, browser.post("/id/signin", data=form))
            code = httpx.URL(done.headers["location"]).params["code"]
        answer = client.post(
            "/id/connect/token",
            data={"grant_type": "authorization_code", "code": code, "redirect_uri": DEMO_REDIRECT},
            auth=("demo.app/web", "demo-web-secret"),
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def status(self, client: httpx.Client, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return client.get(CUSTOMERS, headers=headers).status_code

    def _follow(self, browser: httpx.Client, answer: httpx.Response) -> httpx.Response:
        for _ in range(5):
            place = answer.headers.get("location", "")
            if not answer.is_redirect or not place.startswith(self.base):
                break
            answer = browser.get(place.removeprefix(self.base))
        return answer


@pytest.fixture
def servers(tmp_path: Path, database_url: str) -> Iterator[Servers]:
    ports = free_port(), free_port()
    second = tmp_path / "second"
    second.mkdir()
    key = ("--key-file", str(tmp_path / "mintgate.key"), "--database", database_url)
    with ExitStack() as stack:
        stack.enter_context(serving(tmp_path, ports[0], "--demo", *key))
        # It has no page of its own to show; readiness is the same on either.
        stack.enter_context(serving(second, ports[1], *key))
        made = Servers(tmp_path, database_url, ports)
        yield made
        for client in made.clients:
            client.close()


class Load:
    """Threads that do something again and again until told to stop; every failure is kept."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.done = 0
        self.kids: set[str] = set()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, work: Callable[[], None]) -> None:
        def again_and_again() -> None:
            for _ in range(5000):
                if self._stop.is_set():
                    return
                try:
                    work()
                    self.done += 1
                except Exception as error:  # noqa: BLE001 - told at the end
                    self.failures.append(repr(error))
                time.sleep(PAUSE)

        thread = threading.Thread(target=again_and_again, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


class Elsewhere:
    """The verifier process."""

    def __init__(self, base: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", VERIFIER, base],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()

    def check(self, token: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(token + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline().strip()
        assert answer == "good", answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(30) == 0


def test_three_rotations_under_load_and_a_compromised_key(servers: Servers) -> None:
    """Sign-ins, service tokens and checks by two servers and a verifier of its own."""
    elsewhere, load = Elsewhere(servers.base), Load()

    def use(make: Callable[[httpx.Client], str], at: int) -> None:
        token = make(servers.clients[at])
        load.kids.add(header_of(token)["kid"])
        for client in servers.clients:  # the other one has perhaps not heard of the key yet
            assert servers.status(client, token) == 200
        elsewhere.check(token)

    for at in (0, 1):
        load.start(lambda at=at: use(servers.service_token, at))  # type: ignore[misc]
    load.start(lambda: use(servers.user_token, 1))
    made = []
    for _ in range(3):
        printed = servers.command("key", "rotate", "--at-once", *_key(servers))
        made.append(printed.split()[1])
        _wait(lambda: made[-1] in load.kids)
    load.stop()
    elsewhere.close()
    assert load.failures == []
    assert set(made) < load.kids
    assert load.done > 20

    # [TOP-13] The emergency path: refused by both soon after the commit.
    token = servers.service_token(servers.clients[0])
    assert [servers.status(client, token) for client in servers.clients] == [200, 200]
    servers.command("key", "compromised", header_of(token)["kid"], *_key(servers))
    promptly(lambda: 200 not in [servers.status(client, token) for client in servers.clients])
    for client in servers.clients:
        fresh = servers.service_token(client)
        assert [servers.status(other, fresh) for other in servers.clients] == [200, 200]


def _key(servers: Servers) -> tuple[str, str]:
    return "--key-file", str(servers.folder / "mintgate.key")


def _wait(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_changing_the_key_encryption_key_while_servers_run(tmp_path: Path) -> None:
    """Servers with both keys go on; one with the old key alone does too, and cannot make keys."""
    old, new = tmp_path / "mintgate.key", tmp_path / "new.key"
    with serving(tmp_path, port := free_port(), "--demo"):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            servers = Servers(tmp_path, f"sqlite:///{tmp_path}/mintgate.db", (port, port))
            token = servers.service_token(http)
            printed = servers.command("key", "re-encrypt", "--new-key-file", str(new))
            assert "Sealed 2 with the new key" in printed  # and the key of the audit log
            assert new.stat().st_mode & 0o777 == 0o600
            assert "Nothing to do" in servers.command(
                "key", "re-encrypt", "--new-key-file", str(new)
            )
            assert servers.status(http, token) == 200
            # The running server has the old key only: what the new one sealed verifies here.
            servers.command("key", "rotate", "--at-once", "--key-file", str(new))
            time.sleep(2.5)
            assert servers.status(http, servers.service_token(http)) == 200
            assert len(http.get("/id/.well-known/openid-configuration/jwks").json()["keys"]) == 2
        refused = run("key", "rotate", cwd=tmp_path)
        assert refused.returncode == 1
        assert "another key-encryption key" in refused.stderr
        log = (tmp_path / "output.txt").read_text()
        assert "cannot sign with key" in log
    refused = run("serve", "--port", str(free_port()), cwd=tmp_path)
    assert refused.returncode == 1
    assert "MINTGATE_KEY_FILE_PREVIOUS" in refused.stderr
    done = run(
        *("key", "re-encrypt", "--key-file", str(old)),
        cwd=tmp_path,
        MINTGATE_KEY_FILE_PREVIOUS=str(new),
    )
    assert "Sealed 3" in done.stdout, done.stderr
    rows = json.loads(run("key", "list", "--json", cwd=tmp_path).stdout)
    assert [row["algorithm"] for row in rows] == ["RS256", "RS256"]
