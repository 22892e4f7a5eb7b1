"""PostgreSQL tells other processes at once that something was committed [TOP-13]."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, insert
from sqlalchemy.engine import make_url

from mintgate.contract.feed import ChangedUser
from mintgate.store import AuditEvent, Database, Transaction, follower, schema
from mintgate.store.follower import Follower
from mintgate.store.tables import instances
from tests.promptness import PROMPT_SECONDS
from tests.unit.store.test_growth import INSTANCE

HERE = INSTANCE["id"]
LONG = 60.0


@pytest.fixture
def url(postgresql: Callable[[], str]) -> str:
    """A database with one instance."""
    address = postgresql()
    database = Database(address)
    schema.upgrade(database)
    with database.begin() as tx:
        tx.connection.execute(insert(instances), INSTANCE | {"feed_position": 0})
    database.close()
    return address


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def change(tx: Transaction, subject: str = "x") -> None:
    tx.changed(HERE, subject, ChangedUser(sub_id=subject, active=True))


def change_elsewhere(url: str) -> None:
    elsewhere = Database(url)
    with elsewhere.begin() as tx:
        change(tx)
    elsewhere.close()


async def seconds_until_seen(database: Database, url: str, *, listening: bool = True) -> float:
    """How long a change of another process takes to be told."""
    seen = asyncio.Event()
    at: list[float] = []

    def tell(changes: Any) -> None:
        at.append(time.monotonic())
        seen.set()

    following = Follower(database, tell)
    await following.start()
    try:
        if listening:
            await wait_for_listener(url)
        await asyncio.to_thread(change_elsewhere, url)
        committed = time.monotonic()
        async with asyncio.timeout(10):
            await seen.wait()
        return at[0] - committed
    finally:
        await following.stop()


async def wait_for_listener(url: str) -> None:
    async with asyncio.timeout(20):
        while not await listeners(url):
            await asyncio.sleep(0.02)


async def listeners(url: str) -> int:
    """How many sessions of this database have asked for notifications."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        return int((await cursor.fetchone())[0])  # type: ignore[index]


def test_a_change_is_heard_of_and_not_waited_for(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "POLL_SECONDS", LONG)
    assert asyncio.run(seconds_until_seen(database, url)) < PROMPT_SECONDS


def test_a_lost_notification_costs_a_poll(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Follower, "_hear", lambda *_: None)
    assert asyncio.run(seconds_until_seen(database, url)) < PROMPT_SECONDS


def test_the_listener_comes_back(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(follower, "POLL_SECONDS", LONG)

    def said() -> list[str]:
        return [r.getMessage() for r in caplog.records if "notifications" in r.getMessage()]

    async def run() -> None:
        seen = asyncio.Event()
        following = Follower(database, lambda _: seen.set())
        await following.start()
        try:
            await wait_for_listener(url)
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                    " datname = current_database() AND query LIKE 'LISTEN%'"
                )
            async with asyncio.timeout(20):
                while len(said()) < 2:
                    await asyncio.sleep(0.02)
                await asyncio.to_thread(change_elsewhere, url)
                await seen.wait()
        finally:
            await following.stop()

    asyncio.run(run())
    assert len(said()) == 2, said()
    assert "cannot be heard now" in said()[0]
    assert "heard again" in said()[1]


def test_the_address_of_another_database(
    postgresql: Callable[[], str],
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is said once what is wrong, and polling goes on."""
    from mintgate.store import notifications

    monkeypatch.setattr(notifications, "TRIAL_SECONDS", 0.2)
    database = Database(url, notify_url=postgresql())
    took = asyncio.run(seconds_until_seen(database, url, listening=False))
    assert took < PROMPT_SECONDS

    async def wait_for_words() -> None:
        following = Follower(database, lambda _: None)
        await following.start()
        async with asyncio.timeout(10):
            while "did not arrive" not in caplog.text:
                await asyncio.sleep(0.02)
        await following.stop()

    asyncio.run(wait_for_words())
    database.close()
    assert "--notify-database must lead to the same database" in caplog.text


def test_one_notification_for_a_transaction_and_none_for_a_token(
    database: Database, url: str
) -> None:
    """Commits with notifications queue behind one lock of the server: tokens must not."""
    statements: list[str] = []
    event.listen(
        database.engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: statements.append(statement),
    )

    async def run() -> None:
        def three(tx: Transaction) -> None:
            for subject in "abc":
                change(tx, subject)

        await database.write(three)
        assert sum("pg_notify" in statement for statement in statements) == 1
        statements.clear()
        await database.record(AuditEvent(instance_id=HERE, event="token.issued", at=1.0))
        assert not any("pg_notify" in statement for statement in statements)

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("LISTEN mintgate_feed")
        asyncio.run(run())
        heard = [n.payload for n in connection.notifies(timeout=5, stop_after=1)]
    assert heard == [f"{HERE} 3"]


def test_own_changes_are_told_once(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """By the writer, before the answer leaves, and not again by the notification of it."""
    caplog.set_level(logging.ERROR)

    async def run() -> list[str]:
        told: list[str] = []
        following = Follower(database, lambda changes: told.extend(c.subject for c in changes))
        await following.start()
        for subject in ("a", "b"):
            await database.write(lambda tx, s=subject: change(tx, s))
            await following.poll()
        assert following.position_of(HERE) == 2
        await following.stop()
        return told

    assert asyncio.run(run()) == ["a", "b"]
    assert not caplog.records


def test_notifications_of_others_mean_nothing(database: Database, url: str) -> None:
    async def run() -> None:
        following = Follower(database, lambda _: None)
        await following.start()
        await wait_for_listener(url)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            for payload in ("", "nonsense", "a b c", f"{HERE} ١", "9" * 30):
                await connection.execute("SELECT pg_notify('mintgate_feed', %s)", (payload,))
        await asyncio.sleep(0)
        await asyncio.to_thread(change_elsewhere, url)
        async with asyncio.timeout(10):
            while following.position_of(HERE) < 1:
                await asyncio.sleep(0.02)
        await following.stop()

    asyncio.run(run())


def test_several_hosts_are_handed_on_unbroken() -> None:
    """libpq goes through them, and takes the one that is written to."""
    from mintgate.store import postgresql

    database = Database(
        "postgresql://mint:p%40ss@a.example:5433,b.example,[::1]:5434/mint"
        "?target_session_attrs=read-write&connect_timeout=2"
    )
    options = postgresql.driver_options(database.engine, database.url)
    database.close()
    assert options["host"] == "a.example,b.example,::1"
    assert options["port"] == "5433,,5434"
    assert options["target_session_attrs"] == "read-write"
    assert (options["user"], options["password"], options["dbname"]) == ("mint", "p@ss", "mint")
    assert options["connect_timeout"] == "2"  # what the URL says wins
    made = make_url("postgresql://h/db")
    assert postgresql.driver_options(database.engine, made)["connect_timeout"] == "5"


def test_a_database_that_is_slow_is_asked_and_not_guessed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known counts without asking only when there is no answer at all."""
    look, seen = database.look, []

    async def slow(work: Any) -> Any:
        await asyncio.sleep(0.6)
        return await look(work)

    async def run() -> None:
        following = Follower(database, lambda _: None)
        await following.start()
        monkeypatch.setattr(database, "look", slow)
        for _ in range(25):
            seen.append((following.is_fresh, following.goes_on()))
            await asyncio.sleep(0.1)
        await following.stop()

    asyncio.run(run())
    assert (False, False) in seen
    assert not any(goes_on for _, goes_on in seen)
