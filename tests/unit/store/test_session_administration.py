"""What administrators see and do of ERP sessions and reserved seats, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from mintgate.store import (
    audit,
    erp_session_ends,
    erp_sessions,
    feed,
    listings,
    reserved_seats,
    users,
)
from mintgate.store.erp_session_ends import Closer
from mintgate.store.keyset import BadPlace, Part, Place
from tests.unit.store.session_office import HERE, Office
from tests.world import NOW

A1, A2, B1 = "A" * 16 + "1" * 16, "A" * 16 + "2" * 16, "B" * 16 + "1" * 16


@pytest.fixture
def office(database_url: str) -> Iterator[Office]:
    office = Office(database_url, licences=10)
    yield office
    office.database.close()


def part(office: Office, after: Place | None = None, limit: int = 2, **more: Any) -> Part:
    return office.database.read_now(
        lambda c: listings.erp_sessions_part(
            c, HERE, office.clock(), after, limit, shown=16, **more
        )
    )


def keys_of(found: Part) -> list[str]:
    return [session.key for session in found.rows]


def test_sessions_in_parts_newest_first(office: Office) -> None:
    """[SES-26] also those that began at the same moment"""
    for key in ("3", "1", "2"):
        office.open("ann", key * 32)
    office.clock.advance(1)
    office.open("bob", "4" * 32)
    first = part(office)
    assert keys_of(first) == ["4" * 32, "1" * 32]
    assert first.following == [NOW, "1" * 16]  # a cursor shows no more of a key than its row
    second = part(office, first.following)
    assert (keys_of(second), second.following) == (["2" * 32, "3" * 32], None)
    with pytest.raises(BadPlace):
        part(office, ["x", 1])
    office.clock.advance(1214.5)
    assert keys_of(part(office)) == ["4" * 32]
    assert keys_of(part(office, process="P1")) == []  # nobody else can know of a request


def test_the_sessions_of_a_user(office: Office) -> None:
    """Also those that were opened under another login, or by a token without the user's id."""
    opening = {"kind": "interactive", "client_id": "app", "process": "P1"}
    with office.database.begin() as tx:
        for key, login, user_id in (
            ("K1", "Ann", "id-of-ann"),
            ("K2", "ann.before", "id-of-ann"),
            ("K3", "ANN", None),
            ("K4", "bob", "id-of-bob"),
        ):
            wanted = erp_sessions.Opening(key=key, login=login, user_id=user_id, **opening)
            assert erp_sessions.open_or_join(tx, HERE, wanted).session is not None
    assert keys_of(part(office, limit=9, user=("id-of-ann", "ann"))) == ["K1", "K2", "K3"]
    assert keys_of(part(office, limit=9, user=(None, "ann"))) == ["K1", "K3"]
    before = office.database.read_now(feed.positions)[HERE]
    with office.database.begin() as tx:
        assert erp_session_ends.close_of_user(tx, HERE, "id-of-ann", "ann", "ada") == 3
        assert erp_session_ends.close_of_user(tx, HERE, "id-of-ann", "ann", "ada") == 0
    assert keys_of(part(office, limit=9)) == ["K4"]
    changes = office.database.read_now(lambda c: feed.after(c, HERE, before))
    assert {change.kind for change in changes} == {"erp_session"}
    assert sorted(change.data["session"] for change in changes) == ["K1", "K2", "K3"]


def test_who_closed_it_is_noted(office: Office) -> None:
    office.open("ann", A1)
    closer = Closer(
        name="ada", user_id="id-of-ada", address="192.0.2.1", carried={"by": {"jti": "J"}}
    )
    with office.database.begin() as tx:
        assert erp_session_ends.close(tx, HERE, A1, closer)
    found = office.database.read_now(lambda c: audit.latest(c, HERE, 1))[0]
    told = msgspec.structs.asdict(found)
    assert told["event"] == "erp_session.closed"
    assert (told["actor"], told["actor_id"], told["address"]) == ("ada", "id-of-ada", "192.0.2.1")
    assert (told["details"]["because"], told["details"]["by"]) == ("administrator", {"jti": "J"})
    assert (told["subject_id"], told["personal"]) == ("ann", {"login": "ann"})


def test_a_session_is_named_by_what_is_shown_of_its_key(office: Office) -> None:
    for key in (A1, A2, B1):
        office.open("ann", key)

    def named(text: str) -> list[str]:
        found = office.database.read_now(lambda c: erp_session_ends.keys_named(c, HERE, text, 16))
        return sorted(found)

    assert named("B" * 16) == [B1]
    assert named(A1) == [A1]
    assert named("A" * 16) == [A1, A2]
    for text in ("", "%", "B", "B" * 15, "B" * 17, "b" * 16, "_" * 16):
        assert named(text) == [], text


def test_a_seat_goes_with_the_login_of_its_user(office: Office) -> None:
    """[SES-36, SES-37]"""
    office.hire("r1", "bob")
    office.buy(1)
    assert office.reserve("r1")
    assert office.gets_in("r1", "K1")

    def rename(before: str, after: str) -> None:
        with office.database.begin() as tx:
            user = users.by_login(tx.connection, HERE, before)
            assert user is not None
            users.change(tx, HERE, msgspec.structs.replace(user, login=after))

    rename("r1", "R9")
    (seat,) = office.database.read_now(lambda c: reserved_seats.all_of(c, HERE))
    assert seat.login == "R9"
    session = office.session("K1")
    assert session is not None
    assert (session.login, session.seat) == ("R9", "reserved")
    assert not office.gets_in("r9", "K2")  # the seat is taken by the session of before
    assert not office.gets_in("r1", "K3")  # nobody's login any more
    assert office.close("K1")
    assert office.gets_in("r9", "K2")
    rename("bob", "Bob")
    taken = office.database.read_now(lambda c: reserved_seats.taken(c, HERE, NOW, "P1"))
    assert taken == {"r9"}
