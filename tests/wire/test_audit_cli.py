"""`mintgate audit …`, `user export` and `user erase` beside a running server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mintgate.cli import user_data
from mintgate.contract.applications import ReferenceTokenPolicy
from mintgate.contract.identifiers import new_guid
from mintgate.contract.users import User, UserType
from mintgate.store import audit, erp_sessions, person, reserved_seats, users
from mintgate.store.audit import keys
from mintgate.store.audit.keeping import CHECKPOINT_SECONDS
from mintgate.store.audit.verification import verify
from tests.unit.store.session_office import opening_of
from tests.wire.test_cli import MISUSED, REFUSED, Shell
from tests.world import BACKOFFICE, PASSWORD, SECRET, World, aspnet_hash

LOGIN, EMAIL, NAME = "zdravka.unusual", "zdravka@unusual.example", "Zdravka Unusualova"


@pytest.fixture
def world(a_world: Callable[..., World]) -> World:
    return a_world(customers=True)


@pytest.fixture
def mintgate(world: World, tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.environment |= {
        "MINTGATE_DATABASE": world.database_url,
        "MINTGATE_KEY_ENCRYPTION_KEY": b64encode(bytes(32)).decode(),
    }
    return shell


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_served_log_is_whole_and_pinned(world: World, mintgate: Shell) -> None:
    world.service_token()
    exported = lines(mintgate("audit", "export").stdout)
    assert exported[-1]["event"] == "audit.checkpoint"
    issued = next(line for line in exported if line["event"] == "token.issued")
    assert issued["application"] == "sync.example.org/stock"
    assert {"time", "actor", "jti", "address", "writer_id", "sequence", "hash"} <= issued.keys()
    told = mintgate("audit", "verify").stdout
    assert "The audit log is whole." in told
    assert "0 rows are newer" in told
    (checkpoint,) = re.findall(r"checkpoint (\d+:[0-9a-f]{64})", told)
    (public_key,) = re.findall(r"public key (\S{43})", told)
    nothing = {"MINTGATE_KEY_ENCRYPTION_KEY": ""}
    pinned = ("audit", "verify", "--public-key", public_key, "--expect", checkpoint)
    mintgate(*pinned, environment=nothing)
    assert "cannot read" in mintgate("audit", "verify", code=REFUSED, environment=nothing).stderr
    other = b64encode(b"o" * 32).decode()
    refused = mintgate(
        "audit", "verify", code=REFUSED, environment={"MINTGATE_KEY_ENCRYPTION_KEY": other}
    )
    assert "not trusted" in refused.stderr
    assert "NOT WHOLE" in refused.stdout
    assert "is no time such as" in mintgate("audit", "verify", "--since", "x", code=MISUSED).stderr
    mintgate("audit", "verify", "--expect", "1", code=MISUSED)


def test_a_removed_row_is_named(world: World, mintgate: Shell) -> None:
    for _ in range(3):
        world.service_token()
    mintgate("audit", "export")
    with world.database.engine.begin() as connection:
        row = connection.exec_driver_sql(
            "DELETE FROM audit_events WHERE sequence = (SELECT max(sequence) - 1 FROM "
            "audit_events WHERE event = 'token.issued') AND event = 'token.issued' "
            "RETURNING writer_id, sequence"
        ).one()
    told = mintgate("audit", "verify", code=REFUSED)
    assert f"writer {row.writer_id}: row {row.sequence} is missing" in told.stderr


def test_list_filters_and_says_when_there_is_nothing(world: World, mintgate: Shell) -> None:
    world.service_token()
    world.request_token(("sync.example.org/stock", "wrong"), grant_type="client_credentials")
    found = json.loads(mintgate("audit", "list", "--event", "token.", "--json").stdout)
    assert [entry["event"] for entry in found] == ["token.refused", "token.issued"]
    service = ("--app", "sync.example.org/stock", "--event", "token.", "--limit", "1")
    newest = mintgate("audit", "list", *service).stdout
    assert "invalid_client" in newest
    assert "invalid_client" not in mintgate("audit", "list", "--event", "token.issued").stdout
    assert "no such events" in mintgate("audit", "list", "--actor", "nobody").stderr


@pytest.fixture
def following(world: World, mintgate: Shell) -> Iterator[subprocess.Popen[str]]:
    command = ["audit", "export", "--follow", "--since", "2020-01-01", "--no-checkpoint"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mintgate.cli", *command],
        cwd=mintgate.directory,
        env=mintgate.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may ignore it for all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    yield process
    process.kill()
    process.communicate()


def read_until(process: subprocess.Popen[str], event: str) -> dict[str, Any]:
    assert process.stdout is not None
    while text := process.stdout.readline():
        line: dict[str, Any] = json.loads(text)
        if line["event"] == event:
            return line
    raise AssertionError(f"no {event}")


def test_follow_ends_by_ctrl_c(world: World, following: subprocess.Popen[str]) -> None:
    read_until(following, "instance.added")
    world.service_token()
    assert read_until(following, "token.issued")["actor"]
    following.send_signal(signal.SIGINT)
    assert following.wait(10) == 0
    assert following.stderr is not None
    assert following.stderr.read() == ""


def test_follow_ends_when_nobody_reads(world: World, following: subprocess.Popen[str]) -> None:
    read_until(following, "instance.added")
    assert following.stdout is not None
    following.stdout.close()
    assert following.wait(10) in {0, 1}
    assert following.stderr is not None
    assert following.stderr.read() == ""


def a_life(world: World) -> User:
    """A person who did about everything that leaves a trace."""
    user = User(
        id=new_guid(),
        login=f"{LOGIN}.before",
        name={"en": NAME},
        user_type=UserType.INTERNAL,
        email=EMAIL,
        email_confirmed=True,
    )
    with world.database.begin() as tx:
        users.add(tx, world.instance.id, user, aspnet_hash(PASSWORD))
    world.sync()
    world.user_tokens(user.login)
    user = world.change_user(user.login, login=LOGIN)
    world.browser().sign_in(LOGIN, "wrong")
    world.browser().authorize(login_hint=LOGIN)
    tokens = world.user_tokens(LOGIN)
    assert world.refresh(tokens["refresh_token"]).status_code == 200
    assert world.refresh(tokens["refresh_token"]).status_code == 400  # a replay
    world.user_tokens(LOGIN)
    return user


def test_export_and_erase_a_person(world: World, mintgate: Shell) -> None:
    user = a_life(world)
    world.change_application(BACKOFFICE, reference_tokens=ReferenceTokenPolicy.AUTHENTICATED_USERS)
    created = mintgate(
        *("pat", "create", "--user", LOGIN, "--app", BACKOFFICE, "--password-env", "PASSWORD"),
        environment={"PASSWORD": PASSWORD},
    ).stdout.strip()
    world.sync()
    told = mintgate("user", "export", LOGIN).stdout
    found = json.loads(told)
    assert found["user"]["email"] == EMAIL
    for table in ("identity_sessions", "refresh_families", "reference_tokens", "audit_events"):
        assert found[table], table
    assert {"user.signed_in", "user.sign_in_failed", "token.issued", "refresh.replayed"} <= {
        event["event"] for event in found["audit_events"]
    }
    assert "hash" not in told
    assert "token_key" not in told
    assert created not in told

    session = world.browser()
    session.sign_in(LOGIN)
    access = world.user_tokens(LOGIN)
    mintgate("user", "erase", LOGIN, code=MISUSED)  # nobody to ask
    mintgate("user", "erase", LOGIN, "--yes")
    world.sync()
    assert "there is no user" in mintgate("user", "erase", LOGIN, "--yes", code=REFUSED).stderr
    assert world.api("Crm_Sales_Customers?$top=1", access["access_token"]).status_code == 401
    assert world.api("Crm_Sales_Customers?$top=1", created).status_code == 401
    assert world.refresh(access["refresh_token"]).status_code == 400
    assert "<h1>Sign in</h1>" in session.authorize().text
    assert "The audit log is whole." in mintgate("audit", "verify").stdout
    erased = [e for e in world.events("user.erased") if e.subject_id == user.id]
    assert erased
    assert erased[0].actor is not None
    assert erased[0].actor.startswith("cli:")
    assert_nothing_left(world)


def test_a_session_that_is_opened_while_a_person_is_erased(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[SES-26] by a server that did not know yet: no row is left, and none that tells of its end"""
    user = a_life(world)
    with world.database.begin() as tx:
        assert reserved_seats.add(tx, world.instance.id, LOGIN)
    found = world.database.read_now(lambda c: person.everything_of(c, world.instance.id, user))
    assert found["reserved_seats"] == [{"login": LOGIN, "created_at": world.clock()}]

    def open_one(_: float) -> None:
        opening = msgspec.structs.replace(opening_of(LOGIN), user_id=user.id)
        with world.database.begin() as tx:
            assert erp_sessions.open_or_join(tx, world.instance.id, opening).session

    monkeypatch.setattr(user_data.time, "sleep", open_one)
    user_data._erase(world.database, world.instance, user)
    assert LOGIN not in {row["login"] for row in world.rows("erp_sessions")}
    assert world.rows("reserved_seats") == []
    assert LOGIN not in {event.actor for event in world.events("erp_session.opened")}


def assert_nothing_left(world: World) -> None:
    database = Path(str(world.database.url.database))
    files = [database, database.with_name(database.name + "-wal")]
    for file in files:
        data = file.read_bytes().lower() if file.exists() else b""
        for value in (LOGIN, EMAIL, NAME):
            assert value.lower().encode() not in data, (file.name, value)


def test_every_event_of_a_person_is_found_by_the_id(world: World, mintgate: Shell) -> None:
    """Else it could not be erased: whoever records a login records the user's id as well."""
    user = a_life(world)
    world.browser().sign_in(LOGIN, max_age="1")
    system_users = {"svc.stock"}
    events = world.database.read_now(lambda c: audit.latest(c, world.instance.id, 1000))
    acted = [e for e in events if e.actor and not e.actor.startswith("cli:")]
    assert {e.actor for e in acted} >= {LOGIN, f"{LOGIN}.before"}
    assert [e for e in acted if e.actor_id is None and e.actor not in system_users] == []
    assert {e.actor_id for e in acted if e.actor.startswith(LOGIN)} == {user.id}
    # In everything else nothing tells of a person by name.
    others = repr([msgspec.structs.replace(e, actor=None, personal=None) for e in events])
    for value in (LOGIN, EMAIL, NAME, "mira.k"):
        assert value not in others


def test_a_server_removes_what_its_instance_need_not_keep(a_world: Callable[..., World]) -> None:
    world = a_world(instance_settings="audit_retention_days = 30")

    def keep() -> None:
        world.run_in_server(lambda app, instance: app.chores.keep_audit(instance))

    world.service_token()
    world.clock.advance(CHECKPOINT_SECONDS)
    keep()
    world.clock.advance(31 * 24 * 3600.0)
    token = world.service_token()
    keep()
    keep()
    assert len(world.events("token.issued")) == 1
    assert world.events("instance.added") == []
    (cut,) = world.events("audit.cut")
    assert cut.details is not None
    assert cut.details["rows"] > 5
    trusted = world.database.read_now(lambda c: keys.trusted(c, world.instance.id, world.kek))[0]
    report = verify(world.database, world.instance.id, trusted)
    assert report.is_whole, report.findings
    assert token


def test_a_user_as_whom_an_application_runs_stays(world: World, mintgate: Shell) -> None:
    system_user = world.change_application("sync.example.org/stock").system_user
    login = next(
        u.login
        for u in world.database.read_now(lambda c: users.all_of(c, world.instance.id))
        if u.id == system_user
    )
    refused = mintgate("user", "erase", login, "--yes", code=REFUSED)
    assert "sync.example.org/stock runs as this user" in refused.stderr
    assert world.service_token()


def test_the_server_signs_checkpoints_by_itself(world: World, mintgate: Shell) -> None:
    world.service_token()
    world._server.should_exit = True
    world._thread.join(30)
    told = mintgate("audit", "verify").stdout
    assert "The audit log is whole." in told
    assert "0 rows are newer" in told


def test_changes_tell_before_and_after_and_no_secret(world: World, mintgate: Shell) -> None:
    mintgate("app", "set-secret", BACKOFFICE, "--secret-stdin", text="a-new-secret")
    mintgate("app", "disable", BACKOFFICE)
    mintgate("user", "set-password", "mira.k", "--password-stdin", text="a-new-password")
    mintgate("user", "rename", "mira.k", "mira.n")
    events = {
        (e["event"], i): e
        for i, e in enumerate(lines(mintgate("audit", "export", "--since", "2020-01-01").stdout))
    }
    found = [e for (name, _), e in events.items() if name.endswith(".changed")]
    assert [(e["details"].get("before"), e["details"].get("after")) for e in found[:2]] == [
        ({"ApplicationSecretHash": "(set)"}, {"ApplicationSecretHash": "(changed)"}),
        ({"IsEnabled": True}, {"IsEnabled": False}),
    ]
    assert [e["details"] for e in found[2:]] == [
        {"attributes": ["Password"]},
        {"attributes": ["Login"]},
    ]
    assert found[3]["personal"] == {
        "name": "mira.k",
        "before": {"Login": "mira.k"},
        "after": {"Login": "mira.n"},
    }
    assert "new-secret" not in repr(events)
    assert SECRET not in repr(events)
