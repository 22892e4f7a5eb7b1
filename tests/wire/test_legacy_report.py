"""Who still uses the legacy schemes: the warning at each use, and the report [LEG-1]."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mintgate.gate.legacy.uses import LegacyUses
from mintgate.server.application import Application
from mintgate.server.instance_application import InstanceApplication
from tests.wire import management_world
from tests.wire.legacy_world import CUSTOMERS, MORE, OLD, OLDER, ROBOT, basic, call, log_in
from tests.wire.test_cli import Shell
from tests.world import NOW, SECRET, World, sqlite_url


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    url = sqlite_url(tmp_path_factory.mktemp("report"))
    more = MORE + management_world.MORE
    world = World(url, more=more, customers=True).start()
    yield world
    world.stop()


def used(world: World) -> list[tuple[Any, ...]]:
    """The warnings, oldest first."""
    return [
        (event.actor, event.application, details["scheme"], details["api"], details["count"])
        for event in reversed(world.events("legacy.used"))
        if (details := event.details or {})
    ]


async def flush(_: Application, instance: InstanceApplication) -> None:
    await instance.legacy_uses.flush()


def test_each_use_is_a_warning_and_the_report_adds_them_up(old: World, tmp_path: Path) -> None:
    """[LEG-1] the first one at once, the others together"""
    for _ in range(3):
        assert call(old, basic()).status_code == 200
    assert call(old, basic(password="wrong")).status_code == 401  # no use
    expected = [("olga", OLD, "Basic", "DomainAPI", 1)]
    assert used(old) == expected
    session = log_in(old, "oleg", app=OLDER).json()["authorization"]
    assert call(old, session).status_code == 200
    expected += [
        ("oleg", OLDER, "ErpLogin", "DomainAPI", 1),
        ("oleg", OLDER, "ErpSession", "DomainAPI", 1),
    ]
    assert used(old) == expected
    old.run_in_server(flush)
    assert used(old) == expected  # the ten minutes are not over
    old.clock.advance(600)
    old.run_in_server(flush)
    expected.append(("olga", OLD, "Basic", "DomainAPI", 2))
    assert used(old) == expected
    assert call(old, basic()).status_code == 200
    expected.append(("olga", OLD, "Basic", "DomainAPI", 1))
    assert used(old) == expected
    event = old.events("legacy.used")[0]
    assert event.address == "127.0.0.1"
    assert event.actor_id == old.change_user("olga").id
    assert (event.details or {})["warning"].startswith("deprecated")

    shell = Shell(tmp_path)
    here = {"MINTGATE_DATABASE": old.database_url}
    there = {
        "MINTGATE_INSTANCE": old.base,
        "MINTGATE_CLIENT_ID": management_world.ADMIN_SERVICE,
        "MINTGATE_CLIENT_SECRET": SECRET,
    }
    arguments = ("legacy", "report", "--since", "2020-01-01")
    told = json.loads(shell(*arguments, "--json", environment=here).stdout)
    lines = [(u["login"], u["application"], u["scheme"], u["count"]) for u in told["uses"]]
    assert lines == [
        ("olga", OLD, "Basic", 4),
        ("oleg", OLDER, "ErpLogin", 1),
        ("oleg", OLDER, "ErpSession", 1),
    ]
    assert (told["uses"][0]["first_at"], told["uses"][0]["last_at"]) == (NOW, NOW + 600)
    assert told["uses"][0]["addresses"] == ["127.0.0.1"]
    assert told["unused_applications"] == [ROBOT]
    assert told["apis"] == ["DomainAPI", "TableAPI"]
    assert json.loads(shell(*arguments, "--json", environment=there).stdout) == told
    table = shell(*arguments, environment=there).stdout
    for word in ("olga", OLDER, "ErpSession", f"{ROBOT} may use them and did not"):
        assert word in table
    later = shell("legacy", "report", "--since", "2100-01-01", environment=here)
    assert "Nobody used HTTP Basic or ErpLogin." in later.stderr
    shell("legacy", "report", "--since", "yesterday", environment=here, code=2)


def test_uses_survive_a_changed_setting(old: World) -> None:
    """What was counted is not lost when the instance is loaded again."""
    path = f"{CUSTOMERS}?app={ROBOT}"
    before = used(old)
    for _ in range(3):
        assert call(old, basic(), path).status_code == 200
    try:
        old.declare(replace=("licences = 1000", "licences = 900"))
        assert call(old, basic(), path).status_code == 200
        old.clock.advance(601)
        old.run_in_server(flush)
    finally:
        old.declare()
    counted = [row[4] for row in used(old) if row not in before and row[1] == ROBOT]
    assert sum(counted) == 4


def test_nothing_counted_is_lost_at_the_end(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = sqlite_url(tmp_path_factory.mktemp("end"))
    world = World(url, more=MORE, customers=True).start()
    for _ in range(5):
        assert call(world, basic()).status_code == 200
    world.stop()
    world.database = type(world.database)(url, world.clock)
    assert sum(row[4] for row in used(world)) == 5
    world.database.close()


def test_many_callers_are_still_all_told(old: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the number of callers that are told apart, each use is an event of its own."""
    monkeypatch.setattr("mintgate.gate.legacy.uses.MAX_CALLERS", 0)
    uses = LegacyUses(old.instance.id, old.server_database, old.clock)
    before = len(used(old))

    async def note(_: Application, instance: InstanceApplication) -> None:
        monkeypatch.setattr(instance.legacy, "uses", uses)

    old.run_in_server(note)
    for _ in range(3):
        assert call(old, basic()).status_code == 200
    assert len(used(old)) == before + 3
