"""What `/readyz` says, check by check, and how often it looks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.gate.draining import Draining, Ending
from mintgate.server import readiness
from mintgate.server.readiness import ReadinessCheck
from mintgate.store import Database, schema
from tests.world import MovableClock, sqlite_url


class Looked:
    """A check over a real database whose other parts a test sets."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.is_fresh = True
        self.keys: list[Any] = [self._key]
        self.asked = 0
        self.clock = MovableClock()
        self.draining = Draining()
        self.check = ReadinessCheck(
            database, lambda: self.is_fresh, lambda: self.keys, self.draining, self.clock
        )

    async def _key(self) -> object:
        self.asked += 1
        return object()

    def failed(self) -> tuple[str, ...]:
        found = asyncio.run(self.check.look())
        assert found.is_ready == (found.status == "ok")
        return found.failed


@pytest.fixture
def looked(tmp_path: Path) -> Iterator[Looked]:
    database = Database(sqlite_url(tmp_path))
    schema.upgrade(database)
    yield Looked(database)
    database.close()


def set_version(database: Database, version: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})


def test_all_is_well_and_looked_at_once_a_second(looked: Looked) -> None:
    for _ in range(5):
        assert looked.failed() == ()
    assert looked.asked == 1
    looked.clock.advance(1.1)
    looked.failed()
    assert looked.asked == 2


def test_what_is_known_without_a_look_is_told_at_once(looked: Looked) -> None:
    assert looked.failed() == ()
    looked.is_fresh = False
    assert looked.failed() == ("state_feed",)
    looked.draining.begin(Ending.RETIRE)  # other workers serve on the same socket
    looked.is_fresh = True
    assert looked.failed() == ()
    looked.draining.begin(Ending.DRAIN)
    assert looked.failed() == ("draining",)


def test_the_schema_may_be_newer_and_not_older(looked: Looked) -> None:
    set_version(looked.database, "0002")
    assert looked.failed() == ("schema",)
    set_version(looked.database, "9999")  # a later release has migrated it
    looked.clock.advance(2)
    assert looked.failed() == ()


def test_instances_and_their_keys(looked: Looked) -> None:
    async def no_key() -> object:
        raise TemporarilyUnavailable(cause="the instance has no signing key")

    looked.keys = []
    assert looked.failed() == ("instances",)
    looked.clock.advance(2)
    looked.keys = [no_key]
    assert looked.failed() == ("signing_keys",)


def test_a_database_that_is_away(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "nowhere"))
    assert Looked(database).failed() == ("database",)
    database.close()


def test_a_database_that_hangs(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask, one look hangs."""
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.05)
    goes_on = threading.Event()
    looks: list[int] = []

    def hang(_: object) -> bool:
        looks.append(1)
        return goes_on.wait(30)

    monkeypatch.setattr(looked.check._schema, "has_all", hang)

    async def ask() -> None:
        found = await asyncio.gather(*(looked.check.look() for _ in range(8)))
        assert {one.failed for one in found} == {("database",)}
        goes_on.set()
        while (await looked.check.look()).failed:
            await asyncio.sleep(0.01)

    asyncio.run(ask())
    assert len(looks) == 1
