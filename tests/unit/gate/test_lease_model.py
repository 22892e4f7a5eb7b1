"""Adapters elsewhere and the server share the slots as the model of specification §9 says.

The machine, its events and its model are those of `test_session_model`; here the first process is
the server, and the others know its sessions by leases only.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from mintgate.gate.sessions import ErpSessions
from mintgate.store import Database, schema
from tests.unit.gate.lease_desk import Adapter, Desk
from tests.unit.gate.test_session_model import PEOPLE, PROCESSES, SERVICE, Slots
from tests.world import NOW, MovableClock

SERVER = 0


class Leased(Slots):
    """The server, and adapters in the place of its other processes."""

    def __init__(self) -> None:
        self.desk: Desk | None = None
        self.made = 0
        super().__init__()

    def new_process(self) -> Any:
        if self.desk is None:
            self.desk = Desk(self.here, self.database, self.clock)
        self.made += 1
        if self.made == 1:
            return ErpSessions(self.here, self.database, lambda: True, self.clock)
        return Adapter(self.desk, self.clock)

    def sweep(self, process: int) -> None:
        """Only the server does."""
        super().sweep(SERVER)

    def count(self, process: int) -> None:
        super().count(SERVER)

    def die(self, process: int) -> None:
        if process != SERVER:
            super().die(process)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, MovableClock(NOW))
    schema.upgrade(database)
    yield database
    database.close()


def test_every_slot_is_as_in_the_model(database: Database) -> None:
    run_state_machine_as_test(
        type("LeasedHere", (Leased,), {"database": database}),
        settings=settings(
            max_examples=12 if database.is_sqlite else 4,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def test_a_long_walk_as_in_the_model(database: Database) -> None:
    """Every kind of event in the same run many times."""
    machine = type("LeasedWalked", (Leased,), {"database": database})()
    chance = random.Random(7)
    pick = chance.choice
    everybody = (*PEOPLE, SERVICE)
    for _ in range(600 if database.is_sqlite else 200):
        (event,) = chance.choices(("requests", "time", "change", "end", "process"), (8, 5, 3, 1, 1))
        if event == "requests":
            machine.requests(pick(PROCESSES), pick(everybody), pick((0, 1)), pick((0, 0, 1, 3)))
        elif event == "time":
            seconds = pick((1, 5, 14, 14, 300, 1171, 1184, 1190, 1200, 1209, 1216))
            machine.time_passes(seconds, pick((None, *PROCESSES)), pick(PROCESSES))
        elif event == "change":
            what = pick(("reserve", "reserve", "unreserve", "buy"))
            machine.changes(what, pick(everybody), pick((0, 1, 2, 3, 5)))
        elif event == "end":
            how = pick(("sign-out", "sign-out", "close", "close", "all"))
            machine.ends(how, pick(everybody), pick((0, 1, 2)))
        else:
            machine.sweeps_or_dies(pick(PROCESSES), dies=pick((True, False)))
        machine.every_seat_is_as_in_the_model()


def test_a_dead_adapter_holds_no_slot_for_ever(database: Database) -> None:
    """[SES-14, SES-27] 1200 seconds and the 15 in which it might have told of a touch"""
    machine = type("LeasedDead", (Leased,), {"database": database})()
    machine.buy(1)
    machine.use(1, "ann", 0)
    machine.die(1)
    for seconds, is_free in ((1214, False), (1, True)):
        machine.clock.advance(seconds)
        machine.model.now += seconds
        machine.use(2, "Bob", 0)
        assert ("Bob 0" in machine.stored()) is is_free
    assert asyncio.run(machine.processes[SERVER].counts()).in_use == 1
