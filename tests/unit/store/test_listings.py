"""Lists that pages show, on both engines: a search for users, what happened to a person."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.store import AuditEvent, Database, instances, listings, schema, user_search, users
from mintgate.store.keyset import Part, Place

ORION = Instance(id="a" * 36, name="orion", database="ORION", base_url="https://orion.example")
LYRA = Instance(id="b" * 36, name="lyra", database="LYRA", base_url="https://lyra.example")
HERE, NOW = ORION.id, 1_790_000_000.0
# A language orders some of them elsewhere than their code points do.
LOGINS = ("iva", "Ivan", "ivan.petrov", "ivan_x", "ivan-a", "ivanä", "ivan𐍈", "ivb", "iv", "иван")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, lambda: NOW)
    schema.upgrade(database)
    with database.begin() as tx:
        for instance in (ORION, LYRA):
            instances.add(tx, instance)
            for number, login in enumerate(LOGINS):
                users.add(tx, instance.id, a_user(number, login))
    yield database
    database.close()


def a_user(number: int, login: str) -> User:
    return User(
        id=f"user-{number}",
        login=login,
        name={"en": "A"},
        user_type=UserType.INTERNAL,
        email=f"{login}@post.example",
    )


def found(database: Database, search: str, limit: int = 3, looks_through: int = 1000) -> list[str]:
    """Read part by part."""
    logins: list[str] = []
    after = None
    while True:
        part = database.read_now(
            lambda c, after=after: user_search.users_part(  # type: ignore[misc]
                c, HERE, after, limit, None, search, looks_through
            )
        )
        logins += [user.login for user in part.rows]
        after = part.following
        if after is None:
            return logins


BEGINNINGS = {
    "iva": ["iva", "Ivan", "ivan-a", "ivan.petrov", "ivan_x", "ivanä", "ivan𐍈"],
    "IVAN": ["Ivan", "ivan-a", "ivan.petrov", "ivan_x", "ivanä", "ivan𐍈"],
    "ивА": ["иван"],
    "ivan_": ["ivan_x"],
    "ivan%": [],
    "iv@post": ["iv"],
    "Ivan.Petrov@POST": ["ivan.petrov"],
    "ivc": [],
}
NAMES = {
    "ivb": {"en": "John Doe", "bg": "Джон Доу"},
    "iva": {"en": 'Patrick "O\'Reilly"'},
}
PARTS = {
    "petrov": ["ivan.petrov"],  # of a login, for no other begins so
    "n-A@": ["ivan-a"],  # of an address
    "джон д": ["ivb"],  # of a name, in another case
    "ДОУ": ["ivb"],
    "hn DO": ["ivb"],
    "\"o'r": ["iva"],
    "bg": [],  # no part of any text, though it is how names are stored
    "\\": [],
    "o_": [],
}


def test_users_whose_login_begins_so(database: Database) -> None:
    """[USR-2] also those for which the order of a language would end too early"""
    for limit in (3, 1):
        assert {search: found(database, search, limit) for search in BEGINNINGS} == BEGINNINGS


def test_users_by_a_part_of_what_they_are_called(database: Database) -> None:
    with database.begin() as tx:
        for login, name in NAMES.items():
            changed = replace(a_user(LOGINS.index(login), login), name=name)
            users.change(tx, HERE, changed)
    for looks_through in (1000, 2):
        told = {search: found(database, search, 3, looks_through) for search in PARTS}
        assert told == PARTS


def test_a_search_among_many_goes_on_behind_those_it_has_looked_at(database: Database) -> None:
    def part(after: Place | None) -> Part:
        return database.read_now(
            lambda c: user_search.users_part(c, HERE, after, 3, None, "petro", looks_through=4)
        )

    first = part(None)
    assert first.rows == []
    second = part(first.following)
    assert [user.login for user in second.rows] == ["ivan.petrov"]


def test_all_users_part_by_part(database: Database) -> None:
    everyone: list[str] = []
    after = None
    while True:
        part = database.read_now(
            lambda c, after=after: user_search.users_part(c, HERE, after, 4, None)  # type: ignore[misc]
        )
        everyone += [user.login for user in part.rows]
        after = part.following
        if after is None:
            break
    assert sorted(everyone) == sorted(LOGINS)


def test_what_happened_to_a_person_is_one_list(database: Database) -> None:
    """What somebody did and what was done to somebody, each event once, newest first."""
    with database.begin() as tx:
        for number in range(9):
            actor, subject = (("ann", None), ("ada", "ann"), ("ann", "ann"))[number % 3]
            tx.record(
                AuditEvent(
                    instance_id=HERE,
                    at=NOW + number // 2,  # some at the same moment
                    event="user.changed" if number != 4 else "token.issued",
                    actor_id=actor,
                    subject_id=subject,
                    jti=str(number),
                )
            )
        tx.record(AuditEvent(instance_id=LYRA.id, at=NOW, event="user.changed", actor_id="ann"))

    def history(limit: int, person: str = "ann") -> list[str]:
        seen: list[str] = []
        after = None
        while True:
            part: Part = database.read_now(
                lambda c, after=after: listings.audit_part(  # type: ignore[misc]
                    c, HERE, after, limit, person_id=person, events=("user.changed",)
                )
            )
            assert len(part.rows) <= limit
            seen += [row["jti"] for row in part.rows]
            after = part.following
            if after is None:
                return seen

    for limit in (1, 2, 3, 8, 9):
        assert history(limit) == ["8", "7", "6", "5", "3", "2", "1", "0"]
    assert history(2, "ada") == ["7", "1"]
    assert history(2, "nobody") == []
