"""Reserved licence slots in the declared instance [SES-36]."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mintgate.identity import passwords
from mintgate.server.declaration import InvalidDeclaration, export, read
from mintgate.store import Database, audit, reserved_seats
from tests.unit.server.declared_example import (
    CHEAP_HASHER,
    ENVIRONMENT,
    EXAMPLE,
    JOHN_AND_JANE,
    a_database,
    applied,
    told,
)

SEATS = 'licences = 10\nreserved_seats = ["john.doe", "SVC.integration"]'


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", CHEAP_HASHER)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with a_database(tmp_path / "mintgate.db") as database:
        yield database


def with_seats(seats: str, text: str = EXAMPLE) -> str:
    return text.replace("licences = 10", seats)


def seats_of(database: Database, instance_id: str) -> list[str]:
    found = database.read_now(lambda c: reserved_seats.all_of(c, instance_id))
    return [seat.login for seat in found]


def test_they_are_as_declared(database: Database) -> None:
    first = applied(database, with_seats(SEATS))
    here = first.instance.id
    assert told(first)[-2:] == [
        "reserved_seat added john.doe",
        "reserved_seat added SVC.integration",
    ]
    assert seats_of(database, here) == ["john.doe", "svc.integration"]
    assert applied(database, with_seats(SEATS)).changes == ()
    exported = export(database, first.instance)
    assert 'reserved_seats = ["john.doe", "svc.integration"]' in exported
    assert applied(database, exported).changes == ()
    # One slot is enough for both when the first one gives it up.
    moved = with_seats('licences = 1\nreserved_seats = ["john.doe"]')
    assert "reserved_seat removed svc.integration" in told(applied(database, moved))
    other = with_seats('licences = 1\nreserved_seats = ["svc.integration"]')
    assert told(applied(database, other)) == [
        "reserved_seat removed john.doe",
        "reserved_seat added svc.integration",
    ]
    events = database.read_now(lambda c: audit.latest(c, here, 100))
    removed = [e for e in events if e.event == "reserved_seat.removed"]
    assert [e.personal for e in removed] == [{"login": "john.doe"}, {"login": "svc.integration"}]
    assert all(e.subject_id for e in removed)


def test_a_file_that_says_nothing_of_them_keeps_them(database: Database) -> None:
    first = applied(database, with_seats(SEATS))
    assert applied(database, EXAMPLE).changes == ()
    assert len(seats_of(database, first.instance.id)) == 2
    none = with_seats("licences = 10\nreserved_seats = []")
    assert len(applied(database, none).changes) == 2
    assert seats_of(database, first.instance.id) == []


def test_they_go_with_their_users(database: Database) -> None:
    seats = 'licences = 10\nreserved_seats = ["jane"]'
    first = applied(database, with_seats(seats, EXAMPLE + JOHN_AND_JANE))
    assert told(applied(database, EXAMPLE, prune=True)) == ["user removed jane"]
    assert seats_of(database, first.instance.id) == []


@pytest.mark.parametrize(
    ("seats", "sentence"),
    [
        ('licences = 1\nreserved_seats = ["john.doe", "svc.integration"]', "there are 1 licences"),
        ('reserved_seats = ["nobody"]', "no user has this login"),
        ('reserved_seats = ["john.doe", "John.Doe"]', "twice"),
        ("reserved_seats = 1", "must be a list of texts"),
    ],
)
def test_what_is_refused(database: Database, seats: str, sentence: str) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        applied(database, with_seats(seats))
    (problem,) = refused.value.problems
    assert sentence in problem.sentence
    assert problem.line is not None


def test_fewer_licences_than_the_seats_that_are_kept(database: Database) -> None:
    applied(database, with_seats(SEATS))
    with pytest.raises(InvalidDeclaration, match="2 slots are reserved"):
        applied(database, with_seats("licences = 1"))


def test_nothing_said_is_not_the_same_as_none() -> None:
    assert read(EXAMPLE, ENVIRONMENT).reserved_seats is None
    assert read(with_seats("reserved_seats = []"), ENVIRONMENT).reserved_seats == ()
