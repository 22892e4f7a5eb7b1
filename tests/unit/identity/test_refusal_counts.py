"""A flood of refusals is summed up: the first are written, none is lost, memory is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.instance import Instance
from mintgate.identity import refusal_counts
from mintgate.identity.auditing import flush_refusals, record_refusal
from mintgate.identity.refusal_counts import MAX_SOURCES, OF_ADDRESS, OF_SOURCE, RefusalCounts
from mintgate.store import AuditEvent, Database, DatabaseUnavailable, audit, instances, schema
from tests.world import MovableClock, sqlite_url


def refusal(
    at: float = 0.0,
    client: str | None = "app",
    address: str = "192.0.2.1",
    event: str = "token.refused",
) -> AuditEvent:
    return AuditEvent(
        instance_id="i", at=at, event=event, application=client, address=address, cause="wrong"
    )


def test_a_sum_over_many_users_is_about_none_of_them() -> None:
    """What is common to all of them is told, and nothing of the last one alone."""
    counts = RefusalCounts()
    for number in range(OF_ADDRESS + 3):
        one = refusal(client=None, event="user.sign_in_throttled")
        counts.admits(
            msgspec.structs.replace(
                one, actor=f"user{number}", actor_id=f"u{number}", subject_id="s", personal={"a": 1}
            )
        )
    (sums,) = counts.take(0.0, everything=True)
    told = sums.event()
    assert told.details is not None
    assert told.details["count"] == 3
    assert (told.actor, told.actor_id, told.subject_id, told.personal) == (None, None, None, None)


def test_the_first_are_written() -> None:
    counts = RefusalCounts()
    assert [counts.admits(refusal()) for _ in range(12)] == [True] * OF_SOURCE + [False] * 2
    assert counts.admits(refusal(client="another"))
    assert counts.admits(refusal(address="192.0.2.2"))
    assert counts.admits(refusal(event="api.refused"))
    assert counts.admits(refusal(at=60.0))


def test_one_event_a_minute_tells_the_sum() -> None:
    counts = RefusalCounts()
    for at in range(40):
        counts.admits(refusal(float(at)))
    assert counts.take(69.0, everything=False) == []
    (summed,) = counts.take(70.0, everything=False)
    event = summed.event()
    assert event.event == "token.refused"
    assert (event.at, event.details) == (39.0, {"count": 30, "since": 10.0})
    assert (event.application, event.address, event.cause) == ("app", "192.0.2.1", "wrong")
    assert counts.take(999.0, everything=True) == []


def test_claiming_to_be_many_clients_gains_nothing() -> None:
    counts = RefusalCounts()
    written = sum(counts.admits(refusal(client=f"c{n}")) for n in range(1000))
    assert written == OF_ADDRESS
    (summed,) = counts.take(0.0, everything=True)
    assert (summed.count, summed.event().application) == (1000 - OF_ADDRESS, None)


def test_memory_is_bounded() -> None:
    counts = RefusalCounts()
    written = 0
    for number in range(3 * MAX_SOURCES):
        for _ in range(2):
            written += counts.admits(refusal(address=f"10.{number >> 8}.{number & 255}.1"))
    assert len(counts._minutes) <= MAX_SOURCES + 1
    assert len(counts._sums) <= MAX_SOURCES + 1
    assert written < 2 * MAX_SOURCES
    taken = counts.take(0.0, everything=True)
    assert written + sum(one.count for one in taken) == 6 * MAX_SOURCES
    counts.take(60.0, everything=True)
    assert not counts._minutes


steps = st.lists(
    st.one_of(
        st.tuples(st.just("refuse"), st.sampled_from("abc"), st.sampled_from("12345")),
        st.tuples(st.just("wait"), st.floats(0, 90)),
        st.tuples(st.just("flush"), st.booleans()),
    ),
    max_size=300,
)


@given(steps)
def test_sums_are_exact(steps: list[tuple[object, ...]]) -> None:
    """Whatever comes when, and however often the database is away."""
    counts, now = RefusalCounts(), 0.0
    sent = written = summed = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusal_counts, "MAX_SOURCES", 5)
        patch.setattr(refusal_counts, "OF_SOURCE", 2)
        patch.setattr(refusal_counts, "OF_ADDRESS", 4)
        for step in steps:
            match step:
                case ("refuse", str(client), str(address)):
                    sent += 1
                    written += counts.admits(refusal(now, client, f"192.0.2.{address}"))
                case ("wait", float(seconds)):
                    now += seconds
                case ("flush", bool(is_away)):
                    for one in counts.take(now, everything=False):
                        if is_away:
                            counts.put_back(one)
                        else:
                            summed += one.count
    summed += sum(one.count for one in counts.take(now, everything=True))
    assert written + summed == sent


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(sqlite_url(tmp_path), MovableClock(0.0))
    schema.upgrade(database)
    with database.begin() as tx:
        url = "https://orion.example"
        instances.add(tx, Instance(id="i", name="orion", database="ORION", base_url=url))
    return database


def test_what_could_not_be_written_is_written_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(event: AuditEvent) -> asyncio.Future[None]:
        raise DatabaseUnavailable("away")

    async def run() -> None:
        for _ in range(OF_SOURCE + 7):
            await record_refusal(database, refusal())
        clock: Callable[[], float] = database.clock
        assert isinstance(clock, MovableClock)
        clock.advance(60)
        with monkeypatch.context() as patch:
            patch.setattr(database, "record", away)
            await flush_refusals(database)
        await record_refusal(database, refusal(60.0))
        await flush_refusals(database)
        await flush_refusals(database, everything=True)

    asyncio.run(run())
    events = database.read_now(lambda c: audit.latest(c, "i"))
    database.close()
    sums = [event.details["count"] for event in events if event.details]
    assert (len(events), sums) == (OF_SOURCE + 2, [7])
