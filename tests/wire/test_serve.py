"""`mintgate serve` as a real process: the demo, bad settings, changes seen while it runs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mintgate.store import Database, instances, keys
from mintgate.store.keys import KeyEncryptionKey
from tests.leaks import require_clean_folder
from tests.promptness import promptly
from tests.warm_program import run_command
from tests.world import payload_of

PROGRAM = [sys.executable, "-m", "mintgate.cli"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def run(*arguments: str, cwd: Path, **kwargs: str) -> subprocess.CompletedProcess[str]:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("MINTGATE_")}
    return run_command(*arguments, cwd=cwd, environment=environment | kwargs)


@contextlib.contextmanager
def serving(
    folder: Path,
    port: int,
    *arguments: str,
    probe: tuple[str, ssl.SSLContext] | None = None,
) -> Iterator[str]:
    """A server process; yields what it printed once it is ready.

    `probe` is where to ask for that, when it is not plain http.
    """
    base, verify = probe or (f"http://127.0.0.1:{port}", True)
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--port", str(port), *arguments],
            cwd=folder,
            env={**os.environ, "MINTGATE_DRAIN_SECONDS": "0"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{base}/healthz", verify=verify).status_code == 200:
                    break
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        yield output.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in {0, -signal.SIGTERM}
    require_clean_folder(folder)


def test_the_printed_command_returns_five_customers(tmp_path: Path) -> None:
    with serving(tmp_path, port := free_port(), "--demo") as printed:
        found = re.search(r"^ +(curl .*|.* -c '.*)$", printed, re.MULTILINE)
        assert found is not None, printed
        done = subprocess.run(
            ["bash", "-c", found[1]], capture_output=True, text=True, timeout=60, cwd=tmp_path
        )
        assert done.stdout.count('"@odata.id":"Crm_Sales_Customers(') == 5, done
        assert f"http://127.0.0.1:{port}" in printed
    assert (tmp_path / "mintgate.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "mintgate.db").stat().st_mode & 0o777 == 0o600


def test_the_demo_starts_again_over_the_same_database(tmp_path: Path) -> None:
    for _ in range(2):
        with serving(tmp_path, free_port(), "--demo"):
            pass


def test_a_change_by_the_command_line_is_seen_within_a_second(tmp_path: Path) -> None:
    """[TOP-13]"""
    with serving(tmp_path, port := free_port(), "--demo"):
        url = f"http://127.0.0.1:{port}/id/connect/token"
        form = {"grant_type": "client_credentials", "client_id": "demo.app/service"}

        def answer(secret: str) -> int:
            return httpx.post(url, data=form | {"client_secret": secret}).status_code

        assert answer("demo-secret") == 200
        done = run("app", "disable", "demo.app/service", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        promptly(lambda: answer("demo-secret") == 400)


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = run("serve", "--demo", "--port", port, cwd=tmp_path)
    assert done.returncode == 1
    assert f"port {port} is in use; choose another one with --port" in done.stderr
    assert not (tmp_path / "mintgate.db").exists()


def test_a_database_that_cannot_be_written(tmp_path: Path) -> None:
    done = run(
        "serve", "--port", str(free_port()), "--database", "sqlite:////nowhere/x.db", cwd=tmp_path
    )
    assert done.returncode == 1
    assert "unable to open database file" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_stays_on_loopback(tmp_path: Path) -> None:
    done = run("serve", "--demo", "--host", "0.0.0.0", cwd=tmp_path)  # noqa: S104
    assert done.returncode == 1
    assert "--demo-for-everyone-who-reaches-this-address" in done.stderr


def test_the_demo_for_everyone_has_random_secrets(tmp_path: Path) -> None:
    flag = "--demo-for-everyone-who-reaches-this-address"
    with serving(tmp_path, port := free_port(), "--demo", "--host", "0.0.0.0", flag) as printed:  # noqa: S104
        assert "demo-secret" not in printed
        secret = re.search(r"demo\.app/service +client_secret (\S+)", printed)
        assert secret is not None
        assert len(secret[1]) == 43
        form = {"grant_type": "client_credentials", "client_id": "demo.app/service"}
        url = f"http://127.0.0.1:{port}/id/connect/token"
        assert httpx.post(url, data=form | {"client_secret": secret[1]}).status_code == 200
        known = httpx.post(url, data=form | {"client_secret": "demo-secret"})
        assert known.json()["error"] == "invalid_client"


def test_https_needs_a_certificate_or_a_proxy(tmp_path: Path) -> None:
    """[TOP-8]"""
    file = tmp_path / "instance.toml"
    file.write_text('[instance]\nname = "a"\ndatabase = "A"\nbase_url = "https://a.example"\n')
    assert run("apply", str(file), cwd=tmp_path).returncode == 0
    done = run("serve", "--port", str(free_port()), cwd=tmp_path)
    assert done.returncode == 1
    assert "--tls-cert and --tls-key" in done.stderr


def test_another_key_encryption_key(tmp_path: Path) -> None:
    with serving(tmp_path, free_port(), "--demo"):
        pass
    (tmp_path / "mintgate.key").write_text("A" * 43 + "=\n")
    done = run("serve", "--port", str(free_port()), cwd=tmp_path)
    assert done.returncode == 1
    assert "another key-encryption key" in done.stderr


def test_an_instance_declared_while_the_server_runs(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, port) as printed:
        assert "no instance yet" in printed
        url = f"http://127.0.0.1:{port}/tools/ver"
        assert httpx.get(url).status_code == 421
        file = tmp_path / "instance.toml"
        file.write_text(
            f'[instance]\nname = "a"\ndatabase = "A"\nbase_url = "http://127.0.0.1:{port}"\n'
        )
        done = run("apply", str(file), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        promptly(lambda: httpx.get(url).status_code == 200)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    with serving(folder, port, "--demo"):
        yield folder, f"http://127.0.0.1:{port}/id"


class TestInspect:
    """`mintgate token inspect` on a good, an expired and a tampered token."""

    def get(self, demo: tuple[Path, str]) -> str:
        done = run(
            "token",
            "get",
            "--issuer",
            demo[1],
            "--client-id",
            "demo.app/service",
            cwd=demo[0],
            MINTGATE_CLIENT_SECRET="demo-secret",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def inspect(self, demo: tuple[Path, str], token: str) -> subprocess.CompletedProcess[str]:
        return run("token", "inspect", token, "--issuer", demo[1], "--tenant", "DEMO", cwd=demo[0])

    def test_good(self, demo: tuple[Path, str]) -> None:
        done = self.inspect(demo, self.get(demo))
        assert done.returncode == 0, done.stdout
        assert '"client_system_user": "svc.demo"' in done.stdout
        for number in range(4, 16):
            assert f"API-{number} " in done.stdout
        assert "No check failed." in done.stdout
        assert "not checked" in done.stdout

    def test_expired(self, demo: tuple[Path, str], tmp_path: Path) -> None:
        """The demo's own key signs a token that has ended."""
        database = Database(f"sqlite:///{demo[0]}/mintgate.db")
        kek = KeyEncryptionKey.from_file(demo[0] / "mintgate.key", create=False)
        instance = database.read_now(instances.all_of)[0]
        key = database.read_now(lambda c: keys.all_of(c, instance.id, kek))[0][0]
        claims = payload_of(self.get(demo))
        claims |= {name: claims[name] - 7200 for name in ("nbf", "iat", "exp")}
        done = self.inspect(demo, key.sign(json.dumps(claims).encode(), "at+jwt"))
        database.close()
        assert done.returncode == 1
        assert "refused at API-9" in done.stdout

    def test_tampered(self, demo: tuple[Path, str]) -> None:
        head, payload, signature = self.get(demo).split(".")
        done = self.inspect(demo, f"{head}.{payload}.{'A' * 8}{signature[8:]}")
        assert done.returncode == 1
        assert "refused at API-7" in done.stdout

    def test_a_whole_request(self, demo: tuple[Path, str]) -> None:
        """Judged by the instance itself, with what to do about it."""
        token = self.get(demo)

        def judged(*request: str) -> tuple[int, str]:
            done = run("token", "inspect", token, *request, cwd=demo[0])
            return done.returncode, " ".join((done.stdout + done.stderr).split())

        path = "/api/domain/odata/Systems_Security_Users"
        code, text = judged("--method", "GET", "--path", path)
        assert code == 1
        assert "refused at API-15 (scopes cover the operation): scope sec is missing" in text
        assert "To mend it: Ask for the missing scope" in text
        code, text = judged("--path", "/api/domain/odata/Crm_Sales_Customers")
        assert (code, "No check failed." in text) == (0, True), text
        code, text = judged("--api", "Orders", "--path", "/x")
        assert "is not an API of this instance" in text

    def test_not_a_token(self, demo: tuple[Path, str]) -> None:
        done = self.inspect(demo, "hello")
        assert done.returncode == 1
        assert "this is not a JWT" in done.stderr


def test_signing_in_from_the_terminal(demo: tuple[Path, str]) -> None:
    """`token get --browser`: a person signs in at the printed URL, the terminal gets the token."""
    arguments = ["token", "get", "--browser", "--no-open", "--issuer", demo[1]]
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines = (line.strip() for line in process.stderr)
        url = next(line for line in lines if line.startswith(demo[1]))
        with httpx.Client(timeout=30) as http:
            page = http.get(url, follow_redirects=True)
            fields = dict(re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', page.text))
            form = fields | {"login": "john.doe", "password": "demo-password"}
            done = http.post(f"{demo[1]}/signin", data=form, follow_redirects=True)
        assert "go back to the terminal" in done.text
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert payload_of(output)["sub"] == "john.doe"


def test_nothing_answers(tmp_path: Path) -> None:
    issuer = f"http://127.0.0.1:{free_port()}/id"
    done = run(
        *("token", "get", "--issuer", issuer, "--client-id", "x"),
        cwd=tmp_path,
        MINTGATE_CLIENT_SECRET="x",
    )
    assert done.returncode == 1
    assert "is it running?" in done.stderr


def test_a_wrong_secret_is_refused_with_words(demo: tuple[Path, str], tmp_path: Path) -> None:
    done = run(
        *("token", "get", "--issuer", demo[1], "--client-id", "demo.app/service"),
        cwd=tmp_path,
        MINTGATE_CLIENT_SECRET="wrong",
    )
    assert done.returncode == 1
    assert "invalid_client" in done.stderr
    assert "wrong" not in done.stderr


def test_reference_tokens_by_the_command_line(demo: tuple[Path, str]) -> None:
    """Create, use, list and revoke: a service token, and a personal one by its owner only."""
    folder, issuer = demo
    api = issuer.removesuffix("/id") + "/api/domain/odata/Crm_Sales_Customers?$top=1"

    def status(token: str) -> int:
        return httpx.get(api, headers={"X-Api-Key": token}).status_code

    service = ("--app", "demo.app/service")
    refused = run("sat", "create", *service, cwd=folder)
    assert refused.returncode == 1
    assert "allows no reference tokens" in refused.stderr
    export = run("export", cwd=folder).stdout
    file = folder / "demo.toml"
    file.write_text(
        export.replace(
            'ApplicationUri = "demo.app/service"',
            'ApplicationUri = "demo.app/service"\nReferenceTokens = "AuthenticatedUsers"',
        )
    )
    assert run("apply", str(file), cwd=folder).returncode == 0
    made = run("sat", "create", *service, "--description", "nightly", cwd=folder)
    token = made.stdout.strip()
    assert re.fullmatch(r"enrt_[0-9A-F]{64}", token), made.stderr
    assert status(token) == 200
    wrong = ("--user", "john.doe", "--password-env", "P")
    done = run("pat", "create", *wrong, *service, cwd=folder, P="wrong")
    assert "not the password" in done.stderr
    done = run("pat", "create", *wrong, *service, cwd=folder, P="demo-password")
    assert status(done.stdout.strip()) == 200, done.stderr
    rows = json.loads(run("sat", "list", *service, "--json", cwd=folder).stdout)
    assert {row["kind"] for row in rows} == {"PAT", "SAT"}
    assert token not in json.dumps(rows)
    (row,) = (row for row in rows if row["kind"] == "SAT")
    assert run("sat", "revoke", row["id"], cwd=folder).returncode == 0
    promptly(lambda: status(token) != 200)
    assert "revoked" in run("sat", "list", *service, cwd=folder).stdout
