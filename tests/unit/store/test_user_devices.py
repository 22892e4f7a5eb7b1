"""Devices of people in the store, on both engines [PRF-8, SGN-6]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from mintgate.contract import lifetimes
from mintgate.contract.identifiers import new_guid
from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.store import Database, Transaction, instances, schema, user_devices, users
from mintgate.store.housekeeping import overdue, sweep
from tests.world import MovableClock, sqlite_url

MIRA, ADA = "m" * 36, "a" * 36
DESK, PHONE = "D" * 64, "F" * 64


class Place(NamedTuple):
    database: Database
    clock: MovableClock
    here: str
    there: str


@pytest.fixture(params=["sqlite", "postgresql"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgresql")())
    else:
        url = sqlite_url(tmp_path_factory.mktemp("devices"))
    clock = MovableClock()
    database = Database(url, clock)
    schema.upgrade(database)
    made = Place(database, clock, new_guid(), new_guid())
    with database.begin() as tx:
        for name in (made.here, made.there):
            url = f"https://{name}.example"
            instances.add(tx, Instance(id=name, name=name, database="X", base_url=url))
            for user_id in (MIRA, ADA):
                given = {"login": user_id[:4], "name": {"en": "M"}}
                users.add(tx, name, User(id=user_id, user_type=UserType.INTERNAL, **given), "hash")
    yield made
    database.close()


def known(tx: Transaction, place: Place, user_id: str = MIRA, of: str | None = None) -> list[str]:
    now = place.clock()
    found = user_devices.of_user(tx.connection, of or place.here, user_id, now)
    return [device.device_hash for device in found]


def test_a_device_is_of_one_person_of_one_instance(place: Place) -> None:
    with place.database.begin() as tx:
        for user_id in (MIRA, ADA):
            user_devices.note(tx, place.here, user_id, DESK, "Firefox")
    place.clock.advance(1)
    with place.database.begin() as tx:
        user_devices.note(tx, place.here, MIRA, PHONE, "x" * 300)
        user_devices.note(tx, place.here, MIRA, PHONE, None)  # once more: no other row
        assert known(tx, place) == [PHONE, DESK]
        assert known(tx, place, ADA) == [DESK]
        assert known(tx, place, of=place.there) == []
        users.remove(tx, place.here, MIRA)
        assert known(tx, place) == []
        assert known(tx, place, ADA) == [DESK]


def test_removed_until_the_next_sign_in(place: Place) -> None:
    """When it was removed last is kept: the cookie from before stays without effect."""
    with place.database.begin() as tx:
        user_devices.note(tx, place.here, MIRA, DESK, None)
        assert user_devices.removed_at(tx.connection, place.here, MIRA, DESK) is None
    place.clock.advance(10)
    removed = place.clock()
    with place.database.begin() as tx:
        (device,) = user_devices.of_user(tx.connection, place.here, MIRA, removed)
        user_devices.remove(tx, place.here, device)
        assert known(tx, place) == []
    place.clock.advance(10)
    with place.database.begin() as tx:
        user_devices.note(tx, place.here, MIRA, DESK, None)
        assert known(tx, place) == [DESK]
        assert user_devices.removed_at(tx.connection, place.here, MIRA, DESK) == removed
        assert user_devices.removed_at(tx.connection, place.here, ADA, DESK) is None


def test_a_device_goes_with_its_cookie(place: Place) -> None:
    with place.database.begin() as tx:
        user_devices.note(tx, place.here, MIRA, DESK, None)
        at_the_end = place.clock() + lifetimes.KNOWN_DEVICE
        assert not sweep(tx, place.here, at_the_end)["user_devices"]
        assert overdue(tx.connection, place.here, at_the_end + 1) == {"user_devices": 1}
        assert sweep(tx, place.here, at_the_end + 1)["user_devices"] == 1
