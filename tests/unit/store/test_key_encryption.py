"""The key-encryption key, and changing it, on both engines."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from sqlalchemy import LargeBinary, select, update

from mintgate.jose import ALGORITHMS
from mintgate.store import Database, idempotency, instances, keys, schema, sealing
from mintgate.store.key_encryption import (
    FINGERPRINT_BYTES,
    KeyEncryptionKey,
    KeyEncryptionProblem,
)
from mintgate.store.tables import metadata, signing_keys
from tests.unit.store.test_conformance import HERE, LYRA, ORION

OLD, NEW, OTHER = (KeyEncryptionKey(bytes([n]) * 32) for n in range(3))
BOTH = NEW.opening_also(OLD)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.upgrade(database)
    with database.begin() as tx:
        for instance in (ORION, LYRA):
            instances.add(tx, instance)
            for algorithm in ALGORITHMS:
                keys.create(tx, instance.id, OLD, algorithm)
    yield database
    database.close()


def opened(database: Database, kek: KeyEncryptionKey) -> list[tuple[str, str]]:
    found = database.read_now(lambda c: keys.all_of(c, HERE, kek))
    return sorted((key.algorithm, key.kid) for key, _ in found)


def test_everything_is_sealed_anew(database: Database) -> None:
    before = opened(database, OLD)
    with database.begin() as tx:
        assert sealing.reseal(tx, BOTH) == 2 * len(ALGORITHMS)
    assert opened(database, NEW) == opened(database, BOTH) == before
    with pytest.raises(KeyEncryptionProblem, match="another key-encryption key"):
        opened(database, OLD)
    with database.begin() as tx:
        assert sealing.reseal(tx, BOTH) == 0


def test_an_interrupted_change_changes_nothing(database: Database) -> None:
    before = opened(database, OLD)

    class PowerCut(Exception):
        pass

    with pytest.raises(PowerCut), database.begin() as tx:  # noqa: PT012
        sealing.reseal(tx, BOTH)
        raise PowerCut
    assert opened(database, OLD) == before


def test_what_opens_by_no_key_stays(database: Database) -> None:
    with pytest.raises(KeyEncryptionProblem), database.begin() as tx:
        sealing.reseal(tx, OTHER.opening_also(NEW))
    assert opened(database, OLD)


def test_nothing_is_sealed_beside_what_another_key_sealed(database: Database) -> None:
    """A server that was left behind must not make a key that nobody can open later."""
    with database.begin() as tx:
        sealing.reseal(tx, BOTH)
    with pytest.raises(KeyEncryptionProblem), database.begin() as tx:
        keys.create(tx, HERE, OLD)
    with database.begin() as tx:
        keys.create(tx, HERE, BOTH)
    assert len(opened(database, NEW)) == len(ALGORITHMS) + 1


def test_an_answer_of_a_server_with_the_old_key_is_in_nobodys_way(database: Database) -> None:
    """It may be given again for a day; a compromised key must get its successor meanwhile."""
    name = sealing.idempotency_name(HERE, "K")
    with database.begin() as tx:
        sealing.reseal(tx, BOTH)
        idempotency.put(tx, HERE, "K", OLD.seal(b"an answer", name), tx.now + 86_400)
    with database.begin() as tx:
        keys.create(tx, HERE, NEW)
        assert sealing.reseal(tx, OTHER.opening_also(NEW)) == 2 * len(ALGORITHMS) + 1
        assert sealing.reseal(tx, NEW.opening_also(OTHER, OLD)) == 2 * len(ALGORITHMS) + 2


def test_a_running_server_goes_on_with_the_keys_that_it_has(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    known = {key.kid: key for key, _ in database.read_now(lambda c: keys.all_of(c, HERE, OLD))}
    with database.begin() as tx:
        sealing.reseal(tx, BOTH)
        added = [keys.create(tx, HERE, BOTH, algorithm) for algorithm in ALGORITHMS]
    with caplog.at_level(logging.ERROR):
        found = database.read_now(lambda c: keys.usable(c, HERE, OLD, known))
    assert {s.times.kid for s in found if s.key is not None} == set(known)
    late = {s.times.kid: s.public for s in found if s.key is None}
    for key in added:  # what the others sign verifies here
        assert late[key.kid].to_jwk() == key.public.to_jwk()
        assert f"cannot sign with key {key.kid}" in caplog.text


def test_what_was_sealed_before_there_were_fingerprints(database: Database) -> None:
    with database.begin() as tx:
        for row in tx.connection.execute(select(signing_keys)).all():
            tx.connection.execute(
                update(signing_keys)
                .where(signing_keys.c.kid == row.kid)
                .values(private_key=row.private_key[FINGERPRINT_BYTES:])
            )
    before = opened(database, OLD)
    with pytest.raises(KeyEncryptionProblem):
        opened(database, NEW)
    with database.begin() as tx:
        assert sealing.reseal(tx, BOTH) == 2 * len(ALGORITHMS)
    assert opened(database, NEW) == before


def test_every_column_of_bytes_is_known_to_be_sealed() -> None:
    """Whoever adds one says whether the key-encryption key seals it."""
    columns = {
        column
        for table in metadata.tables.values()
        for column in table.columns
        if column.name.startswith(("private_", "sealed_"))
        or (column.name.endswith("_secret") and isinstance(column.type, LargeBinary))
    }
    assert columns == {sealed.column for sealed in sealing.SEALED}


@pytest.mark.parametrize("change", ["flip", "cut", "name", "empty"])
def test_changed_values_do_not_open(change: str) -> None:
    sealed, name = OLD.seal(b"secret", b"name"), b"name"
    if change == "flip":
        sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    elif change == "cut":
        sealed = sealed[: FINGERPRINT_BYTES + 5]
    elif change == "name":
        name = b"other"
    else:
        sealed = b""
    with pytest.raises(KeyEncryptionProblem):
        BOTH.open(sealed, name)


def test_a_key_never_prints_itself() -> None:
    secret = os.urandom(32)
    assert secret.hex()[:16] not in repr(KeyEncryptionKey(secret))
