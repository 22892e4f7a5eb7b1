"""What the store does from time to time costs the same however many rows there are."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, delete, event, func, insert, select, text

from mintgate.store import Database, Transaction, feed, housekeeping, revocations, schema
from mintgate.store.housekeeping import FEED_KEPT, KEPT_AFTER_END
from mintgate.store.pacing import bit_by_bit
from mintgate.store.purging import BATCH
from mintgate.store.tables import instances, revoked_tokens, state_feed
from tests.world import MovableClock

HERE = "11111111-1111-1111-1111-111111111111"
NOW = 1_800_000_000.0
MANY = 20_000
OLD = NOW - FEED_KEPT - MANY
STEPS = 100


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Twenty thousand old rows in two tables."""
    database = Database(database_url, MovableClock(NOW))
    schema.upgrade(database)
    with database.begin() as tx:
        tx.connection.execute(insert(instances), INSTANCE)
        tx.connection.execute(
            insert(revoked_tokens),
            [
                {"instance_id": HERE, "jti": f"{n * 7919 % MANY:032X}", "expires_at": OLD + n}
                for n in range(MANY)
            ],
        )
        tx.connection.execute(
            insert(state_feed),
            [
                {
                    "instance_id": HERE,
                    "position": n + 1,
                    "kind": "jti",
                    "subject": f"{n:032X}",
                    "data": {"type": "jti"},
                    "at": OLD + n,
                }
                for n in range(MANY)
            ],
        )
        if not database.is_sqlite:  # which nobody tells how many rows there are
            tx.connection.execute(text("ANALYZE"))
    yield database
    database.close()


INSTANCE = {
    "id": HERE,
    "name": "here",
    "database": "HERE",
    "base_url": "https://here.example",
    "licences": 1,
    "access_token_lifetime": 3600,
    "public_refresh_tokens": False,
    "refresh_grace_seconds": 0,
    "feed_position": MANY,
}

WORK: dict[str, Callable[[Transaction], Any]] = {
    "purging revoked tokens": lambda tx: revocations.purge(tx, HERE, NOW - KEPT_AFTER_END),
    "purging the feed": lambda tx: feed.purge(tx.connection, HERE, NOW - FEED_KEPT),
    "where the feed begins": lambda tx: feed.position_before(tx.connection, HERE, NOW),
    "what is revoked now": lambda tx: revocations.live(tx.connection, HERE, NOW),
}


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_looks_at_few_rows_among_many(database: Database, work: str) -> None:
    """Counted in steps of its virtual machine: a look at all rows is some hundred thousand."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += STEPS
        return 0

    with database.begin() as tx:
        raw: Any = tx.connection.connection.dbapi_connection
        raw.set_progress_handler(count, STEPS)
        WORK[work](tx)
        raw.set_progress_handler(None, 0)
    assert counted < MANY


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_postgresql_takes_an_index(database: Database, work: str) -> None:
    plans: list[str] = []

    def explain(
        connection: Connection, _: Any, statement: str, parameters: Any, *more: Any
    ) -> None:
        raw: Any = connection.connection.dbapi_connection
        with raw.cursor() as cursor:
            rows = cursor.execute(f"EXPLAIN {statement}", parameters).fetchall()
        plans.append("\n".join(row[0] for row in rows))

    event.listen(database.engine, "before_cursor_execute", explain)
    with database.begin() as tx:
        WORK[work](tx)
    assert plans
    for plan in plans:
        assert "Seq Scan on revoked_tokens" not in plan, plan
        assert "Seq Scan on state_feed" not in plan, plan


def test_everything_old_goes_in_the_end(database: Database) -> None:
    left = 2 * BATCH + 1
    with database.begin() as tx:
        for table, number in (
            (revoked_tokens, revoked_tokens.c.expires_at),
            (state_feed, state_feed.c.at),
        ):
            tx.connection.execute(delete(table).where(number < OLD + MANY - left))
    parts: list[bool] = []

    def work(tx: Transaction) -> bool:
        parts.append(housekeeping.sweep_some(tx, HERE))
        return parts[-1]

    asyncio.run(bit_by_bit(database, work))
    assert parts == [True] * 4 + [False]
    assert _count(database, revoked_tokens) == 0
    assert _count(database, state_feed) == 0


def test_others_write_between_the_parts(database: Database) -> None:
    """A long purge is no reason to wait for its end."""

    async def run() -> int:
        purge = asyncio.create_task(
            bit_by_bit(database, lambda tx: housekeeping.sweep_some(tx, HERE))
        )
        for number in range(5):
            await database.write(
                lambda tx, jti=f"N{number}": revocations.add(tx, HERE, jti, NOW + 60)
            )
        left = _count(database, revoked_tokens)
        assert not purge.done()
        purge.cancel()
        return left

    assert asyncio.run(run()) > MANY - 20 * BATCH


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_journal_is_copied_beside_the_writer(database: Database) -> None:
    """What was committed is in the file then."""

    async def run() -> None:
        await database.write(lambda tx: revocations.add(tx, HERE, "N", NOW + 60))
        assert not in_file()
        await database.copy_journal()
        assert in_file()

    def in_file() -> bool:
        # As if there were no journal beside it.
        connection = sqlite3.connect(f"file:{database.url.database}?immutable=1", uri=True)
        try:
            return bool(
                connection.execute("SELECT 1 FROM revoked_tokens WHERE jti = 'N'").fetchall()
            )
        finally:
            connection.close()

    asyncio.run(run())


def _count(database: Database, table: Any) -> int:
    return database.read_now(
        lambda c: int(c.execute(select(func.count()).select_from(table)).scalar_one())
    )
