"""Two live secrets of an application, each with an optional end [EXT-10, TAP-31, TAP-32]."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from mintgate.contract.identifiers import secret_hash
from mintgate.server import declaration
from mintgate.store import applications
from tests.wire.test_serve import run
from tests.world import BACKOFFICE, NOW, SECRET, STOCK, World

DAY = 24 * 3600


def ask(world: World, secret: str, client_id: str = STOCK, **form: str) -> httpx.Response:
    form = {"grant_type": "client_credentials"} | form
    return world.request_token((client_id, secret), **form)


@pytest.fixture
def rotated(world: World) -> World:
    """`new` is the secret, and the one of before is accepted for another day."""
    world.change_application(
        STOCK,
        application_secret_hash=secret_hash("new"),
        second_secret_hash=secret_hash(SECRET),
        second_secret_end_utc=int(NOW) + DAY,
    )
    return world


def test_both_secrets_work_until_the_old_one_ends(rotated: World) -> None:
    """[EXT-10]"""
    token = ask(rotated, SECRET).json()["access_token"]
    assert ask(rotated, "new").status_code == 200
    rotated.clock.advance(DAY - 1)
    assert ask(rotated, SECRET).status_code == 200
    rotated.clock.advance(1)
    refused = ask(rotated, SECRET)
    assert refused.json()["error"] == "invalid_client"
    assert ask(rotated, "new").status_code == 200
    (event, *rest) = rotated.events("token.refused")
    assert "the secret has ended" in str(event.cause)
    assert not rest  # one failure is counted once
    assert token


def test_a_wrong_secret_is_as_wrong_as_ever(rotated: World) -> None:
    for wrong in ("", "New", secret_hash("new"), SECRET + " "):
        answer = ask(rotated, wrong)
        assert answer.json()["error"] in {"invalid_client", "invalid_request"}, wrong


def test_tokens_survive_and_refresh_needs_a_live_secret(world: World) -> None:
    """[TAP-32]"""
    tokens = world.user_tokens()
    world.change_application(BACKOFFICE, application_secret_hash=secret_hash("new"))
    url = "Crm_Sales_Customers?$top=1"
    assert world.api(url, tokens["access_token"]).status_code == 200
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert world.request_token((BACKOFFICE, SECRET), **form).json()["error"] == "invalid_client"
    assert world.request_token((BACKOFFICE, "new"), **form).status_code == 200


def test_the_first_secret_can_end_too(world: World) -> None:
    """[EXT-10] and the second lives on alone."""
    world.change_application(
        STOCK,
        application_secret_end_utc=int(NOW),
        second_secret_hash=secret_hash("second"),
    )
    assert ask(world, SECRET).json()["error"] == "invalid_client"
    assert ask(world, "second").status_code == 200


def told(world: World, client_id: str = STOCK) -> Any:
    return world.database.read_now(lambda c: applications.by_uri(c, world.instance.id, client_id))


def test_when_a_secret_was_made_follows_it(rotated: World) -> None:
    assert told(rotated).second_secret_made_utc == int(NOW)
    rotated.clock.advance(100)
    rotated.change_application(STOCK, application_secret_hash=secret_hash("newest"))
    assert told(rotated).application_secret_made_utc == int(NOW) + 100
    assert told(rotated).second_secret_made_utc == int(NOW)


def test_the_owner_is_told_before_a_secret_ends(a_world: Callable[..., World]) -> None:
    """Once for each moment, also by several processes."""
    world = a_world()
    world.change_application(STOCK, application_secret_end_utc=int(NOW) + 40 * DAY)

    def sweep() -> list[int]:
        for _ in range(2):
            world.run_in_server(lambda app, instance: app.chores.sweep(instance))
        found = reversed(world.events("application_secret.expiring"))
        return [event.details["days_left"] for event in found if event.details]

    assert sweep() == []
    for days, expected in ((10, [30]), (20, [30]), (3, [30, 7]), (6, [30, 7, 1]), (5, [30, 7, 1])):
        world.clock.advance(days * DAY)
        assert sweep() == expected
    (event, *_) = world.events("application_secret.expiring")
    assert event.application == STOCK
    assert secret_hash(SECRET) not in json.dumps(event.details)


def test_no_data_api_returns_a_second_secret(shared_world: World) -> None:
    """[API-72]"""
    answer = shared_world.http.get("/api/domain/odata/$metadata")
    assert "SecondSecret" not in answer.text


class TestDeclared:
    """The same in the declared file; what it leaves out stays with its end."""

    def text(self, world: World, more: str) -> str:
        exported = declaration.export(world.database, world.instance)
        document = tomllib.loads(exported)
        assert document
        return exported.replace(
            f'ApplicationUri = "{STOCK}"\n', f'ApplicationUri = "{STOCK}"\n{more}'
        )

    def apply(self, world: World, text: str) -> None:
        declaration.apply(world.database, declaration.read(text, {}), lambda: world.kek)

    def test_export_changes_nothing(self, rotated: World) -> None:
        text = self.text(rotated, "")
        assert "SecondSecretHash" in text
        assert not declaration.plan(rotated.database, declaration.read(text, {})).changes

    def test_without_secrets_the_stored_ones_stay(self, rotated: World) -> None:
        before = told(rotated)
        text = declaration.export(rotated.database, rotated.instance, secrets=False)
        assert "Secret" not in text.replace("secrets", "").replace("PasswordHash", "")
        self.apply(rotated, text)
        assert told(rotated) == before

    def test_a_secret_in_clear_text_with_an_end(self, world: World) -> None:
        more = 'SecondSecret = "b"\nSecondSecretEndUtc = 2031-01-31T12:00:00Z\n'
        self.apply(world, self.text(world, more))
        assert told(world).second_secret_hash == secret_hash("b")
        assert told(world).second_secret_end_utc == 1_927_627_200
        assert ask(world, SECRET).status_code == 200
        world.sync()
        assert ask(world, "b").status_code == 200

    def test_taken_away(self, rotated: World) -> None:
        text = declaration.export(rotated.database, rotated.instance, secrets=False)
        more = f'ApplicationUri = "{STOCK}"\nSecondSecretHash = ""\n'
        self.apply(rotated, text.replace(f'ApplicationUri = "{STOCK}"\n', more))
        assert told(rotated).second_secret_hash is None
        assert told(rotated).second_secret_end_utc is None

    def test_the_audit_log_tells_no_hash(self, world: World) -> None:
        """Two live secrets, then one: what was set and changed, never its hash."""
        hashes = [secret_hash(text) for text in ("b", SECRET)]
        more = 'SecondSecret = "b"\nSecondSecretEndUtc = 2031-01-31T12:00:00Z\n'
        self.apply(world, self.text(world, more))
        world.change_application(STOCK, second_secret_hash=None, second_secret_end_utc=None)
        told = [event.details for event in world.events("application.changed")]
        assert "SecondSecretHash" in json.dumps(told)
        assert not [h for h in hashes if h in json.dumps(told)]

    def test_the_plan_tells_no_secret(self, rotated: World) -> None:
        text = self.text(rotated, "").replace(secret_hash(SECRET), secret_hash("other"))
        plan = declaration.plan(rotated.database, declaration.read(text, {}))
        differences = [d for c in plan.changes for d in declaration.differences_of(c, {})]
        assert "(changed)" in [d.after for d in differences]
        assert secret_hash("other") not in repr(differences)


def test_by_the_command_line(world: World, tmp_path: Path) -> None:
    """Rotate, list, end; the secret is printed this once."""
    database = {"MINTGATE_DATABASE": world.database_url}
    world.clock.advance(0)
    done = run("app", "secret", "rotate", STOCK, "--keep-old-for", "7d", cwd=tmp_path, **database)
    assert done.returncode == 0, done.stderr
    new = done.stdout.strip()
    assert len(new) == 43
    world.sync()
    assert ask(world, new).status_code == ask(world, SECRET).status_code == 200
    listed = run("app", "secret", "list", STOCK, "--json", cwd=tmp_path, **database).stdout
    assert [row["which"] for row in json.loads(listed)] == ["first", "second"]
    assert new not in listed
    assert secret_hash(new) not in listed
    assert run("app", "secret", "end", STOCK, cwd=tmp_path, **database).returncode == 0
    world.sync()
    assert ask(world, SECRET).json()["error"] == "invalid_client"
    again = run("app", "secret", "end", STOCK, cwd=tmp_path, **database)
    assert again.returncode == 1
    assert "has no second secret" in again.stderr
    wrong = run("app", "secret", "rotate", STOCK, "--keep-old-for", "7", cwd=tmp_path, **database)
    assert wrong.returncode == 2
    assert "7d" in wrong.stderr
    changes = world.events("application.changed")
    assert len(changes) == 2
    assert new not in repr(changes)
    assert secret_hash(new) not in repr(changes)
