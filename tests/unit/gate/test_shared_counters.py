"""Limits of several processes over one database, on both engines [API-17]."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from mintgate.contract.declared_apis import Limits
from mintgate.contract.errors import TooManyRequests
from mintgate.contract.instance import Instance
from mintgate.gate.shared_counters import BATCH, SharedCounters
from mintgate.gate.sums import DatabaseSums
from mintgate.store import Database, DatabaseUnavailable, housekeeping, instances, schema
from mintgate.store.tables import rate_counters
from mintgate.verify.counters import Counters
from mintgate.verify.rate_limits import RateLimits
from tests.unit.store.session_office import HERE
from tests.unit.verify.test_rate_limits import BEGIN, MINUTE, Clock, a_principal

ROOT = Path(__file__).parents[3]
LIMIT = 10


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(database_url: str, clock: Clock) -> Iterator[Database]:
    database = Database(database_url, clock)
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(
            tx, Instance(id=HERE, name="o", database="O", base_url="https://orion.example")
        )
    yield database
    database.close()


class Process:
    """What one process knows, without being one."""

    def __init__(self, database: Database, clock: Clock, limit: int = LIMIT) -> None:
        self.counters = SharedCounters(DatabaseSums(database, HERE), bytes(32), clock)
        self.limits = RateLimits(Limits(per_session=limit), self.counters, api="DomainAPI")

    def passes(self, session: str = "s1") -> bool:
        try:
            self.limits.hit(a_principal(session=session), None, "")
        except TooManyRequests:
            return False
        return True

    def count(self, times: int, session: str = "s1") -> int:
        return sum(self.passes(session) for _ in range(times))

    def exchange(self) -> None:
        asyncio.run(self.counters.exchange())


def rows(database: Database) -> list[Any]:
    return database.read_now(lambda c: list(c.execute(select(rate_counters))))


def test_processes_add_up(database: Database, clock: Clock) -> None:
    one, two = Process(database, clock), Process(database, clock)
    assert one.count(6) == 6
    one.exchange()
    assert two.count(1) == 1
    two.exchange()
    assert two.count(20) == 3
    two.exchange()
    assert one.count(1) == 1  # it has not heard of the three
    one.exchange()
    assert one.count(5) == 0
    assert [row.requests for row in rows(database)] == [11]


def test_what_others_did_in_the_minute_before_fades_here_too(
    database: Database, clock: Clock
) -> None:
    one, two = Process(database, clock), Process(database, clock)
    clock.now += 50
    assert one.count(10) == 10
    one.exchange()
    clock.now += 10 + 15
    assert two.count(1) == 1
    two.exchange()
    assert two.count(20) == 2  # 7.5 of the ten still count, and one was


def test_the_end_of_a_minute_is_told_too(database: Database, clock: Clock) -> None:
    one, two = Process(database, clock), Process(database, clock)
    clock.now += 59
    assert one.count(10) == 10
    clock.now += 1
    assert one.count(1) == 0  # 10 of the minute before still count
    one.exchange()
    clock.now += 30
    assert two.count(1) == 1
    two.exchange()
    assert two.count(20) == 4


def test_a_process_alone_is_exact(database: Database, clock: Clock) -> None:
    one = Process(database, clock)
    total = 0
    for _ in range(8):
        total += one.count(3)
        one.exchange()
    assert total == LIMIT


def test_nothing_is_written_when_nothing_was_counted(database: Database, clock: Clock) -> None:
    one = Process(database, clock)
    one.exchange()
    assert rows(database) == []
    one.count(50)
    one.exchange()
    before = rows(database)
    one.count(50)  # all refused
    one.exchange()
    assert rows(database) == before


def test_many_counters_are_told_in_batches(database: Database, clock: Clock) -> None:
    one, two = Process(database, clock, 1), Process(database, clock, 2)
    names = [f"s{number}" for number in range(BATCH * 2 + 3)]
    assert all(one.passes(name) for name in names)
    one.exchange()
    assert len(rows(database)) == len(names)
    assert all(two.passes(name) for name in names)
    two.exchange()
    assert not any(two.passes(name) for name in names)


def test_a_row_tells_nothing_of_whom_it_counts(database: Database, clock: Clock) -> None:
    one = Process(database, clock)
    one.limits.use(Limits(per_session=5, per_user=5, per_client=5, per_address=5))
    one.limits.hit(a_principal("sid-1", "client-1", "mira.k"), None, "192.0.2.77")
    one.exchange()
    kept = repr(rows(database))
    assert len(rows(database)) == 4
    assert not any(name in kept for name in ("sid-1", "client-1", "mira.k", "192.0.2.77"))


def test_while_the_database_is_away_nothing_is_lost(database: Database, clock: Clock) -> None:
    one, two = Process(database, clock), Process(database, clock)
    with database.begin() as tx:
        tx.connection.execute(text("ALTER TABLE rate_counters RENAME TO gone"))
    one.count(6)
    with pytest.raises(Exception, match="rate_counters"):
        one.exchange()
    assert one.count(20) == 4  # by what it knows
    with database.begin() as tx:
        tx.connection.execute(text("ALTER TABLE gone RENAME TO rate_counters"))
    one.exchange()
    assert [row.requests for row in rows(database)] == [10]
    two.count(1)
    two.exchange()
    assert two.count(20) == 0


def test_housekeeping_removes_old_minutes(database: Database, clock: Clock) -> None:
    one = Process(database, clock)
    one.count(1)
    one.exchange()

    def swept() -> int:
        with database.begin() as tx:
            return housekeeping.sweep(tx, HERE, clock.now)["rate_counters"]

    clock.now += 2 * MINUTE
    assert swept() == 0
    clock.now += MINUTE
    assert swept() == 1
    assert rows(database) == []


class _Sums:
    """The store, for the model alone."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}

    def exchange(self, counters: Counters) -> None:
        for one in counters.take_untold(100):
            which = (one.key, one.window)
            self.requests[which] = self.requests.get(which, 0) + one.requests
            for window in (one.window - 1, one.window):
                known = self.requests.get((one.key, window))
                if known is not None:
                    counters.learn(one.key, window, known)


STEPS = st.lists(
    st.tuples(st.sampled_from(["hit", "hit", "exchange", "wait"]), st.integers(0, 2)), max_size=120
)


@given(st.integers(1, 15), STEPS)
@settings(deadline=None, max_examples=200)
def test_the_bound_of_several_processes(limit: int, steps: list[tuple[str, int]]) -> None:
    """In no minute more than the limit, and what each lets pass between two exchanges."""
    clock, store = Clock(), _Sums()
    every = [Counters(clock) for _ in range(3)]
    limits = [RateLimits(Limits(per_session=limit), counters) for counters in every]
    passed: dict[float, int] = {}
    since = [0, 0, 0]
    most = [0, 0, 0]
    for step, which in steps:
        if step == "wait":
            clock.now += 7.0 * (which + 1)
        elif step == "exchange":
            store.exchange(every[which])
            since[which] = 0
        else:
            try:
                limits[which].hit(a_principal(), None, "")
            except TooManyRequests:
                continue
            minute = clock.now // MINUTE
            passed[minute] = passed.get(minute, 0) + 1
            since[which] += 1
            most[which] = max(most[which], since[which])
    bound = min(limit + sum(most) - 1, limit * 3)
    assert all(count <= bound for count in passed.values())
    if sum(1 for n in most if n) == 1:
        assert all(count <= limit for count in passed.values())


@pytest.mark.parametrize("each", [7])
def test_two_real_processes(database: Database, each: int) -> None:
    """They take turns in rounds of seven requests each, with an exchange after every round."""
    limit, rounds = 50, 8
    command = [sys.executable, "-m", "tests.unit.gate.counting"]
    arguments = [database.url.render_as_string(hide_password=False), HERE, str(limit)]
    processes = [
        subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    total = 0
    for _ in range(rounds):
        for process in processes:  # at once
            assert process.stdin is not None
            process.stdin.write(f"{each}\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout is not None
            total += int(process.stdout.readline())
    for process in processes:
        process.communicate("\n", timeout=60)
    assert limit <= total < limit + 2 * each
    assert [row.requests for row in rows(database)] == [total]
    assert rows(database)[0].minute == int(BEGIN // MINUTE)


def test_a_database_that_is_away_is_said(tmp_path: Path) -> None:
    lost = Database(f"sqlite:///{tmp_path}/none/there.db")
    one = Process(lost, Clock())
    one.count(1)
    with pytest.raises(DatabaseUnavailable):
        one.exchange()
    lost.close()
