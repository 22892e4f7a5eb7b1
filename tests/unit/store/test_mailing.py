"""Letters that wait, and mailed links, on both engines [SGN-8, USR-3, IMG-6]."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from mintgate.store import (
    Database,
    Transaction,
    audit,
    housekeeping,
    instances,
    mailed_links,
    mails,
    schema,
    users,
)
from mintgate.store.mailed_links import MailedLink, Purpose
from mintgate.store.mails import StoredMail
from tests.unit.store.test_conformance import HERE, LYRA, ORION, USER, race, write
from tests.world import MovableClock

NOW = 1000.0
MAIL = StoredMail(
    id="m1",
    kind="reset",
    user_id=USER.id,
    sealed_content=b"sealed",
    created_at=NOW,
    expires_at=NOW + 1800,
)
LINK = MailedLink(
    link_hash="L" * 64,
    purpose=Purpose.RESET,
    user_id=USER.id,
    email=USER.email,
    proves_email=True,
    created_at=NOW,
    expires_at=NOW + 1800,
)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


@pytest.fixture
def database(database_url: str, clock: MovableClock) -> Iterator[Database]:
    database = Database(database_url, clock)
    schema.upgrade(database)
    with database.begin() as tx:
        for instance in (ORION, LYRA):
            instances.add(tx, instance)
            users.add(tx, instance.id, USER)
        mails.add(tx, HERE, MAIL)
        mailed_links.add(tx, HERE, LINK)
    yield database
    database.close()


def claim(tx: Transaction, claimant: str = "me") -> list[StoredMail]:
    return mails.claim(tx, HERE, claimant=claimant, lease=60.0, limit=10)


def find(database: Database, purpose: Purpose = Purpose.RESET, at: float = NOW) -> bool:
    link_hash = LINK.link_hash
    found = database.read_now(lambda c: mailed_links.find(c, HERE, link_hash, purpose, at))
    return found is not None


def use(tx: Transaction, purpose: Purpose = Purpose.RESET) -> bool:
    return mailed_links.use(tx, HERE, LINK.link_hash, purpose) is not None


def test_a_letter_is_claimed_once(database: Database) -> None:
    assert race(database, lambda tx: len(claim(tx)) == 1, 20) == 1


def test_a_letter_is_of_its_instance(database: Database) -> None:
    assert database.read_now(lambda c: mails.next_due(c, LYRA.id)) is None
    with database.begin() as tx:
        assert mails.claim(tx, LYRA.id, claimant="me", lease=60.0, limit=10) == []


def test_a_lease_ends(database: Database, clock: MovableClock) -> None:
    """A process that died loses nothing, and one that was slow decides nothing."""
    (mail,) = write(database, claim)
    assert (mail.attempts, mail.sealed_content) == (1, b"sealed")
    assert write(database, claim) == []
    clock.advance(60)
    (again,) = write(database, lambda tx: claim(tx, "another"))
    assert (again.id, again.attempts) == (mail.id, 2)
    assert not write(database, lambda tx: mails.done(tx, HERE, mail.id, "me"))
    assert not write(database, lambda tx: mails.put_off(tx, HERE, mail.id, "me", 5000.0))
    assert write(database, lambda tx: mails.put_off(tx, HERE, mail.id, "another", 5000.0))
    assert database.read_now(lambda c: mails.next_due(c, HERE)) == 5000.0
    clock.now = 5000.0
    write(database, claim)
    assert write(database, lambda tx: mails.done(tx, HERE, mail.id, "me"))
    assert database.read_now(lambda c: mails.next_due(c, HERE)) is None


def test_what_nobody_sent_is_told_of(database: Database, clock: MovableClock) -> None:
    clock.advance(1800 + housekeeping.MAIL_KEPT + 1)
    write(database, lambda tx: housekeeping.sweep(tx, HERE, tx.now))
    (event,) = database.read_now(lambda c: audit.latest(c, HERE, 10))
    assert (event.event, event.subject_id) == ("mail.failed", USER.id)
    assert database.read_now(lambda c: mails.next_due(c, HERE)) is None


def test_a_link_is_used_once(database: Database) -> None:
    assert find(database)
    assert race(database, use, 20) == 1
    assert not find(database)


def test_a_link_is_for_its_purpose_and_its_time(database: Database, clock: MovableClock) -> None:
    assert not find(database, Purpose.INVITE)
    assert not write(database, lambda tx: use(tx, Purpose.INVITE))
    assert find(database, at=NOW + 1799)
    assert not find(database, at=NOW + 1800)
    clock.advance(1800)
    assert not write(database, use)


@pytest.mark.parametrize("purpose", [Purpose.RESET, Purpose.CONFIRM, Purpose.INVITE])
def test_what_ends_links(purpose: Purpose, database: Database) -> None:
    """A new password and a new address; the links of others stay."""

    def again(tx: Transaction) -> None:
        mailed_links.end_of_user(tx, HERE, USER.id, tuple(Purpose))
        mailed_links.add(tx, HERE, msgspec.structs.replace(LINK, purpose=purpose))

    write(database, again)
    write(database, lambda tx: users.set_password(tx, HERE, "another", "hash"))
    assert find(database, purpose)
    write(database, lambda tx: users.set_password(tx, HERE, USER.id, "hash"))
    assert find(database, purpose) == (purpose is Purpose.CONFIRM)  # it sets no password
    write(database, again)
    moved = msgspec.structs.replace(USER, email="elsewhere@orion.example")
    write(database, lambda tx: users.change(tx, HERE, moved))
    assert not find(database, purpose)


def test_nothing_of_a_removed_user_is_left(database: Database) -> None:
    write(database, lambda tx: users.remove(tx, HERE, USER.id))
    assert not find(database)
    assert database.read_now(lambda c: mails.next_due(c, HERE)) is None


def test_links_that_race_with_a_change_of_the_user(database: Database) -> None:
    """Both take the user's row first, so that none waits for the other for ever."""

    def work(tx: Transaction) -> bool:
        users.hold(tx, HERE, USER.id)
        used = use(tx)
        users.set_password(tx, HERE, USER.id, "hash")
        return used

    assert race(database, work, 12) == 1
