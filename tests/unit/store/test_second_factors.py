"""Second factors in the store, on both engines: what is for one time is for one time."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from mintgate.contract.identifiers import new_guid
from mintgate.contract.instance import Instance
from mintgate.contract.second_factors import Factors
from mintgate.contract.users import User, UserType
from mintgate.store import (
    Database,
    Transaction,
    instances,
    passkeys,
    recovery_codes,
    schema,
    sealing,
    second_factors,
    sign_in_proofs,
    totp_offers,
    users,
)
from mintgate.store.housekeeping import overdue, sweep
from mintgate.store.key_encryption import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.passkeys import Passkey
from mintgate.store.second_factors import People
from mintgate.store.sign_in_proofs import SignInProof
from tests.world import sqlite_url

MIRA = "m" * 36
NOW, AT_ONCE = 10_000.0, 6
KEK, NEW_KEK = KeyEncryptionKey(bytes(32)), KeyEncryptionKey(bytes([1]) * 32)
PASSKEY = Passkey(
    id="p" * 36,
    user_id=MIRA,
    credential_id=b"credential",
    public_key=b"key",
    sign_count=7,
    transports=("usb", "nfc"),
    name="Key",
    backup_eligible=True,
    backed_up=False,
    created_at=NOW,
)
PROOF = SignInProof(
    proof_hash="P" * 64,
    interaction_hash="I" * 64,
    user_id=MIRA,
    password_digest="D" * 64,
    remember=True,
    expires_at=NOW + 900,
)


class Place(NamedTuple):
    """A database, and two instances in it that are one test's own."""

    database: Database
    here: str
    there: str


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgresql")())
    else:
        url = sqlite_url(tmp_path_factory.mktemp("factors"))
    database = Database(url, lambda: NOW)
    schema.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def place(database: Database) -> Place:
    made = Place(database, new_guid(), new_guid())
    user = User(id=MIRA, login="mira", name={"en": "M"}, user_type=UserType.INTERNAL)
    with database.begin() as tx:
        for name in (made.here, made.there):
            url = f"https://{name}.example"
            instances.add(tx, Instance(id=name, name=name, database="X", base_url=url))
            users.add(tx, name, user, "hash")
    return made


def set_up_app(tx: Transaction, instance_id: str, step: int = 100) -> None:
    sealed = KEK.seal(b"secret", sealing.totp_name(instance_id, MIRA))
    begin_app(tx, instance_id, sealed)
    assert confirm_app(tx, instance_id, sealed, step)


def begin_app(tx: Transaction, instance_id: str, sealed: bytes, sign_in: str = "S") -> None:
    totp_offers.put(tx, instance_id, MIRA, bound_to=sign_in * 64, sealed=sealed, until=NOW + 60)


def confirm_app(
    tx: Transaction, instance_id: str, sealed: bytes, step: int = 1, sign_in: str = "S"
) -> bool:
    return second_factors.confirm_totp(tx, instance_id, MIRA, sealed, step, bound_to=sign_in * 64)


def winners(database: Database, work: Callable[[Transaction], bool]) -> int:
    """How many of those who do it at once, each in a process of its own so to speak, succeed."""
    url, ready = database.engine.url.render_as_string(hide_password=False), AT_ONCE
    barrier, results = threading.Barrier(ready), []

    def one() -> None:
        mine = Database(url, lambda: NOW)
        barrier.wait()
        with mine.begin() as tx:
            results.append(work(tx))
        mine.close()

    threads = [threading.Thread(target=one) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == AT_ONCE
    return sum(results)


def test_what_is_for_one_time(place: Place) -> None:
    """Of those who come at once one gets in, whatever it is."""
    database, here, _ = place
    next_app = KEK.seal(b"next", sealing.totp_name(here, MIRA))
    with database.begin() as tx:
        set_up_app(tx, here)
        recovery_codes.replace(tx, here, MIRA, ["1" * 64, "2" * 64])
        passkeys.add(tx, here, PASSKEY)
        passkeys.open_challenge(
            tx, here, "C" * 64, purpose="sign_in", bound_to="I" * 64, until=NOW + 300
        )
        sign_in_proofs.put(tx, here, PROOF)
        begin_app(tx, here, next_app)
    stored = database.read_now(lambda c: second_factors.totp(c, here, MIRA))
    assert stored is not None
    once: dict[str, Callable[[Transaction], bool]] = {
        "code": lambda tx: second_factors.use_step(tx, here, MIRA, stored, 101),
        "recovery code": lambda tx: recovery_codes.use(tx, here, MIRA, "1" * 64),
        "signature": lambda tx: passkeys.note_use(tx, here, PASSKEY.id, 8, backed_up=True),
        "challenge": lambda tx: passkeys.use_challenge(
            tx, here, "C" * 64, purpose="sign_in", bound_to="I" * 64
        ),
        "proof": lambda tx: sign_in_proofs.take(tx, here, PROOF.proof_hash),
        "app": lambda tx: confirm_app(tx, here, next_app),
    }
    assert {name: winners(database, work) for name, work in once.items()} == dict.fromkeys(once, 1)
    assert database.read_now(lambda c: second_factors.of(c, here, MIRA)) == Factors(True, 1, 1)


def test_a_step_is_used_once_and_no_earlier_one_after_it(place: Place) -> None:
    database, here, _ = place
    with database.begin() as tx:
        set_up_app(tx, here, 100)
        stored = second_factors.totp(tx.connection, here, MIRA)
        assert stored is not None
        used = [
            second_factors.use_step(tx, here, MIRA, stored, step)
            for step in (99, 100, 102, 101, 102, 103)
        ]
        assert used == [False, False, True, False, False, True]
        other = msgspec.structs.replace(stored, since=NOW - 1)
        assert not second_factors.use_step(tx, here, MIRA, other, 104), "of the app before"


@pytest.mark.parametrize(
    ("purpose", "bound_to", "where", "after"),
    [
        ("register", "I", "here", 0.0),
        ("sign_in", "J", "here", 0.0),
        ("sign_in", "I", "there", 0.0),
        ("sign_in", "I", "here", 300.0),
    ],
)
def test_a_challenge_is_for_one_thing(
    purpose: str, bound_to: str, where: str, after: float, place: Place
) -> None:
    database, here, _ = place
    with database.begin() as tx:
        passkeys.open_challenge(
            tx, here, "C" * 64, purpose="sign_in", bound_to="I" * 64, until=NOW + 300
        )
        tx.now += after
        assert not passkeys.use_challenge(
            tx, getattr(place, where), "C" * 64, purpose=purpose, bound_to=bound_to * 64
        )


def test_a_secret_that_waits_counts_only_when_it_is_the_one(place: Place) -> None:
    database, here, _ = place
    with database.begin() as tx:
        name = sealing.totp_name(here, MIRA)
        first, second = (KEK.seal(secret, name) for secret in (b"first", b"second"))
        begin_app(tx, here, first)
        begin_app(tx, here, second)
        assert not second_factors.of(tx.connection, here, MIRA).has_any
        assert not confirm_app(tx, here, first)
        tx.now += 60
        assert found(tx, here) is None
        assert not confirm_app(tx, here, second)


def found(tx: Transaction, instance_id: str, sign_in: str = "S") -> bytes | None:
    return totp_offers.find(tx.connection, instance_id, MIRA, bound_to=sign_in * 64, now=tx.now)


def test_a_secret_that_waits_is_of_one_sign_in(place: Place) -> None:
    """[USR-8] With the first that counts, those of other sign-ins end."""
    database, here, there = place
    with database.begin() as tx:
        name = sealing.totp_name(here, MIRA)
        own, others = (KEK.seal(secret, name) for secret in (b"own", b"other"))
        begin_app(tx, here, own)
        begin_app(tx, here, others, "T")
        begin_app(tx, there, others, "T")
        assert (found(tx, here), found(tx, here, "T")) == (own, others)
        assert not confirm_app(tx, here, others)
        assert not confirm_app(tx, here, own, sign_in="T")
        assert confirm_app(tx, here, own)
        assert (found(tx, here), found(tx, here, "T"), found(tx, there, "T")) == (
            None,
            None,
            others,
        )
        assert not confirm_app(tx, here, others, sign_in="T")


@pytest.mark.parametrize(
    "end",
    [
        lambda tx, here: users.set_password(tx, here, MIRA, "another"),
        lambda tx, here: users.revoke_everything(tx, here, MIRA, "ada"),
        lambda tx, here: second_factors.reset(tx, here, MIRA),
        lambda tx, here: users.remove(tx, here, MIRA),
        totp_offers.end_all,
    ],
    ids=["new password", "revoke everything", "reset", "remove", "restore"],
)
def test_what_ends_a_secret_that_waits(
    end: Callable[[Transaction, str], Any], place: Place
) -> None:
    database, here, there = place
    with database.begin() as tx:
        for name in (here, there):
            begin_app(tx, name, b"sealed")
        end(tx, here)
        assert (found(tx, here), found(tx, there)) == (None, b"sealed")


@pytest.mark.parametrize("end", ["password", "everything"])
def test_what_ends_a_half_proved_sign_in(end: str, place: Place) -> None:
    """[USR-22, LIF-18] A first factor could be set up with it."""
    database, here, there = place
    with database.begin() as tx:
        for name in (here, there):
            sign_in_proofs.put(tx, name, PROOF)
        if end == "password":
            users.set_password(tx, here, MIRA, "another")
        else:
            users.revoke_everything(tx, here, MIRA, "ada")
        left = [
            sign_in_proofs.find(tx.connection, name, PROOF.proof_hash, PROOF.interaction_hash, NOW)
            for name in (here, there)
        ]
        assert left == [None, PROOF]


def test_instances_do_not_share_them(place: Place) -> None:
    database, here, there = place
    with database.begin() as tx:
        set_up_app(tx, here)
        passkeys.add(tx, here, PASSKEY)
        recovery_codes.replace(tx, here, MIRA, ["1" * 64])
        passkeys.add(tx, there, PASSKEY)
        assert second_factors.of(tx.connection, there, MIRA) == Factors(False, 1, 0)
        assert not recovery_codes.use(tx, there, MIRA, "1" * 64)
        assert second_factors.reset(tx, there, MIRA) == Factors(False, 1, 0)
        assert second_factors.of(tx.connection, here, MIRA) == Factors(True, 1, 1)
        flags = [second_factors.is_enabled(tx.connection, name, MIRA) for name in (here, there)]
        assert flags == [True, False]


def test_recovery_codes_go_with_the_last_factor(place: Place) -> None:
    database, here, _ = place
    with database.begin() as tx:
        set_up_app(tx, here)
        passkeys.add(tx, here, PASSKEY)
        recovery_codes.replace(tx, here, MIRA, ["1" * 64, "2" * 64])
        assert second_factors.remove_totp(tx, here, MIRA)
        assert second_factors.of(tx.connection, here, MIRA) == Factors(False, 1, 2)
        assert not second_factors.remove_totp(tx, here, MIRA)
        assert not passkeys.remove(tx, here, "somebody else", PASSKEY.id)
        assert passkeys.remove(tx, here, MIRA, PASSKEY.id)
        assert second_factors.of(tx.connection, here, MIRA) == Factors()
        assert not second_factors.is_enabled(tx.connection, here, MIRA)


@pytest.mark.parametrize(
    ("stored", "told", "good"),
    [(0, 0, True), (0, 5, True), (5, 6, True), (5, 5, False), (5, 0, False)],
)
def test_counts_of_signatures(stored: int, told: int, good: bool, place: Place) -> None:
    """WebAuthn Level 3 §6.1.1"""
    database, here, _ = place
    with database.begin() as tx:
        passkeys.add(tx, here, msgspec.structs.replace(PASSKEY, sign_count=stored))
        assert passkeys.note_use(tx, here, PASSKEY.id, told, backed_up=True) is good
        (found,) = passkeys.of_user(tx.connection, here, MIRA)
        assert (found.sign_count, found.backed_up) == ((told, True) if good else (stored, False))


def test_secrets_are_sealed_anew_with_another_key(place: Place) -> None:
    database, here, _ = place
    with database.begin() as tx:
        set_up_app(tx, here)
        begin_app(tx, here, KEK.seal(b"next", sealing.totp_name(here, MIRA)))
        assert sealing.reseal(tx, NEW_KEK.opening_also(KEK)) >= 2
        stored = second_factors.totp(tx.connection, here, MIRA)
        assert stored is not None
        assert NEW_KEK.open(stored.sealed, sealing.totp_name(here, MIRA)) == b"secret"
        assert NEW_KEK.open(found(tx, here) or b"", sealing.totp_name(here, MIRA)) == b"next"
        with pytest.raises(KeyEncryptionProblem):
            NEW_KEK.open(stored.sealed, sealing.totp_name(here, "somebody else"))
        with pytest.raises(KeyEncryptionProblem):
            sealing.require_opens(tx.connection, KEK)


def test_what_is_over_is_swept(place: Place) -> None:
    database, here, _ = place
    with database.begin() as tx:
        sign_in_proofs.put(tx, here, PROOF)
        passkeys.open_challenge(
            tx, here, "C" * 64, purpose="sign_in", bound_to="I" * 64, until=NOW + 300
        )
        begin_app(tx, here, b"sealed")
        later = NOW + 901
        kinds = ("sign_in_proofs", "passkey_challenges", "totp_offers")
        assert overdue(tx.connection, here, later) == dict.fromkeys(kinds, 1)
        swept = sweep(tx, here, later)
        assert [swept[kind] for kind in kinds] == [1, 1, 1]


def test_whom_a_rule_concerns(place: Place) -> None:
    """Who may sign in, of one type and one instance; a lock that is over counts no more."""
    database, here, there = place
    people = [
        ("ada", {"is_admin": True}),
        ("eve", {"is_admin": True, "locked_until": NOW}),
        ("locked", {"locked_until": math.inf}),
        ("gone", {"active": False}),
        ("buyer", {"user_type": UserType.COMMUNITY}),
    ]
    with database.begin() as tx:
        for login, other in people:
            given: dict[str, Any] = {"user_type": UserType.INTERNAL, **other}
            user = User(id=new_guid(), login=login, name={"en": login}, **given)
            users.add(tx, here, user, "hash")
        passkeys.add(tx, here, PASSKEY)

        def counted(instance_id: str, user_type: UserType) -> People:
            return second_factors.people(tx.connection, instance_id, user_type, NOW)

        internal, community = UserType.INTERNAL, UserType.COMMUNITY
        assert counted(here, internal) == People(3, 1, 2, 0)
        assert counted(here, community) == People(1, 0, 0, 0)
        assert counted(there, internal) == People(1, 0, 0, 0)
        assert counted(there, community) == People(0, 0, 0, 0)
