"""The outbox of lifecycle events and the key that signs them, on both engines [EVT-7, EVT-9]."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from mintgate.contract.identifiers import new_hex128
from mintgate.contract.install import InstallRequest, install_request_of
from mintgate.contract.lifecycle_events import Credentials, LifecycleKind
from mintgate.identity.lifecycle import switching, telling
from mintgate.jose import SigningKey
from mintgate.store import (
    Database,
    Transaction,
    applications,
    audit,
    housekeeping,
    instances,
    lifecycle_events,
    marketplace_keys,
    schema,
    sealing,
)
from mintgate.store.key_encryption import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.lifecycle_events import StoredEvent
from mintgate.store.portable.ending import end_all
from tests.unit.store.test_conformance import APPLICATION, HERE, LYRA, ORION, race, write
from tests.world import MovableClock

KEK = KeyEncryptionKey(b"k" * 32)
KEY = SigningKey.generate(new_hex128())
DAY = 24 * 3600.0
REQUEST = install_request_of(
    {"applicationUri": "a", "redirectUri": "https://a.example/cb", "requestSecret": "true"}
)
GIVEN = Credentials(client_secret="a-secret-of-24-characters")


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(1000.0)


@pytest.fixture
def database(database_url: str, clock: MovableClock) -> Iterator[Database]:
    database = Database(database_url, clock)
    schema.upgrade(database)
    with database.begin() as tx:
        for instance in (ORION, LYRA):
            instances.add(tx, instance)
            applications.add(tx, instance.id, APPLICATION)
        switching.enable(tx, HERE, KEK, KEY, "me")
    yield database
    database.close()


def add(tx: Transaction, request: InstallRequest = REQUEST) -> str:
    return telling.tell_installed(
        tx, HERE, KEK, APPLICATION, request, GIVEN, token_id=None, login="ada"
    )


def claim(tx: Transaction, claimant: str = "me", limit: int = 8) -> list[StoredEvent]:
    return lifecycle_events.claim(tx, HERE, claimant=claimant, lease=60.0, limit=limit)


def only(database: Database) -> StoredEvent:
    (found,) = database.read_now(lambda c: lifecycle_events.latest(c, HERE))
    return found


def test_it_is_kept_whole(database: Database) -> None:
    event_id = write(database, add)
    found = only(database)
    assert (found.id, found.request, found.kind) == (event_id, REQUEST, LifecycleKind.INSTALLED)
    event = telling.opened(found, HERE, "https://orion.example", KEK)
    assert event.credentials == GIVEN
    assert (event.event_id, event.user, event.occurred_at) == (event_id, "ada", 1000.0)
    assert database.read_now(lambda c: lifecycle_events.latest(c, LYRA.id)) == []


def test_secrets_are_sealed_for_this_event_only(database: Database) -> None:
    """[EVT-10]"""
    write(database, add)
    found = only(database)
    assert found.sealed_credentials is not None
    assert b"a-secret" not in found.sealed_credentials
    with pytest.raises(KeyEncryptionProblem):
        telling.opened(found, LYRA.id, "", KEK)
    with pytest.raises(KeyEncryptionProblem):
        telling.opened(found, HERE, "", KeyEncryptionKey(b"x" * 32))


def test_both_are_sealed_anew_with_another_key(database: Database) -> None:
    write(database, add)
    new = KeyEncryptionKey(b"n" * 32)
    assert write(database, lambda tx: sealing.reseal(tx, new.opening_also(KEK))) == 2
    assert telling.opened(only(database), HERE, "", new).credentials == GIVEN
    key = database.read_now(lambda c: marketplace_keys.signing(c, HERE, new))
    assert key is not None
    assert key.public.to_pem() == KEY.public.to_pem()


def test_an_event_is_claimed_once(database: Database) -> None:
    write(database, add)
    assert race(database, lambda tx: len(claim(tx)) == 1, 20) == 1


def test_a_lease_ends(database: Database, clock: MovableClock) -> None:
    """A process that died loses nothing, and one that was slow decides nothing."""
    event_id = write(database, add)
    (first,) = write(database, claim)
    assert database.read_now(lambda c: lifecycle_events.next_due(c, HERE)) == 1060.0
    assert write(database, claim) == []
    clock.advance(60)
    (second,) = write(database, lambda tx: claim(tx, "other"))
    assert (first.attempts, second.attempts) == (1, 2)
    assert not write(database, lambda tx: lifecycle_events.end(tx, HERE, event_id, "me", None))
    put_off = partial(lifecycle_events.put_off, until=9.0, cause="x")
    assert not write(database, lambda tx: put_off(tx, HERE, event_id, "me"))
    assert write(database, lambda tx: lifecycle_events.end(tx, HERE, event_id, "other", None))
    assert only(database).sealed_credentials is None
    assert database.read_now(lambda c: lifecycle_events.next_due(c, HERE)) is None


def test_the_next_attempt_may_be_brought_forward(database: Database) -> None:
    """But not one that is going on."""
    event_id = write(database, add)
    write(database, claim)
    write(database, lambda tx: lifecycle_events.try_now(tx, HERE, event_id))
    assert write(database, claim) == []
    later = partial(lifecycle_events.put_off, until=2000.0, cause="answered 500")
    assert write(database, lambda tx: later(tx, HERE, event_id, "me"))
    assert only(database).cause == "answered 500"
    write(database, lambda tx: lifecycle_events.try_now(tx, HERE, event_id))
    assert len(write(database, claim)) == 1


def test_what_nobody_delivers_is_given_up(database: Database, clock: MovableClock) -> None:
    """[EVT-10] no secret waits for ever; the record stays while the application does"""
    write(database, add)
    clock.advance(DAY + 1)
    assert write(database, lambda tx: housekeeping.sweep(tx, HERE, tx.now))["lifecycle_events"]
    found = only(database)
    assert (found.state, found.sealed_credentials, found.due_at) == ("failed", None, None)
    events = database.read_now(lambda c: audit.latest(c, HERE))
    assert [e.cause for e in events if e.event == "application.event_failed"] == [
        "it was not delivered in time"
    ]
    clock.advance(400 * DAY)
    write(database, lambda tx: housekeeping.sweep(tx, HERE, tx.now))
    assert only(database).id == found.id


def test_the_record_goes_a_month_after_the_application(
    database: Database, clock: MovableClock
) -> None:
    write(database, add)
    write(database, lambda tx: telling.remove_application(tx, HERE, APPLICATION, None))
    gone, installed = sorted(
        database.read_now(lambda c: lifecycle_events.latest(c, HERE)), key=lambda e: e.state
    )[::-1]
    assert (gone.kind, gone.created_by) == (LifecycleKind.UNINSTALLED, "system")
    assert (installed.state, installed.cause) == ("failed", "the application was removed")
    for days, left in ((29, 2), (2, 0)):
        clock.advance(days * DAY)
        write(database, lambda tx: housekeeping.sweep(tx, HERE, tx.now))
        found = database.read_now(lambda c: lifecycle_events.latest(c, HERE))
        assert len(found) == left


def test_one_key_signs(database: Database) -> None:
    """[EVT-7] the newest, and none of before is left"""
    other = SigningKey.generate(new_hex128())
    write(database, lambda tx: switching.enable(tx, HERE, KEK, other, "me"))
    found = database.read_now(lambda c: marketplace_keys.find(c, HERE))
    assert found is not None
    assert found.kid == other.kid
    assert database.read_now(lambda c: marketplace_keys.find(c, LYRA.id)) is None
    assert write(database, lambda tx: switching.disable(tx, HERE, "me"))
    assert not write(database, lambda tx: switching.disable(tx, HERE, "me"))
    assert database.read_now(lambda c: marketplace_keys.signing(c, HERE, KEK)) is None


def test_switching_on_needs_the_right_key_encryption_key(database: Database) -> None:
    with pytest.raises(KeyEncryptionProblem):
        write(
            database,
            lambda tx: switching.enable(tx, LYRA.id, KeyEncryptionKey(b"x" * 32), KEY, "me"),
        )


def test_a_restore_ends_both(database: Database) -> None:
    """The key may have been replaced since the backup, because it was stolen."""
    write(database, add)
    restored = {"revoke_reference_tokens": False, "actor": "me", "backup_at": 900.0}
    write(database, lambda tx: end_all(tx, ORION, KEK, **restored))
    assert database.read_now(lambda c: marketplace_keys.find(c, HERE)) is None
    assert (only(database).state, only(database).sealed_credentials) == ("failed", None)
    events = database.read_now(lambda c: audit.latest(c, HERE))
    assert "marketplace.disabled" in {event.event for event in events}
