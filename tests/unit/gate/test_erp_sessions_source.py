"""The session source inside the server: what it knows, asks, flushes and forgets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from mintgate.contract.errors import NoFreeSlot
from mintgate.contract.licences import IDLE_SECONDS
from mintgate.gate.sessions import ErpSessions
from mintgate.store import Database, audit, erp_session_ends, feed
from mintgate.verify.known_sessions import AWAY_SECONDS, KnownSessions
from mintgate.verify.principal import Principal
from mintgate.verify.state import StateUnavailable
from tests.unit.gate.test_session_model import principal_of
from tests.unit.store.session_office import HERE, Office
from tests.world import NOW, MovableClock, sqlite_url

ANN, BOB = principal_of("ann", "A"), principal_of("bob", "B")


@dataclass
class Fresh:
    """Whether the state feed is followed."""

    is_fresh: bool = True

    def __call__(self) -> bool:
        return self.is_fresh


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(sqlite_url(tmp_path), licences=1)
    yield office
    office.database.close()


@pytest.fixture
def fresh() -> Fresh:
    return Fresh()


@pytest.fixture
def source(office: Office, fresh: Fresh) -> ErpSessions:
    return ErpSessions(HERE, office.database, fresh, office.clock)


def use(source: ErpSessions, principal: Principal, times: int = 1) -> None:
    """Requests at the same moment."""

    async def requests() -> None:
        await asyncio.gather(*(one() for _ in range(times)))

    async def one() -> None:
        session = source.touch(principal) or await source.open_async(principal)
        assert session.key == principal.session

    asyncio.run(requests())


def writes(database: Database) -> list[str]:
    """Statements from now on that write sessions."""
    found: list[str] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(*arguments: Any) -> None:
        statement = str(arguments[2])
        if "erp_sessions" in statement and not statement.lstrip().startswith("SELECT"):
            found.append(statement)

    return found


def test_touches_cost_no_write_each(office: Office, source: ErpSessions) -> None:
    """[SES-27] parallel first requests are one opening [SES-13]"""
    use(source, ANN, 50)
    written = writes(office.database)
    use(source, ANN, 1000)
    assert written == []
    asyncio.run(source.flush())
    assert len(written) == 1
    found = office.session("A")
    assert found is not None
    assert found.total_requests == 1050
    asyncio.run(source.flush())
    assert len(written) == 1, "nothing new"


def test_a_refusal_tells_an_administrator_what_to_do(office: Office, source: ErpSessions) -> None:
    """[SES-33, SES-34]"""
    use(source, ANN)
    with pytest.raises(NoFreeSlot) as refused:
        use(source, BOB)
    assert (refused.value.status, refused.value.retry_after) == (503, 60)
    assert refused.value.error == "MaximumLicenseCountExceeded"
    assert "mintgate" not in refused.value.description
    for opening in (lambda p: use(source, p), source.open):
        with pytest.raises(NoFreeSlot) as refused:
            opening(principal_of("bob", "B", is_admin=True))
        assert "mintgate session list" in refused.value.description
        assert "mintgate session close" in refused.value.description
    told = office.database.read_now(lambda c: audit.latest(c, HERE, 10))
    noted = [e for e in told if e.event == "erp_session.refused"]
    assert [(e.actor, e.application, e.session) for e in noted] == [("bob", "app", "B")] * 3
    assert "1 of 1 slots" in str(noted[0].cause)


def test_what_was_closed_elsewhere_is_forgotten(office: Office, source: ErpSessions) -> None:
    """[TOP-13] and opened again by the next request [SES-17]"""
    for closing in (lambda: office.close("A"), office.close_all):
        use(source, ANN)
        position = office.database.read_now(feed.positions)[HERE]
        closing()
        assert source.touch(ANN) is not None
        for change in office.database.read_now(lambda c, p=position: feed.after(c, HERE, p)):
            source.apply(change)
        assert source.touch(ANN) is None
        use(source, ANN)
        assert office.counts().in_use == 1


def test_a_closed_session_that_nobody_told_of_ends_by_the_flush(
    office: Office, source: ErpSessions
) -> None:
    """[SES-27]"""
    use(source, ANN)
    use(source, ANN)
    office.close("A")
    asyncio.run(source.flush())
    assert source.touch(ANN) is None
    assert office.session("A") is None


def test_a_session_that_ends_while_it_is_opened_is_asked_for_again(
    office: Office, source: ErpSessions
) -> None:
    async def requests() -> None:
        opening = asyncio.create_task(source.open_async(ANN))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        source.apply(feed.Change(HERE, 1, "sid", "A", {}))
        await opening

    asyncio.run(requests())
    assert source.touch(ANN) is None


def test_each_application_of_a_sign_in_is_listed(office: Office, source: ErpSessions) -> None:
    """[SES-20]"""
    other = principal_of("ann", "A", client_id="other")
    use(source, ANN)
    assert source.touch(other) is None
    use(source, other)
    assert source.touch(ANN) is source.touch(other)
    found = office.session("A")
    assert found is not None
    assert found.client_ids == ("app", "other")


def test_without_the_feed_the_database_is_asked(
    office: Office, source: ErpSessions, fresh: Fresh
) -> None:
    """[TOP-13]"""
    use(source, ANN)
    fresh.is_fresh = False
    written = writes(office.database)
    assert source.touch(ANN) is None
    use(source, ANN)
    source.open(ANN)
    assert written == []
    office.close("A")
    use(source, BOB)
    with pytest.raises(NoFreeSlot):
        use(source, ANN)


def test_touches_of_others_are_kept_while_one_is_looked_up(
    office: Office, source: ErpSessions, fresh: Fresh
) -> None:
    """[SES-27] also of one that was told of long ago, when a thread asks without the feed"""
    office.buy(2)
    use(source, ANN, 3)
    use(source, BOB)
    office.clock.advance(IDLE_SECONDS / 2 + 1)
    use(source, ANN)
    use(source, BOB)
    fresh.is_fresh = False
    assert source.open(BOB).key == "B"
    asyncio.run(source.flush())
    ann, bob = office.session("A"), office.session("B")
    assert ann is not None
    assert bob is not None
    assert (ann.total_requests, bob.total_requests) == (4, 3)
    assert ann.last_request_at == bob.last_request_at == office.clock()


def test_without_the_database_known_sessions_go_on_for_a_minute(
    office: Office, source: ErpSessions, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(source, ANN)
    fresh.is_fresh = False
    # The file is put away, as when a disk is gone.
    office.database.close()
    source._database = Database("sqlite:////nowhere/at/all.db", office.clock)
    office.clock.advance(AWAY_SECONDS)
    use(source, ANN)
    source.open(ANN)
    with pytest.raises(StateUnavailable):
        use(source, BOB)
    with pytest.raises(StateUnavailable):
        source.open(BOB)
    office.clock.advance(1)
    with pytest.raises(StateUnavailable):
        use(source, ANN)
    source._database.close()


def test_what_was_noted_is_told_before_slots_are_counted(
    office: Office, source: ErpSessions
) -> None:
    """[SES-27] also when the flush is late, while nobody else may think that it is idle"""
    use(source, ANN)
    office.clock.advance(1100)
    use(source, ANN)
    office.clock.advance(105)
    with pytest.raises(NoFreeSlot):
        use(source, BOB)
    assert asyncio.run(source.counts()).in_use == 1
    assert [one.total_requests for one in asyncio.run(source.listing(None, 10))] == [2]


def test_what_could_not_be_flushed_is_flushed_later(office: Office, source: ErpSessions) -> None:
    use(source, ANN, 7)
    real, source._database = source._database, Database("sqlite:////nowhere/x.db", office.clock)
    with pytest.raises(Exception, match="unable to open"):
        asyncio.run(source.flush())
    source._database.close()
    source._database = real
    asyncio.run(source.flush())
    found = office.session("A")
    assert found is not None
    assert found.total_requests == 7


def test_a_session_that_is_just_being_closed_is_waited_for(
    postgresql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sign-out holds the row until its commit; no opening waits behind it under the lock."""
    office = Office(postgresql(), licences=1)
    source = ErpSessions(HERE, office.database, lambda: True, office.clock)
    use(source, ANN)
    source.known.forget("A")

    async def requests() -> None:
        with office.database.begin() as tx:
            erp_session_ends.close_of_sign_in(tx, HERE, "A", "sign_out")
            opening = asyncio.create_task(source.open_async(ANN))
            with pytest.raises(NoFreeSlot):
                await source.open_async(BOB)  # not held up
            assert not opening.done()
        assert (await opening).key == "A"

    asyncio.run(requests())
    assert office.counts().in_use == 1
    office.database.close()


def test_a_service_session_ends_here_too() -> None:
    """[SES-15]"""
    clock = MovableClock(NOW)
    known = KnownSessions(lambda: True, clock)
    kept(known, "J", NOW, absolute_end=NOW + 3600)
    service = principal_of("svc", "J", service=True)
    for _ in range(6):
        clock.advance(599)
        assert known.touch(service) is not None
    clock.advance(6)
    assert known.touch(service) is None


@pytest.mark.parametrize(("idle", "is_known"), [(1184.9, True), (1185, False), (1300, False)])
def test_a_session_that_others_may_close_soon_is_asked_for(idle: float, is_known: bool) -> None:
    """[SES-27]"""
    clock = MovableClock(NOW)
    known = KnownSessions(lambda: True, clock)
    kept(known, "A", NOW)
    clock.advance(idle)
    assert (known.touch(ANN) is not None) == is_known


def test_memory_is_bounded() -> None:
    """What makes room is still told of, and what has ended goes by itself."""
    clock = MovableClock(NOW)
    known = KnownSessions(lambda: True, clock, limit=10)
    for number in range(25):
        kept(known, f"K{number}", NOW)
        assert known.touch(principal_of("x", f"K{number}")) is not None
        assert len(known) <= 10
    assert sum(touch.requests for touch in known.take_touches()) == 25
    clock.advance(1200)
    assert known.take_touches() == []
    assert len(known) == 0


def kept(
    known: KnownSessions, key: str, opened_at: float, absolute_end: float = float("inf")
) -> None:
    known.keep(
        known.begin(key),
        "interactive",
        opened_at=opened_at,
        last_request=opened_at,
        absolute_end=absolute_end,
        client_ids=("app",),
    )
