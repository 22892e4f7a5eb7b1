"""Sessions and slots of several processes against a model in plain Python [SES-10..38]."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from mintgate.contract.errors import NoFreeSlot
from mintgate.contract.identifiers import new_guid
from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.gate.sessions import ErpSessions
from mintgate.store import (
    Database,
    erp_session_ends,
    erp_sessions,
    feed,
    instances,
    reserved_seats,
    schema,
    sessions,
    users,
)
from mintgate.verify.principal import Principal
from tests.world import NOW, MovableClock

PEOPLE = ("ann", "Bob")
SERVICE = "svc"
PROCESSES = range(3)
_numbers = itertools.count()


@dataclass
class Held:
    """A session as the model has it."""

    login: str
    seat: str
    started: float
    end: float
    stored: float
    only: int | None
    """The only process that touched it."""


@dataclass
class Model:
    """What specification §9 says, with sets and dictionaries."""

    total: int
    now: float = NOW
    held: dict[str, Held] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)
    # By process: what it knows to be open, as (started, last use), and what it has not told.
    known: dict[int, dict[str, tuple[float, float]]] = field(
        default_factory=lambda: {process: {} for process in PROCESSES}
    )
    untold: dict[int, dict[str, tuple[float, float]]] = field(
        default_factory=lambda: {process: {} for process in PROCESSES}
    )

    def is_over(self, one: Held, process: int | None) -> bool:
        limit = 1200 if process is not None and one.only == process else 1215
        return self.now >= one.end or self.now - one.stored >= limit

    def flush(self, process: int) -> None:
        for key, (started, at) in self.untold[process].items():
            one = self.held.get(key)
            if one is None or one.started != started or self.is_over(one, None):
                if self.known[process].get(key, (None,))[0] == started:
                    del self.known[process][key]
                continue
            one.stored = max(one.stored, at)
            one.only = one.only if one.only == process else None
        self.untold[process] = {}

    def use(self, process: int, login: str, key: str, *, service: bool) -> bool:
        """One request; whether it passes."""
        known = self.known[process].get(key)
        if known is not None:
            started, last = known
            absolute = started + 3600 if service else float("inf")
            if self.now - last < 1185 and self.now < absolute:
                self.known[process][key] = self.untold[process][key] = (started, self.now)
                return True
        self.flush(process)
        for other, one in list(self.held.items()):
            if (one.only == process or other == key) and self.is_over(one, process):
                del self.held[other]
        mine = self.held.get(key)
        if mine is None:
            seat = self.seat_of_newcomer(login, process)
            if seat is None:
                return False
            end = self.now + 3600 if service else float("inf")
            self.held[key] = mine = Held(login, seat, self.now, end, self.now, process)
        else:
            mine.stored = max(mine.stored, self.now)
            mine.only = mine.only if mine.only == process else None
        self.known[process][key] = (mine.started, self.now)
        self.untold[process][key] = (mine.started, self.now)
        return True

    def seat_of_newcomer(self, login: str, process: int) -> str | None:
        """A session that is over has its slot until somebody needs it."""
        seat = self.free_seat(login)
        if seat is None or self.holds_reserved(login):
            for key in [key for key, one in self.held.items() if self.is_over(one, process)]:
                del self.held[key]
            seat = self.free_seat(login)
        return seat

    def holds_reserved(self, login: str) -> bool:
        return any(one.login == login and one.seat == "reserved" for one in self.held.values())

    def free_seat(self, login: str) -> str | None:
        if login in self.reserved and not self.holds_reserved(login):
            return "reserved"
        general = sum(one.seat == "general" for one in self.held.values())
        return "general" if general < self.total - len(self.reserved) else None

    def close(self, key: str) -> None:
        self.held.pop(key, None)
        for process in PROCESSES:
            self.known[process].pop(key, None)

    def reserve(self, login: str) -> None:
        if login in self.reserved or len(self.reserved) >= self.total:
            return
        self.reserved.add(login)
        own = [
            (one.started, key)
            for key, one in self.held.items()
            if one.login == login and one.seat == "general" and not self.is_over(one, None)
        ]
        if own:
            self.held[min(own)[1]].seat = "reserved"

    def unreserve(self, login: str) -> None:
        self.reserved.discard(login)
        for one in self.held.values():
            if one.login == login:
                one.seat = "general"

    def seats(self, process: int | None = None) -> dict[str, str]:
        return {k: one.seat for k, one in self.held.items() if not self.is_over(one, process)}


class Slots(RuleBasedStateMachine):
    """The same events for the model and for three processes over one real database."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        number = next(_numbers)
        clock = self.database.clock
        assert isinstance(clock, MovableClock)
        self.clock = clock
        clock.now = NOW
        self.here = f"instance {number}"
        self.model = Model(total=3)
        self.late: set[int] = set()
        self.instance = Instance(
            id=self.here,
            name=self.here,
            database="X",
            base_url=f"https://i{number}.example",
            licences=3,
        )
        with self.database.begin() as tx:
            instances.add(tx, self.instance)
            for login in (*PEOPLE, SERVICE):
                user = User(
                    id=new_guid(), login=login, name={"en": "X"}, user_type=UserType.INTERNAL
                )
                users.add(tx, self.here, user)
        self.position = 1000
        self.processes = [self.new_process() for _ in PROCESSES]
        self.position = self.database.read_now(feed.positions)[self.here]

    def new_process(self) -> ErpSessions:
        return ErpSessions(self.here, self.database, lambda: True, self.clock)

    def tell(self) -> None:
        """What the follower of each process does, at once."""
        changes = self.database.read_now(lambda c: feed.after(c, self.here, self.position))
        for change in changes:
            self.position = change.position
            for process in self.processes:
                process.apply(change)

    def flush(self, process: int) -> None:
        asyncio.run(self.processes[process].flush())
        self.model.flush(process)
        self.late.discard(process)

    @rule(
        process=st.sampled_from(PROCESSES),
        login=st.sampled_from((*PEOPLE, SERVICE)),
        number=st.integers(0, 1),
        again=st.sampled_from((0, 0, 1, 3)),
    )
    def requests(self, process: int, login: str, number: int, again: int) -> None:
        """A request, perhaps others of the same account that need more slots."""
        self.use(process, login, number)
        for other in range(again):
            self.use((process + other) % len(PROCESSES), login, (number + 1 + other) % 3)

    def use(self, process: int, login: str, number: int) -> None:
        service = login == SERVICE
        key = f"{login} {number}"
        principal = principal_of(login, key, service=service)
        source = self.processes[process]
        try:
            passed = (source.touch(principal) or source.open(principal)).key == key
        except NoFreeSlot:
            passed = False
        assert passed == self.model.use(process, login, key, service=service)
        if passed and process not in self.late:
            # Nothing passes without a slot, whatever a process believes.
            assert key in self.stored()

    @rule(
        seconds=st.sampled_from((1, 14, 600, 1171, 1184, 1186, 1200, 1209, 1216)),
        late=st.sampled_from((None, None, *PROCESSES)),
        counting=st.sampled_from(PROCESSES),
    )
    def time_passes(self, seconds: float, late: int | None, counting: int) -> None:
        """Each process flushes 14 seconds after whatever it did [SES-27], but for one that hangs.

        Then one counts.
        """
        first = min(seconds, 14)
        self.clock.advance(first)
        self.model.now += first
        if seconds >= 14:
            for process in PROCESSES:
                if process != late:
                    self.flush(process)
                elif self.model.untold[process]:
                    self.late.add(process)
        self.clock.advance(seconds - first)
        self.model.now += seconds - first
        self.count(counting)

    @rule(process=st.sampled_from(PROCESSES), dies=st.booleans())
    def sweeps_or_dies(self, process: int, *, dies: bool) -> None:
        if dies:
            self.die(process)
        else:
            self.sweep(process)

    def sweep(self, process: int) -> None:
        self.flush(process)
        asyncio.run(self.processes[process].sweep())
        for key, one in list(self.model.held.items()):
            if self.model.is_over(one, process):
                del self.model.held[key]

    def die(self, process: int) -> None:
        """A process ends without a last flush, and another one takes its place."""
        self.processes[process] = self.new_process()
        self.model.known[process] = {}
        self.model.untold[process] = {}
        self.late.discard(process)
        for one in self.model.held.values():
            one.only = -1 if one.only == process else one.only

    @rule(
        how=st.sampled_from(("sign-out", "close", "close", "all")),
        login=st.sampled_from((*PEOPLE, SERVICE)),
        number=st.integers(0, 2),
    )
    def ends(self, how: str, login: str, number: int) -> None:
        key = f"{login} {number}"
        if how == "all":
            self.close_all()
        elif how == "close":
            self.close(key)
        elif login != SERVICE:
            self.sign_out(key)

    def sign_out(self, key: str) -> None:
        with self.database.begin() as tx:
            sessions.end(tx, self.here, key, sessions.SIGNED_OUT)
        self.tell()
        self.model.close(key)

    def close(self, key: str) -> None:
        with self.database.begin() as tx:
            closed = erp_session_ends.close(tx, self.here, key)
        self.tell()
        assert closed == (key in self.model.held)
        self.model.close(key)

    def close_all(self) -> None:
        with self.database.begin() as tx:
            assert erp_session_ends.close_all(tx, self.here) == len(self.model.held)
        self.tell()
        for key in list(self.model.held):
            self.model.close(key)
        self.model.known = {process: {} for process in PROCESSES}

    @rule(
        what=st.sampled_from(("reserve", "reserve", "unreserve", "buy")),
        login=st.sampled_from((*PEOPLE, SERVICE)),
        total=st.integers(0, 5),
    )
    def changes(self, what: str, login: str, total: int) -> None:
        if what == "reserve":
            self.reserve(login)
        elif what == "unreserve":
            self.unreserve(login)
        else:
            self.buy(total)

    def reserve(self, login: str) -> None:
        full = login not in self.model.reserved and len(self.model.reserved) >= self.model.total
        with self.database.begin() as tx:
            try:
                reserved_seats.add(tx, self.here, login.upper())
            except reserved_seats.ReservationRefused:
                assert full
            else:
                assert not full
        self.model.reserve(login)

    def unreserve(self, login: str) -> None:
        with self.database.begin() as tx:
            removed = reserved_seats.remove(tx, self.here, login.lower())
        assert removed == (login in self.model.reserved)
        self.model.unreserve(login)

    def buy(self, total: int) -> None:
        with self.database.begin() as tx:
            values = {n: getattr(self.instance, n) for n in Instance.__struct_fields__}
            instances.change(tx, Instance(**(values | {"licences": total})))
        self.model.total = total

    def count(self, process: int) -> None:
        counted = asyncio.run(self.processes[process].counts())
        self.model.flush(process)
        self.late.discard(process)
        seats = list(self.model.seats(process).values())
        assert counted.general_in_use == seats.count("general")
        assert counted.reserved_in_use == seats.count("reserved")
        assert (counted.total, counted.reserved) == (self.model.total, len(self.model.reserved))

    @invariant()
    def every_seat_is_as_in_the_model(self) -> None:
        assert self.stored() == self.model.seats()

    def stored(self) -> dict[str, str]:
        found = self.database.read_now(
            lambda c: erp_sessions.listing(c, self.here, self.clock(), None, 100)
        )
        return {one.key: str(one.seat) for one in found}


def principal_of(login: str, key: str, *, service: bool = False, **more: Any) -> Principal:
    return Principal(
        **{
            "kind": "service" if service else "user",
            "issuer": "https://i.example/id",
            "client_id": "app",
            "login": login,
            "user_id": login,
            "user_type": "SystemUserNoLogin" if service else "InternalUser",
            "database": "X",
            "scopes": frozenset({"read"}),
            "jti": key,
            "session": key,
            "expires_at": 2_000_000_000,
        }
        | more
    )


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, MovableClock(NOW))
    schema.upgrade(database)
    yield database
    database.close()


def test_every_slot_is_as_in_the_model(database: Database) -> None:
    machine = type("SlotsHere", (Slots,), {"database": database})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30 if database.is_sqlite else 8,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def test_a_long_walk_as_in_the_model(database: Database) -> None:
    """Every kind of event in the same run many times, which a short example rarely has."""
    machine = type("SlotsWalked", (Slots,), {"database": database})()
    chance = random.Random(5)
    pick = chance.choice
    everybody = (*PEOPLE, SERVICE)
    for _ in range(1500 if database.is_sqlite else 400):
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
