"""Real processes race for the last slots, on both engines: never one too many, none leaked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import event

from mintgate.contract.identifiers import new_guid
from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.gate.sessions import ErpSessions
from mintgate.store import (
    Database,
    Transaction,
    erp_session_ends,
    erp_sessions,
    feed,
    instances,
    licence_pools,
    reserved_seats,
    schema,
    sessions,
    users,
)
from tests.unit.gate.test_session_model import principal_of
from tests.unit.store.session_office import HERE, opening_of

ROOT = Path(__file__).parents[3]
PROCESSES = 3


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(
            tx,
            Instance(
                id=HERE, name="o", database="O", base_url="https://orion.example", licences=10
            ),
        )
        for login in ("r1", "r2"):
            user = User(id=new_guid(), login=login, name={"en": login}, user_type=UserType.INTERNAL)
            users.add(tx, HERE, user)
            reserved_seats.add(tx, HERE, login)
    yield database
    database.close()


def test_processes_that_race_share_the_slots(database: Database) -> None:
    """[SES-11, SES-31, SES-33] eight general slots and two reserved ones for 28 sessions"""
    url = database.url.render_as_string(hide_password=False)
    shared = [f"shared{number}" for number in range(4)]
    everybody = []
    for number in range(PROCESSES):
        own = [f"p{number}.{key}" for key in range(6)]
        keys = [*own, *shared, f"r1 {number}", f"r2 {number}"]
        command = [sys.executable, "-m", "tests.unit.gate.racer", url, HERE, *keys]
        everybody.append(
            subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
    for process in everybody:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in everybody:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outcomes = [json.loads(process.communicate(timeout=60)[0]) for process in everybody]

    found = database.read_now(lambda c: erp_sessions.listing(c, HERE, time.time(), None, 100))
    seats = Counter(f"{one.seat} {one.login if one.seat == 'reserved' else ''}" for one in found)
    assert seats == {"general ": 8, "reserved r1": 1, "reserved r2": 1}
    stored = {one.key for one in found}
    opened = {key for told in outcomes for key, what in told.items() if what == "open"}
    assert opened == stored
    assert "lost" not in {what for told in outcomes for what in told.values()}
    for one in found:
        touched = sum(told.get(one.key) == "open" for told in outcomes)
        assert one.total_requests == 3 * touched
        assert (one.toucher is None) == (touched > 1)
    with database.begin() as tx:
        assert erp_session_ends.close_all(tx, HERE) == 10
    assert database.read_now(lambda c: licence_pools.counts(c, HERE, time.time())).in_use == 0


def test_opening_closing_and_reserving_at_once_never_wait_in_a_circle(database: Database) -> None:
    """Two writers do everything there is to sessions, mixed with other work in their groups."""
    other = Database(database.url)

    def unrelated(tx: Transaction) -> None:
        users.note_failed_sign_in(tx, HERE, "nobody")
        instances.lock(tx, HERE)

    def units(process: str, number: int) -> list[tuple[Any, str | None]]:
        key = f"K{number % 5}"
        opening = opening_of(key, process=process)
        return [
            (unrelated, None),
            (lambda tx: erp_sessions.open_or_join(tx, HERE, opening), licence_pools.lane(HERE)),
            (lambda tx: sessions.end(tx, HERE, key, sessions.SIGNED_OUT), None),
            (lambda tx: erp_sessions.flush(tx, HERE, process, []), licence_pools.lane(HERE)),
            (lambda tx: erp_session_ends.close(tx, HERE, key), None),
            (lambda tx: reserved_seats.remove(tx, HERE, "r1"), None),
            (lambda tx: reserved_seats.add(tx, HERE, "r1"), None),
            (lambda tx: erp_session_ends.sweep(tx, HERE, process), licence_pools.lane(HERE)),
        ]

    async def run(mine: Database, process: str, turn: int) -> None:
        for number in range(40):
            work = units(process, number)
            # Each writer has another order in its groups.
            mixed = work[turn:] + work[:turn]
            await asyncio.gather(*(mine.write(unit, lane=lane) for unit, lane in mixed))

    async def both() -> None:
        await asyncio.gather(run(database, "P1", 0), run(other, "P2", 1))

    before = deadlocks(database)
    asyncio.run(both())
    other.close()
    assert deadlocks(database) == before
    counted = database.read_now(lambda c: licence_pools.counts(c, HERE, time.time()))
    assert counted.general_in_use <= 8
    assert database.read_now(feed.positions)[HERE] > 0


def test_openings_in_two_instances_never_wait_in_a_circle(database: Database) -> None:
    """Two processes serve both, and requests come in another order at each."""
    there = "b" * 36
    with database.begin() as tx:
        found = instances.by_id(tx.connection, HERE)
        assert found is not None
        more = {"id": there, "name": "p", "base_url": "https://pegasus.example"}
        instances.add(tx, replace(found, **more))
        for instance_id in (HERE, there):
            licence_pools.lock(tx, instance_id)
    other = Database(database.url)
    at_once = threading.Barrier(2)

    def meet(connection: Any, _: Any, statement: str, *rest: Any) -> None:
        if "licence_pools" in statement and "FOR UPDATE" in statement:
            with contextlib.suppress(threading.BrokenBarrierError):
                at_once.wait(0.5)

    async def use(mine: Database, order: tuple[str, str]) -> None:
        sources = [ErpSessions(one, mine, lambda: True, time.time) for one in order]
        ann = principal_of("ann", "A")
        await asyncio.gather(*(source.open_async(ann) for source in sources))

    async def both() -> None:
        await asyncio.gather(use(database, (HERE, there)), use(other, (there, HERE)))

    for one in (database, other):
        event.listen(one.engine, "after_cursor_execute", meet)
    before = deadlocks(database)
    asyncio.run(both())
    other.close()
    assert deadlocks(database) == before


def deadlocks(database: Database) -> int:
    if database.is_sqlite:
        return 0
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        return int(
            connection.exec_driver_sql(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            ).scalar_one()
        )


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_sign_out_waits_before_it_takes_the_session(database: Database) -> None:
    """Who closes the session meanwhile has the lock of the instance already, and must get it."""
    with database.begin() as tx:
        erp_sessions.open_or_join(tx, HERE, opening_of("K1"))
    other = Database(database.url)

    def sign_out() -> None:
        with other.begin() as tx:
            sessions.end(tx, HERE, "K1", sessions.SIGNED_OUT)

    def is_waiting(connection: Any) -> bool:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool(connection.exec_driver_sql(asked).scalar_one())

    before = deadlocks(database)
    with ThreadPoolExecutor(1) as threads:
        with database.begin() as tx:
            instances.lock(tx, HERE)
            signing_out = threads.submit(sign_out)
            while not database.read_now(is_waiting):
                assert not signing_out.done()
            assert erp_session_ends.close(tx, HERE, "K1")
        signing_out.result(30)
    other.close()
    assert deadlocks(database) == before
