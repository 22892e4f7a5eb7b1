"""Counts of wrong tries on both engines [SGN-6]."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mintgate.contract.instance import Instance
from mintgate.store import Database, instances, schema, sign_in_tries
from mintgate.store.sign_in_tries import Count, Limit, Tries

HERE, THERE = "a" * 36, "b" * 36
LOGIN = "L" * 64
FIVE = Count("1" * 64, "origin", Limit(5, 1000.0, 300.0), LOGIN)
ONE = Count("2" * 64, "origin", Limit(1, 1000.0, 300.0), LOGIN)


class Clock:
    now = 10_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(database_url: str, clock: Clock) -> Iterator[Database]:
    database = Database(database_url, clock)
    schema.upgrade(database)
    with database.begin() as tx:
        for number, instance_id in enumerate((HERE, THERE)):
            url = f"https://i{number}.example"
            instance = Instance(id=instance_id, name=f"i{number}", database="X", base_url=url)
            instances.add(tx, instance)
    yield database
    database.close()


def add(database: Database, count: Count = FIVE, instance_id: str = HERE) -> bool:
    with database.begin() as tx:
        return sign_in_tries.add_one(tx, instance_id, count)


def is_full(database: Database, clock: Clock, *counts: Count, instance_id: str = HERE) -> bool:
    found = database.read_now(
        lambda c: sign_in_tries.any_is_full(c, instance_id, counts or (FIVE,), clock())
    )
    return found is not None


def test_the_last_try_begins_the_wait(database: Database, clock: Clock) -> None:
    for _ in range(4):
        assert add(database)
        clock.now += 1
    assert not is_full(database, clock)
    assert add(database)
    assert is_full(database, clock)
    assert not is_full(database, clock, instance_id=THERE)
    clock.now += 299
    assert not add(database)
    assert is_full(database, clock)
    clock.now += 1
    assert not is_full(database, clock)
    assert [add(database) for _ in range(6)] == [True] * 5 + [False]


def test_where_nothing_is_counted_nothing_is_full(database: Database, clock: Clock) -> None:
    look = lambda c: sign_in_tries.any_is_full(c, HERE, (), clock())  # noqa: E731
    assert database.read_now(look) is None


def test_tries_are_forgotten_after_the_window(database: Database, clock: Clock) -> None:
    assert all(add(database) for _ in range(4))
    clock.now += 1000
    assert [add(database) for _ in range(6)] == [True] * 5 + [False]


def test_a_limit_of_one(database: Database, clock: Clock) -> None:
    assert [add(database, ONE) for _ in range(2)] == [True, False]
    clock.now += 300
    assert [add(database, ONE) for _ in range(2)] == [True, False]


def test_a_success_forgets_one_count(database: Database, clock: Clock) -> None:
    for _ in range(5):
        add(database)
    add(database, ONE)
    with database.begin() as tx:
        sign_in_tries.forget(tx, HERE, FIVE)
    assert not is_full(database, clock)
    assert is_full(database, clock, FIVE, ONE)


def test_an_operator_sees_and_forgets_a_login(database: Database, clock: Clock) -> None:
    for _ in range(5):
        add(database)
    add(database, Count("3" * 64, "address", FIVE.limit))
    look = lambda: database.read_now(  # noqa: E731
        lambda c: sign_in_tries.of_logins(c, HERE, [LOGIN], clock())
    )
    assert look() == [Tries("origin", 5, 10_300.0)]
    with database.begin() as tx:
        assert sign_in_tries.forget_logins(tx, THERE, [LOGIN]) == 0
        assert sign_in_tries.forget_logins(tx, HERE, [LOGIN]) == 1
    assert look() == []


def test_ended_counts_are_swept(database: Database, clock: Clock) -> None:
    add(database)
    add(database, ONE)
    with database.begin() as tx:
        assert sign_in_tries.purge(tx, HERE, clock() + 300.5) == 1
        assert sign_in_tries.purge(tx, HERE, clock() + 1000.5) == 1


def test_processes_that_race_share_the_limit(database_url: str, database: Database) -> None:
    """Two databases stand for two processes: five of forty tries are allowed between them."""
    other = Database(database_url, database.clock)
    barrier = threading.Barrier(40)
    allowed: list[bool] = []

    def run(number: int) -> None:
        barrier.wait()
        allowed.append(add(other if number % 2 else database))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert len(allowed) == 40
    assert sum(allowed) == 5


def test_counts_by_name(database: Database, clock: Clock) -> None:
    """What a process that keeps counts in memory learns of the others."""
    for _ in range(3):
        add(database)
    add(database, ONE)
    add(database, FIVE, THERE)

    def found() -> dict[str, Tries]:
        keys = [FIVE.key, ONE.key, "3" * 64]
        return database.read_now(lambda c: sign_in_tries.of_keys(c, HERE, keys, clock()))

    assert found() == {
        FIVE.key: Tries("origin", 3, clock.now + 1000.0),
        ONE.key: Tries("origin", 1, clock.now + 300.0),
    }
    clock.now += 301
    assert set(found()) == {FIVE.key}


def test_names_are_remembered_for_a_while(database: Database, clock: Clock) -> None:
    now = clock.now

    def remember(**until: float) -> None:
        with database.begin() as tx:
            sign_in_tries.remember(tx, HERE, "known", until)

    def until(key: str, instance_id: str = HERE) -> float:
        return database.read_now(lambda c: sign_in_tries.remembered(c, instance_id, key, clock()))

    remember(a=now + 10, b=now + 20)
    remember(a=now + 30)
    remember()
    assert [until("a"), until("b"), until("c"), until("a", THERE)] == [now + 30, now + 20, 0, 0]
    clock.now += 25
    assert [until("a"), until("b")] == [now + 30, 0]
    with database.begin() as tx:
        assert sign_in_tries.purge(tx, HERE, clock.now) == 1
