"""The state feed as verifiers elsewhere read it, on both engines [TOP-13]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event

from mintgate.store import Database, Transaction, feed, instances, revocations, schema
from tests.unit.store.test_conformance import HERE, ORION, write


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, lambda: 1000.0)
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(tx, ORION)
    yield database
    database.close()


def revoke(tx: Transaction) -> None:
    revocations.add(tx, HERE, f"{len(feed.after(tx.connection, HERE, 0)):032X}", 4600.0)


def test_an_entry_that_comes_while_it_is_read_is_no_gap(database: Database) -> None:
    def read(connection: Connection) -> list[feed.NumberedEntry]:
        newest = feed.positions(connection)[HERE]
        waiting = [revoke]

        @event.listens_for(connection, "after_execute")
        def between(*_: Any) -> None:
            if waiting:
                write(database, waiting.pop())

        return feed.entries_after(connection, HERE, newest, 10)

    for _ in range(2):
        found = database.read_now(read)
        assert [entry.position for entry in found] in ([], [feed_position(database)])


def feed_position(database: Database) -> int:
    return database.read_now(feed.positions)[HERE]
