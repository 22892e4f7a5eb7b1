"""The `mintgate` program against an instance elsewhere: the same commands, the same output."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mintgate.contract.identifiers import secret_hash
from mintgate.contract.key_life import KNOWN_EVERYWHERE
from tests.wire.management_world import ADMIN_SERVICE, MORE, robot_token, user_token
from tests.wire.test_cli import REFUSED, Shell
from tests.world import BACKOFFICE, SECRET, STOCK, World, payload_of

API_SECRET = "the secret of an API"
APIS = f"""
[[apis]]
Name = "DomainAPI"
SecretHash = "{secret_hash(API_SECRET)}"
"""


class Remote:
    """The program with `--instance URL`, and the same program on the database itself."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.shell = Shell(folder)
        self.credential = {
            "MINTGATE_CLIENT_ID": ADMIN_SERVICE,
            "MINTGATE_CLIENT_SECRET": SECRET,
            "MINTGATE_INSTANCE": world.base,
        }

    def __call__(
        self, *arguments: str, code: int = 0, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return self.shell(*arguments, code=code, text=text, environment=self.credential)

    def here(self, *arguments: str) -> str:
        place = {"MINTGATE_DATABASE": self.world.database_url}
        return self.shell(*arguments, environment=place).stdout


@pytest.fixture
def remote(a_world: Callable[..., World], tmp_path: Path) -> Remote:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return Remote(a_world(more=MORE + APIS), folder)


def test_lists_are_the_same_as_on_the_database(remote: Remote) -> None:
    remote.world.user_tokens()
    remote.world.change_application(STOCK, reference_tokens="AdministratorsOnly")
    remote("sat", "create", "--app", STOCK)
    for command in (
        ("app", "list"),
        ("app", "list", "--json"),
        ("app", "show", BACKOFFICE),
        ("app", "show", BACKOFFICE, "--json"),
        ("user", "list"),
        ("user", "list", "--json"),
        ("pat", "list", "--user", "mira.k"),
        ("sat", "list", "--app", STOCK),
        ("key", "list", "--json"),
    ):
        there = remote(*command).stdout
        assert there == remote.here(*command), command
        assert there or "pat" in command
    # A world's clock stands still: its session has ended for a program that asks the real one.
    assert "mira.k" in remote("sign-in", "list", "--user", "mira.k").stdout
    assert list(remote.shell.directory.iterdir()) == []


def test_an_application_and_its_tokens(remote: Remote) -> None:
    world = remote.world
    made = remote(
        *("app", "add", "new/app", "--name", "New", "--scope", "read", "--generate"),
        *("--system-user", "svc.stock", "--reference-tokens", "AdministratorsOnly"),
    ).stdout.strip()
    grant = {"grant_type": "client_credentials"}
    token = world.request_token(("new/app", made), **grant).json()["access_token"]
    assert "is revoked" in remote("token", "revoke", text=token).stdout
    assert "had ended before" in remote("token", "revoke", text=token).stdout
    assert world.api("Crm_Sales_Customers?$top=1", token).status_code == 401
    remote("app", "disable", "new/app")
    assert world.request_token(("new/app", made), **grant).status_code >= 400
    remote("app", "enable", "new/app")
    remote("app", "set-secret", "new/app", "--secret-stdin", text="other\n")
    assert world.request_token(("new/app", "other"), **grant).status_code == 200
    sat = remote("sat", "create", "--app", "new/app", "--until", "2027-01-01").stdout.strip()
    assert world.api("Crm_Sales_Customers?$top=1", sat).status_code == 200
    (listed,) = json.loads(remote("sat", "list", "--app", "new/app", "--json").stdout)
    assert remote("sat", "revoke", listed["id"]).stdout == "Revoked.\n"
    assert "there is no token" in remote("sat", "revoke", "x", code=REFUSED).stderr
    assert "reference tokens" in remote("app", "revoke-everything", "new/app").stderr
    remote("app", "remove", "new/app", "--yes")
    gone = remote("app", "show", "shop.example.org/backofice", code=REFUSED).stderr
    assert "did you mean shop.example.org/backoffice?" in gone


def test_a_user_and_the_sign_ins(remote: Remote) -> None:
    world = remote.world
    remote("user", "add", "jane", "--name", "Jane", "--password-stdin", text="jane's")
    tokens = world.redeem(
        world.browser()
        .sign_in("jane", "jane's", scope="openid offline_access")
        .headers["location"]
        .partition("code=")[2]
        .partition("&")[0]
    ).json()
    sid = payload_of(tokens["access_token"])["sid"]
    assert sid in remote("sign-in", "list").stdout
    assert "with 1 refresh tokens" in remote("sign-in", "end", sid).stdout
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert "there is no sign-in" in remote("sign-in", "end", sid, code=REFUSED).stderr
    world.browser().sign_in("jane", "jane's")
    assert "Ended 1 sign-ins" in remote("sign-in", "end-all", "--user", "jane").stdout
    assert "no second factor" in remote("user", "reset-second-factor", "jane").stderr
    assert "0 sign-ins" in remote("user", "revoke-everything", "jane").stderr
    remote("user", "rename", "jane", "jane.doe")
    remote("user", "disable", "jane.doe")
    assert not world.browser().sign_in("jane.doe", "jane's").is_redirect
    remote("user", "enable", "jane.doe")
    remote("user", "set-password", "jane.doe", "--password-stdin", text="another")
    assert world.browser().sign_in("jane.doe", "another").is_redirect
    taken = remote("user", "rename", "jane.doe", "ADA", code=REFUSED).stderr
    assert "Login: exists already" in taken
    assert {e.actor for e in world.events("user.changed")} == {"svc.admin"}


def test_keys(remote: Remote) -> None:
    remote.world.clock.advance(1)
    told = remote("key", "rotate", "--at-once").stdout
    kid = told.split()[1]
    remote.world.clock.advance(KNOWN_EVERYWHERE)
    assert "signs from now on" in remote("key", "compromised", kid).stdout
    assert "ended before" in remote("key", "compromised", kid).stdout
    assert "there is no key" in remote("key", "compromised", "x", code=REFUSED).stderr


def test_introspection(remote: Remote, tmp_path: Path) -> None:
    token = remote.world.service_token()
    file = tmp_path / "token"
    file.write_text(token + "\n")
    told = json.loads(remote("token", "introspect", "--file", str(file)).stdout)
    assert (told["active"], told["client_id"]) == (True, STOCK)
    remote.credential |= {"MINTGATE_API_NAME": "DomainAPI", "MINTGATE_API_SECRET": API_SECRET}
    assert json.loads(remote("token", "introspect", text=token).stdout)["jti"] == told["jti"]
    assert '"active": false' in remote("token", "introspect", text="x", code=REFUSED).stdout
    remote.credential["MINTGATE_API_SECRET"] = "wrong"
    assert "invalid_client" in remote("token", "introspect", text=token, code=REFUSED).stderr
    assert "no token" in remote("token", "introspect", text="\n", code=REFUSED).stderr


def test_nobody_in_between_chooses_the_issuer(remote: Remote) -> None:
    """[TOP-8] The API's secret and the token would go to whom a plain answer names."""
    asked: list[str] = []

    class Between(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.2", 0), Between) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        remote.credential |= {
            "MINTGATE_API_NAME": "DomainAPI",
            "MINTGATE_API_SECRET": API_SECRET,
            "MINTGATE_INSTANCE": f"http://127.0.0.2:{server.server_port}",
        }
        assert "https" in remote("token", "introspect", text="x", code=REFUSED).stderr
        server.shutdown()
    assert asked == []


def test_credentials(remote: Remote) -> None:
    """From the environment only, and each failure says what to do."""
    world, base = remote.world, remote.world.base
    alone = {"MINTGATE_INSTANCE": base}

    def told(**environment: str) -> str:
        return remote.shell("app", "list", code=REFUSED, environment=alone | environment).stderr

    assert "MINTGATE_TOKEN" in told()
    wrong = told(MINTGATE_CLIENT_ID=ADMIN_SERVICE, MINTGATE_CLIENT_SECRET="wrong-secret")
    assert "no access token" in wrong
    assert "wrong-secret" not in wrong
    plain = user_token(world, "ada", "read update")
    assert "must be an access token with scope sec" in told(MINTGATE_TOKEN=plain)
    assert plain not in told(MINTGATE_TOKEN=plain)
    assert "must use https" in told(MINTGATE_INSTANCE="http://orion.example", MINTGATE_TOKEN="x")
    assert "must be the base URL" in told(MINTGATE_INSTANCE=base + "/id", MINTGATE_TOKEN="x")
    assert "does not answer" in told(MINTGATE_INSTANCE="http://127.0.0.1:9", MINTGATE_TOKEN="x")
    good = alone | {"MINTGATE_TOKEN": robot_token(world)}
    assert STOCK in remote.shell("app", "list", environment=good).stdout


def test_what_is_made_or_done_at_home_only(remote: Remote) -> None:
    """[REF-13]"""
    arguments = ("pat", "create", "--user", "mira.k", "--app", BACKOFFICE, "--password-stdin")
    assert "sign in to Profile" in remote(*arguments, code=REFUSED).stderr
    built_in = remote("app", "disable", "internal.erp.net/profile", code=REFUSED).stderr
    assert "belongs to the instance itself" in built_in
    place = {"MINTGATE_DATABASE": remote.world.database_url, "MINTGATE_INSTANCE": remote.world.base}
    told = remote.shell("export", code=REFUSED, environment=place).stderr
    assert "works on the database itself" in told


def test_the_extra_server_is_not_needed(remote: Remote) -> None:
    """`pip install 'mintgate[cli]'` is enough on the other machine."""
    program = (
        "import sys\n"
        "for name in ('sqlalchemy', 'starlette', 'argon2', 'alembic'): sys.modules[name] = None\n"
        "sys.argv[1:] = ['app', 'list']\n"
        "from mintgate.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=remote.shell.directory,
        env={**remote.shell.environment, **remote.credential},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert STOCK in done.stdout


def test_here_the_operator_is_the_actor(remote: Remote) -> None:
    remote.here("app", "disable", STOCK)
    file = remote.world.database_url.removeprefix("sqlite:///")
    with sqlite3.connect(file) as connection:
        rows = connection.execute(
            "SELECT actor, application FROM audit_events WHERE event = 'application.changed'"
        ).fetchall()
    ((actor, application),) = rows
    assert actor.startswith("cli:")
    assert application == STOCK


def test_the_audit_log(remote: Remote) -> None:
    remote.world.clock.advance(1)
    remote("app", "disable", STOCK)
    listed = json.loads(remote("audit", "list", "--event", "application.", "--json").stdout)
    assert listed[0]["event"] == "application.changed"
    assert listed[0]["details"]["after"] == {"IsEnabled": False}
    assert "application.changed" in remote("audit", "list", "--actor", "svc.admin").stdout
    assert "no such events" in remote("audit", "list", "--event", "none").stderr


@pytest.mark.parametrize(
    "command",
    ["audit verify", "audit export", "user export mira.k", f"app secret list {STOCK}"],
)
def test_what_needs_the_database_says_so(command: str, remote: Remote) -> None:
    assert "run it where the database is" in remote(*command.split(), code=REFUSED).stderr
