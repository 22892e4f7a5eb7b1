"""What ends together ends also when a part of it is just being written [LIF-18, END-4, USR-22]."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from mintgate.store import (
    Database,
    Transaction,
    applications,
    codes,
    instances,
    person,
    refresh,
    revocations,
    schema,
    sessions,
    users,
)
from tests.unit.store.test_conformance import (
    APPLICATION,
    CODE,
    FAMILY,
    ORION,
    USER,
    presented_for,
    write,
)
from tests.unit.store.test_logout_notices import SESSION
from tests.world import MovableClock

DISABLED = msgspec.structs.replace(APPLICATION, is_enabled=False)
Ending = Callable[[Transaction, str], Any]
BY_ITS_USER: dict[str, Ending] = {
    "new password": lambda tx, here: users.set_password(tx, here, USER.id, "hash"),
    "all of the user": lambda tx, here: users.revoke_everything(tx, here, USER.id, "root"),
    "removed user": lambda tx, here: users.remove(tx, here, USER.id),
    "ended session": lambda tx, here: sessions.end(tx, here, CODE.sid, "signed_out"),
}
BY_ITS_APPLICATION: dict[str, Ending] = {
    "all of it": lambda tx, here: applications.revoke_everything(tx, here, "app1", "root"),
    "disabled": lambda tx, here: applications.change(tx, here, DISABLED),
    "removed": lambda tx, here: applications.remove(tx, here, "app1"),
}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, MovableClock(1000.0))
    schema.upgrade(database)
    yield database
    database.close()


def new_instance(database: Database, name: str) -> str:
    """One with a user who is signed in."""
    instance = msgspec.structs.replace(ORION, id=name, name=name, base_url=f"https://{name}")
    with database.begin() as tx:
        instances.add(tx, instance)
        users.add(tx, name, USER)
        applications.add(tx, name, APPLICATION)
        sessions.put(tx, name, SESSION)
    return name


def while_it_is_written(
    database: Database,
    begin: Callable[[Transaction], Any],
    ending: Callable[[Transaction], Any],
    *,
    meanwhile: Callable[[], Any] = lambda: None,
) -> None:
    """Run `ending` while a transaction with `begin` is open; that commits a moment later.

    Args:
        meanwhile: happens just before that commit.
    """
    has_begun = threading.Event()

    def held(tx: Transaction) -> None:
        begin(tx)
        has_begun.set()
        time.sleep(0.1)
        meanwhile()

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(write, database, held)
        assert has_begun.wait(10)
        second = threads.submit(write, database, ending)
        first.result()
        second.result()


def test_no_family_of_a_code_that_is_just_redeemed_lives_on(database: Database) -> None:
    lives_on = []
    for name, ending in (BY_ITS_USER | BY_ITS_APPLICATION).items():
        here = new_instance(database, name)
        write(database, lambda tx, here=here: codes.add(tx, here, CODE))

        def redeem(tx: Transaction, here: str = here) -> None:
            assert codes.redeem(tx, here, CODE.code_hash, **presented_for(CODE))
            refresh.start_family(tx, here, FAMILY, "T1")

        while_it_is_written(database, redeem, lambda tx, e=ending, here=here: e(tx, here))
        found = database.read_now(lambda c, here=here: refresh.find(c, here, "T1"))
        assert found is not None
        if found.family.revoked_at is None:
            lives_on.append(name)
    assert lives_on == []


def test_no_code_that_is_just_issued_lives_on(database: Database) -> None:
    lives_on = []
    for name, ending in BY_ITS_USER.items():
        here = new_instance(database, name)

        def issue(tx: Transaction, here: str = here) -> None:
            assert sessions.hold(tx, here, CODE.sid)
            codes.add(tx, here, CODE)

        while_it_is_written(database, issue, lambda tx, e=ending, here=here: e(tx, here))
        if database.read_now(lambda c, here=here: codes.find(c, here, CODE.code_hash)) is not None:
            lives_on.append(name)
    assert lives_on == []


def test_no_code_that_is_just_issued_outlives_its_consent(database: Database) -> None:
    """[EXT-2]"""
    here = new_instance(database, "consent")
    given = frozenset(CODE.scopes)
    write(database, lambda tx: applications.remember_consent(tx, here, USER.id, "app1", given))

    def issue(tx: Transaction) -> None:
        assert applications.hold_consent(tx, here, USER.id, "app1") == given
        codes.add(tx, here, CODE)

    def withdraw(tx: Transaction) -> None:
        applications.withdraw_consent(tx, here, USER, APPLICATION, actor="mira.k", address=None)

    while_it_is_written(database, issue, withdraw)
    assert database.read_now(lambda c: codes.find(c, here, CODE.code_hash)) is None
    assert not write(database, lambda tx: applications.hold_consent(tx, here, USER.id, "app1"))


def test_no_sign_in_with_the_old_password_lives_on(database: Database) -> None:
    """[USR-22] not one that is just being written either"""
    here = new_instance(database, "password")
    write(database, lambda tx: users.set_password(tx, here, USER.id, "old"))

    def sign_in(tx: Transaction) -> None:
        assert users.hold_password_hash(tx, here, USER.id) == "old"
        sessions.put(tx, here, SESSION)

    while_it_is_written(database, sign_in, lambda tx: BY_ITS_USER["new password"](tx, here))
    cookie = SESSION.cookie_hash
    assert database.read_now(lambda c: sessions.by_cookie(c, here, cookie)) is None
    assert write(database, lambda tx: users.hold_password_hash(tx, here, USER.id)) == "hash"


@pytest.mark.parametrize(
    ("name", "subject"), [("all of the user", USER.id), ("all of it", APPLICATION.id)]
)
def test_a_token_issued_while_everything_waits_is_revoked(
    database: Database, name: str, subject: str
) -> None:
    """[LIF-18] what was refreshed before the revocation could go on is older than it"""
    here = new_instance(database, "slow")
    clock = database.clock
    assert isinstance(clock, MovableClock)
    issued_at: list[int] = []
    write(database, lambda tx: refresh.start_family(tx, here, FAMILY, "T1"))

    def rotate(tx: Transaction) -> None:
        assert refresh.hold(tx, here, "T1")
        assert refresh.consume(tx, here, "T1")

    def issue() -> None:
        clock.advance(3)
        issued_at.append(int(clock()))

    ending = (BY_ITS_USER | BY_ITS_APPLICATION)[name]
    while_it_is_written(database, rotate, lambda tx: ending(tx, here), meanwhile=issue)
    ended = database.read_now(lambda c: revocations.not_before(c, here, subject))
    assert ended is not None
    assert issued_at[0] < ended


def test_an_erasure_begins_with_the_user_of_now(database: Database) -> None:
    """[USR-4, USR-5] what was changed since the command asked for the user does not come back."""
    here = new_instance(database, "erasure")
    changed = msgspec.structs.replace(USER, email=None, is_admin=not USER.is_admin)
    write(database, lambda tx: users.change(tx, here, changed))
    write(database, lambda tx: person.start_erasure(tx, here, USER, "cli:root"))
    found = database.read_now(lambda c: users.by_id(c, here, USER.id))
    assert found == msgspec.structs.replace(changed, active=False)
