"""Telling of reference tokens that end soon: once for each moment, cheap with many [EXT-9]."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, text

from mintgate.contract.reminders import DAY, days_left, next_reminder
from mintgate.store import (
    Database,
    applications,
    audit,
    instances,
    reference_tokens,
    schema,
    token_reminders,
    users,
)
from mintgate.store.reference_tokens import ReferenceToken
from mintgate.store.tables import reference_tokens as table
from tests.unit.store.test_conformance import APPLICATION, HERE, ORION, USER
from tests.world import MovableClock

TOKEN = ReferenceToken(
    id="t1",
    token_key="T1",
    kind="PAT",
    application_id="app1",
    user_id="u1",
    scopes=("read",),
    description=None,
    jti="J" * 32,
    sid="S" * 32,
    created_by="Mira.K",
    created_at=0.0,
    expires_at=0.0,
)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def database(database_url: str, clock: MovableClock) -> Iterator[Database]:
    database = Database(database_url, clock)
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(tx, ORION)
        users.add(tx, HERE, USER)
        applications.add(tx, HERE, APPLICATION)
    yield database
    database.close()


def add(database: Database, name: str, ends_in: float, **changes: Any) -> None:
    token = msgspec.structs.replace(
        TOKEN,
        **{
            "id": name,
            "token_key": name,
            "jti": name.ljust(32, "0"),
            "expires_at": database.clock() + ends_in,
            **changes,
        },
    )
    with database.begin() as tx:
        reference_tokens.add(tx, HERE, token)


def remind(database: Database) -> bool:
    with database.begin() as tx:
        return token_reminders.remind(tx, HERE)


def told(database: Database) -> list[tuple[str, int]]:
    found = database.read_now(lambda c: audit.latest(c, HERE, 1000))
    return [
        (str(event.jti).rstrip("0"), event.details["days_left"])
        for event in reversed(found)
        if event.event == "reference_token.expiring" and event.details
    ]


@pytest.mark.parametrize(
    ("ends", "now", "expected"),
    [
        (40 * DAY, 0.0, 10 * DAY),
        (40 * DAY, 10 * DAY, 33 * DAY),
        (40 * DAY, 33 * DAY, 39 * DAY),
        (40 * DAY, 39 * DAY, None),
        (40 * DAY, 50 * DAY, None),
        (5 * DAY, 0.0, 4 * DAY),
        (None, 0.0, None),
    ],
)
def test_the_next_moment(ends: float | None, now: float, expected: float | None) -> None:
    assert next_reminder(ends, now) == expected


def test_days_left() -> None:
    assert [days_left(10 * DAY, n * DAY) for n in (0, 9, 9.5, 10, 11)] == [10, 1, 0, 0, 0]


def test_each_moment_is_told_once(database: Database, clock: MovableClock) -> None:
    add(database, "A", 40 * DAY)
    assert not remind(database)
    for days in (10, 5, 18, 3, 3):
        clock.advance(days * DAY)
        remind(database)
        remind(database)
    assert told(database) == [("A", 30), ("A", 7), ("A", 1)]
    (event, *_) = database.read_now(lambda c: audit.latest(c, HERE, 1))
    assert (event.actor, event.application) == (USER.login, APPLICATION.application_uri)
    clock.advance(10 * DAY)
    remind(database)
    assert len(told(database)) == 3


def test_missed_moments_are_told_as_one(database: Database, clock: MovableClock) -> None:
    """The server was away."""
    add(database, "A", 40 * DAY)
    add(database, "B", 35 * DAY)
    clock.advance(39.5 * DAY)
    remind(database)
    remind(database)
    assert told(database) == [("A", 0)]  # B has ended


def test_of_a_revoked_token_nothing_is_told(database: Database, clock: MovableClock) -> None:
    add(database, "A", 40 * DAY)
    with database.begin() as tx:
        assert reference_tokens.revoke(tx, HERE, "A", "x")
    clock.advance(35 * DAY)
    remind(database)
    assert told(database) == []


def test_many_are_told_in_parts(database: Database, clock: MovableClock) -> None:
    for number in range(token_reminders.AT_ONCE + 1):
        add(database, f"T{number}x", 40 * DAY)
    clock.advance(10 * DAY)
    assert remind(database)
    assert not remind(database)
    assert len(told(database)) == token_reminders.AT_ONCE + 1


def test_two_processes_tell_it_once(database: Database, clock: MovableClock) -> None:
    for number in range(20):
        add(database, f"T{number}x", 40 * DAY)
    clock.advance(10 * DAY)
    gate = threading.Barrier(4)
    errors: list[Exception] = []

    def sweep() -> None:
        other = Database(database.url, clock)
        gate.wait()
        try:
            remind(other)
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)
        other.close()

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(told(database)) == 20


def test_the_tokens_of_a_user_that_end_soon(database: Database, clock: MovableClock) -> None:
    add(database, "far", 40 * DAY)
    add(database, "month", 29 * DAY)
    add(database, "week", 5 * DAY)
    add(database, "other", 5 * DAY, user_id="u2")
    add(database, "ended", 1.0)
    clock.advance(2)
    found = database.read_now(
        lambda c: reference_tokens.ending_soon(c, HERE, "u1", database.clock())
    )
    assert [token.id for token in found] == ["week", "month"]


def test_the_due_ones_are_found_by_an_index(database: Database) -> None:
    """With 20,000 tokens of which a few are due, on both engines."""
    now = database.clock()
    row = msgspec.structs.asdict(TOKEN) | {"instance_id": HERE, "scopes": ["read"]}
    rows = [
        row
        | {
            "id": f"{n}",
            "token_key": f"{n}",
            "jti": f"{n}",
            "expires_at": now + (400 + n) * DAY,
            "remind_at": now + n * DAY - 5 * DAY,
        }
        for n in range(20_000)
    ]
    with database.begin() as tx:
        tx.connection.execute(insert(table), rows)
        tx.connection.execute(text("ANALYZE"))
    statement = token_reminders.due_statement(HERE, now)

    def plan(connection: Any) -> str:
        sql = statement.compile(connection, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        return "\n".join(map(str, connection.execute(text(f"{explain} {sql}"))))

    found = database.read_now(plan)
    assert "ix_reference_tokens_remind" in found, found
    assert "Seq Scan on reference_tokens" not in found, found
    assert "SCAN reference_tokens" not in found, found
