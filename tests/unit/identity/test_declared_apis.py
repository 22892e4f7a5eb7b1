"""The copy of the declared APIs: when it is trusted, and when not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mintgate.contract.declared_apis import settings_of
from mintgate.contract.instance import Instance
from mintgate.identity.copies import RecordCopies, Source
from mintgate.identity.declared_apis import DeclaredApis
from mintgate.store import Database, DatabaseUnavailable, apis, instances, schema
from mintgate.store.apis import StoredApi
from tests.world import sqlite_url

ORION = Instance(id="a" * 36, name="orion", database="ORION", base_url="https://orion.example")


class Away(Database):
    """A database that cannot be reached any more."""

    async def read(self, work: Any) -> Any:
        raise DatabaseUnavailable("away")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path))
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(tx, ORION)
        apis.add(tx, ORION.id, StoredApi(settings=settings_of("Shop")))
    yield database
    database.close()


def source_of(database: Database, *, is_fresh: bool = True) -> Source:
    return Source(ORION, database, lambda: is_fresh, lambda: 0.0)


def test_the_last_known_holds_while_the_database_is_away(
    database: Database, tmp_path: Path
) -> None:
    source = source_of(database)
    known = DeclaredApis(source)
    before = asyncio.run(known.apis())
    source.database = Away(sqlite_url(tmp_path))
    known.drop()
    assert known.known_apis() is None
    assert asyncio.run(known.apis()) is before
    with pytest.raises(DatabaseUnavailable):
        asyncio.run(DeclaredApis(source).apis())


def test_nothing_is_known_while_the_feed_is_not_followed(database: Database) -> None:
    known = DeclaredApis(source_of(database, is_fresh=False))
    before = asyncio.run(known.apis())
    assert known.known_apis() is None
    assert asyncio.run(known.apis()) is before  # it says the same, so it is the same
    with database.begin() as tx:
        apis.remove(tx, ORION.id, "Shop")
    assert "Shop" not in asyncio.run(known.apis())


def test_what_was_read_before_a_change_is_not_kept_after_it(database: Database) -> None:
    source = source_of(database)
    known = DeclaredApis(source)

    async def read_and_change() -> None:
        reading = asyncio.create_task(known.apis())
        await asyncio.sleep(0)
        source.generation += 1  # as `Directory.apply` does
        known.drop()
        await reading

    asyncio.run(read_and_change())
    assert known.known_apis() is None


def test_an_application_that_lists_nothing_is_kept_when_an_api_changes(database: Database) -> None:
    from tests.unit.store.test_conformance import APPLICATION

    copies = RecordCopies(source_of(database))
    copies.applications.put("plain", APPLICATION)
    copies.drop_audiences()
    assert copies.cached_application("plain") is APPLICATION
