"""The state feed as verifiers elsewhere read it, on both engines [TOP-13]."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, event

from mintgate.contract.clock import LAST_MOMENT
from mintgate.contract.feed import ChangedUser
from mintgate.store import Database, Transaction, feed, instances, revocations, schema, users
from tests.unit.store.test_conformance import HERE, ORION, USER, write


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


def test_a_lock_without_an_end(database: Database) -> None:
    """[SGN-10] every verifier knows of it, though JSON has no infinity"""
    write(database, lambda tx: users.add(tx, HERE, replace(USER, locked_until=math.inf)))
    (told,) = database.read_now(lambda c: feed.entries_after(c, HERE, 1, 10))
    entry = msgspec.json.decode(msgspec.json.encode(told.data), type=ChangedUser)
    assert entry.locked_until == LAST_MOMENT
    stored = database.read_now(lambda c: users.by_id(c, HERE, USER.id))
    assert stored is not None
    assert stored.locked_until == math.inf


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
