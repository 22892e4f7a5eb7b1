"""ERP sessions and their licence slots, on both engines [SES-10..45]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mintgate.contract.feed import ClosedSession
from mintgate.contract.licences import Touch
from mintgate.contract.users import UserType
from mintgate.store import audit, erp_session_ends, erp_sessions, feed, sessions, users
from mintgate.store.reserved_seats import ReservationRefused, all_of
from tests.unit.store.session_office import HERE, Office
from tests.world import NOW

MINUTE = 60.0


@pytest.fixture
def office(database_url: str) -> Iterator[Office]:
    office = Office(database_url)
    yield office
    office.database.close()


def events(office: Office, name: str) -> list[Any]:
    found = office.database.read_now(lambda c: audit.latest(c, HERE, 100))
    return [event for event in found if event.event == f"erp_session.{name}"]


def touch(key: str, at: float, opened_at: float = NOW, **counted: int) -> Touch:
    return Touch(key=key, opened_at=opened_at, at=at, requests=1, **counted)


def test_first_come_first_served(office: Office) -> None:
    """[SES-11, SES-25, SES-32, SES-33]"""
    assert office.gets_in("ann")
    assert office.gets_in("ann", "ann on another machine")
    refused = office.open("bob")
    assert refused.session is None
    assert refused.refused is not None
    assert refused.refused.general == refused.refused.total == 2
    assert office.counts().in_use == 2
    assert office.session("bob") is None


def test_one_key_has_one_session(office: Office) -> None:
    """[SES-13, SES-19, SES-20] whichever application of the sign-in asks, in whichever process"""
    office.open("ann", client_id="shop")
    office.clock.advance(MINUTE)
    joined = office.open("ann", client_id="stock", here="P2").session
    assert joined is not None
    assert joined.client_ids == ("shop", "stock")
    assert (joined.started_at, joined.last_request_at) == (NOW, NOW + MINUTE)
    assert joined == office.session("ann")
    assert office.counts().in_use == 1
    assert [event.application for event in events(office, "opened")] == ["shop"]


def test_a_stale_session_never_blocks_a_newcomer(office: Office) -> None:
    """[SES-14, SES-16]"""
    assert office.gets_in("ann")
    assert office.gets_in("bob")
    office.clock.advance(1199)
    assert not office.gets_in("cem")
    office.clock.advance(1)
    assert office.counts().in_use == 0
    assert office.gets_in("cem")
    assert office.counts().in_use == 1
    assert [event.details["because"] for event in events(office, "closed")] == ["idle", "idle"]


def test_another_process_waits_until_touches_must_have_arrived(office: Office) -> None:
    """[SES-27]"""
    office.open("ann", here="P1")
    office.open("bob", here="P2")
    office.clock.advance(1200)
    assert not office.gets_in("cem", here="P3")
    assert office.counts("P1").in_use == 1  # its own one is idle for certain
    office.clock.advance(14.9)
    assert not office.gets_in("cem", here="P3")
    office.clock.advance(0.1)
    assert office.gets_in("cem", here="P3")
    assert office.counts("P3").in_use == 1


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_a_wrong_clock_gives_no_slot_twice(office: Office, ahead: int) -> None:
    """[SES-33] Who was taken for idle has lost the slot, and hears of it [SES-27]."""
    assert office.gets_in("ann")
    assert office.gets_in("bob")
    office.clock.advance(ahead)
    gets_in = office.gets_in("cem", here="P2")
    assert gets_in == (ahead > 0)
    office.clock.advance(-ahead)
    assert office.counts().in_use <= 2
    gone = office.flush(touch("ann", NOW + 1), touch("bob", NOW + 1))
    assert office.counts().in_use <= 2
    assert bool(gone) == gets_in
    assert {"ann", "bob"}.difference(gone) == {k for k in ("ann", "bob") if office.session(k)}


def test_who_shares_a_session_does_not_know_alone_that_it_is_idle(office: Office) -> None:
    """[SES-27]"""
    office.open("ann", here="P1")
    office.open("ann", here="P2")
    office.open("bob", here="P1")
    office.clock.advance(1200)
    assert office.counts("P1").in_use == 1
    assert office.counts("P2").in_use == 2
    assert office.flush(touch("ann", NOW + 1190), here="P2") == []
    assert office.counts("P1").in_use == 1
    office.clock.advance(100)
    assert office.counts("P1").in_use == 1
    assert office.gets_in("ann", here="P1")


def test_touches_come_before_the_count_of_their_process(office: Office) -> None:
    """[SES-27]"""
    office.open("ann")
    office.open("bob")
    office.clock.advance(1200)
    assert not office.gets_in("cem", touches=(touch("ann", NOW + 1000), touch("bob", NOW + 1190)))
    assert office.counts().in_use == 2


def test_a_flush_revives_nothing(office: Office) -> None:
    """[SES-27] neither what was closed, nor what somebody else may take for idle"""
    office.open("ann")
    office.open("bob")
    assert office.close("ann")
    assert office.flush(touch("ann", NOW + 1), touch("bob", NOW + 1)) == ["ann"]
    assert office.session("ann") is None
    office.clock.advance(1)
    assert office.gets_in("ann")  # [SES-17]
    assert office.flush(touch("ann", NOW + 2)) == ["ann"], "of the session before this one"
    office.clock.advance(1216)
    assert office.flush(touch("bob", NOW + 1180)) == ["bob"]


def test_a_service_ends_after_an_hour_even_when_busy(office: Office) -> None:
    """[SES-15, SES-35] and goes on with the same key while its token is good [SES-17]"""
    office.hire("svc", user_type=UserType.SYSTEM)
    office.reserve("svc")
    assert office.gets_in("svc", "J", service=True)
    for _ in range(6):
        office.clock.advance(590)
        assert office.flush(touch("J", office.clock())) == []
    before = office.session("J")
    assert before is not None
    assert (before.absolute_end, before.seat) == (NOW + 3600, "reserved")
    office.clock.advance(60)
    assert office.counts().in_use == 0
    assert office.gets_in("svc", "J", service=True)
    again = office.session("J")
    assert again is not None
    assert again.started_at == NOW + 3600
    assert [event.details["because"] for event in events(office, "closed")] == ["absolute"]
    assert [event.details.get("again") for event in events(office, "opened")] == [True, None]


TIMELINE = [
    # minute, does a call pass, slots, when the session was opened, its last request
    (0, False, 0, None, None),
    (2, True, 1, 2, 2),
    (21, True, 1, 2, 21),
    (41, False, 0, None, None),
    (50, True, 1, 50, 50),
    (60, False, 1, 50, 50),  # the token has expired: the guard refuses it
    (61, True, 1, 50, 61),  # a new token of the same `sid`
]


def test_the_timeline(office: Office) -> None:
    """[SES-45, SES-10, SES-12, SES-18]"""
    for minute, calls, slots, opened, last in TIMELINE:
        office.clock.now = NOW + minute * MINUTE
        if calls:
            assert office.gets_in("ann")
        assert office.counts().in_use == slots, minute
        assert [(s.started_at, s.last_request_at) for s in office.listed()] == [
            (NOW + at * MINUTE, NOW + touched * MINUTE)
            for at, touched in [(opened, last)]
            if at is not None and touched is not None
        ]


def test_ten_slots_two_reserved(database_url: str) -> None:
    """[SES-39]"""
    office = Office(database_url, licences=10)
    office.hire("r1", "r2")
    assert office.reserve("R1")
    assert office.reserve("r2")
    assert [office.gets_in(f"o{number}") for number in range(9)] == [True] * 8 + [False]
    assert office.gets_in("r1")
    assert office.gets_in("r2")
    assert not office.gets_in("r1", "second session")
    counted = office.counts()
    assert (counted.total, counted.in_use, counted.reserved) == (10, 10, 2)
    assert (counted.general_in_use, counted.reserved_in_use) == (8, 2)
    assert office.close("o3")
    assert office.gets_in("R1", "second session")
    office.database.close()


def test_reservations_are_no_more_than_slots(office: Office) -> None:
    """[SES-36]"""
    office.hire("Ann", "bob", "cem")
    assert office.reserve("ann")
    assert not office.reserve("ANN")
    with pytest.raises(ReservationRefused, match="no user"):
        office.reserve("dan")
    assert office.reserve("bob")
    with pytest.raises(ReservationRefused, match="All 2"):
        office.reserve("cem")
    found = office.database.read_now(lambda c: all_of(c, HERE))
    assert [(one.login, one.created_at) for one in found] == [("Ann", NOW), ("bob", NOW)]
    assert office.unreserve("aNN")
    assert not office.unreserve("ann")


def test_a_reservation_takes_and_gives_back_the_session_of_its_account(office: Office) -> None:
    """[SES-38]"""
    office.hire("ann")
    office.open("ann", "first")
    office.clock.advance(1)
    office.open("ann", "second")
    assert office.reserve("ann")
    assert [one.seat for one in office.listed()] == ["reserved", "general"]
    counted = office.counts()
    assert (counted.general_in_use, counted.reserved_in_use) == (1, 1)
    assert not office.gets_in("bob")
    assert office.unreserve("ann")
    assert [one.seat for one in office.listed()] == ["general", "general"]
    assert not office.gets_in("bob")


def test_a_smaller_pool_closes_nothing(office: Office) -> None:
    """[SES-38]"""
    office.hire("ann")
    office.open("bob")
    office.open("cem")
    office.buy(1)
    assert office.counts().in_use == 2
    assert office.gets_in("bob")
    assert not office.gets_in("dan")
    assert office.reserve("ann")
    assert office.counts().in_use == 2
    assert office.gets_in("ann"), "always [SES-31]"
    office.close("bob")
    assert not office.gets_in("dan")
    office.buy(3)
    assert office.gets_in("dan")


def test_the_system_user_takes_no_slot(office: Office) -> None:
    """[USR-25]"""
    for number in range(5):
        assert office.gets_in("SYSTEM", f"J{number}", service=True, takes_slot=False)
    counted = office.counts()
    assert (counted.in_use, counted.sessions) == (0, 5)
    assert office.gets_in("ann")


def test_an_administrator_closes(office: Office) -> None:
    """[OPQ-32, EXT-17, SES-23] other processes are told by the feed"""
    office.open("ann")
    office.open("bob")
    before = office.database.read_now(feed.positions)[HERE]
    assert not office.close("nobody")
    assert office.close("ann")
    assert office.counts().in_use == 1
    assert office.close_all() == 1
    assert office.counts().sessions == 0
    changes = office.database.read_now(lambda c: feed.after(c, HERE, before))
    assert [change.data for change in changes] == [
        {"type": "erp_session", "session": "ann"},
        {"type": "erp_session", "session": None},
    ]
    assert ClosedSession(session=None) != ClosedSession(session="ann")
    closed = events(office, "closed")
    assert {(e.details["because"], e.actor, e.subject_id) for e in closed} == {
        ("administrator", "ada", "ann"),
        ("all", "ada", "bob"),
    }


@pytest.mark.parametrize("by", ["sign-out", "administrator", "all of the user"])
def test_the_end_of_a_sign_in_frees_its_slot(office: Office, by: str) -> None:
    """[SES-21, END-4] at once, and not those of the user's other tokens [SES-22, REF-51]"""
    office.hire("ann")
    user = office.database.read_now(lambda c: users.by_login(c, HERE, "ann"))
    assert user is not None
    signed_in = sessions.IdentitySession(
        sid="S",
        cookie_hash="C",
        user_id=user.id,
        auth_time=1,
        amr=("pwd",),
        idp="local",
        tid=None,
        created_at=NOW,
        expires_at=NOW + 1e6,
    )
    with office.database.begin() as tx:
        sessions.put(tx, HERE, signed_in)
    office.open("ann", "S")
    office.open("ann", "S of a personal token")
    with office.database.begin() as tx:
        if by == "all of the user":
            users.revoke_everything(tx, HERE, user.id, "ada")
        else:
            why = sessions.SIGNED_OUT if by == "sign-out" else "ended_by_administrator"
            sessions.end(tx, HERE, "S", why)
    assert [one.key for one in office.listed()] == ["S of a personal token"]
    (closed,) = events(office, "closed")
    assert closed.details["because"] == ("sign_out" if by == "sign-out" else "administrator")
    with office.database.begin() as tx:
        users.remove(tx, HERE, user.id)
    assert office.counts().in_use == 1


def test_a_removed_user_has_no_reservation(office: Office) -> None:
    office.hire("ann")
    office.reserve("ann")
    user = office.database.read_now(lambda c: users.by_login(c, HERE, "ann"))
    assert user is not None
    with office.database.begin() as tx:
        users.remove(tx, HERE, user.id)
    assert office.counts().reserved == 0


def test_monitoring_tells_all_of_a_session(office: Office) -> None:
    """[SES-26]"""
    office.open("ann", "K1")
    office.open("svc", "K2", service=True)
    first = touch("K1", NOW + 5, current=2, uploaded=10, downloaded=2_000_000_000_000)
    assert office.flush(first) == []
    assert office.flush(touch("K1", NOW + 4, current=-1, uploaded=1), here="P2") == []
    found = office.listed()
    assert [(one.key, one.login, one.kind) for one in found] == [
        ("K1", "ann", "interactive"),
        ("K2", "svc", "service"),
    ]
    assert (found[0].total_requests, found[0].current_requests) == (2, 1)
    assert (found[0].uploaded, found[0].downloaded) == (11, 2_000_000_000_000)
    assert (found[0].last_request_at, found[0].toucher) == (NOW + 5, None)
    part = office.database.read_now(lambda c: erp_sessions.listing(c, HERE, NOW, "K1", 1))
    assert [one.key for one in part] == ["K2"]


def test_no_sum_overflows(office: Office) -> None:
    """however often an adapter elsewhere tells of as much as it may"""
    office.open("ann", "K1")
    much = touch("K1", NOW, uploaded=2**60, downloaded=2**62)
    for _ in range(20):
        assert office.flush(much) == []
    found = office.session("K1")
    assert found is not None
    assert isinstance(found.uploaded, int)
    assert min(found.uploaded, found.downloaded) >= 2**61


def test_the_sweep_closes_what_nobody_asks_for(office: Office) -> None:
    office.buy(100)
    for number in range(60):
        office.open(f"u{number}")
    look = lambda: office.database.read_now(  # noqa: E731
        lambda c: erp_session_ends.any_over(c, HERE, office.clock(), "P1")
    )
    assert not look()
    office.clock.advance(1200)
    assert look()
    assert office.sweep("P2") == 0
    assert [office.sweep(), office.sweep(), office.sweep()] == [50, 10, 0]
    assert not look()
