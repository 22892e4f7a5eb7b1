"""Signing keys at rest, sealed with the key-encryption key."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from mintgate.contract.feed import ChangedKey
from mintgate.contract.identifiers import new_hex128
from mintgate.contract.key_life import KeyTimes
from mintgate.jose import KeySet, PublicKey, SigningKey
from mintgate.jose.keys import RS256
from mintgate.store.key_encryption import KEY_VARIABLE, KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.sealing import require_opens, signing_key_name
from mintgate.store.tables import signing_keys
from mintgate.store.transaction import Transaction

__all__ = ["KEY_VARIABLE", "KeyEncryptionKey", "KeyEncryptionProblem"]
_log = logging.getLogger(__name__)
_told: set[str] = set()


class OpenedKey(NamedTuple):
    """A key with its times."""

    key: SigningKey
    times: KeyTimes


class StoredKey(NamedTuple):
    """A key as a running server has it; `key` is None when the private half does not open."""

    key: SigningKey | None
    times: KeyTimes
    public: PublicKey


def create(
    tx: Transaction, instance_id: str, kek: KeyEncryptionKey, algorithm: str = RS256
) -> SigningKey:
    """Make a key, active at once, and store it sealed."""
    key = SigningKey.generate(new_hex128(), algorithm)  # [DSC-15]
    add(tx, instance_id, kek, key, tx.now)
    return key


def add(
    tx: Transaction, instance_id: str, kek: KeyEncryptionKey, key: SigningKey, active_from: float
) -> None:
    """Store a key sealed; it signs from `active_from` (Unix seconds) and is published now.

    Raises:
        KeyEncryptionProblem: the others were sealed with another key-encryption key.
    """
    # First, for its lock: see `sealing.reseal`.
    tx.changed(instance_id, key.kid, ChangedKey(kid=key.kid, ended=False))
    require_opens(tx.connection, kek)
    tx.connection.execute(
        insert(signing_keys).values(
            instance_id=instance_id,
            kid=key.kid,
            algorithm=key.algorithm,
            created_at=tx.now,
            active_from=active_from,
            public_jwk=key.public.to_jwk(),
            private_key=kek.seal(key.to_pkcs8(), signing_key_name(instance_id, key.kid)),
        )
    )


def times(connection: Connection, instance_id: str) -> list[KeyTimes]:
    """The times of every key, oldest first; no private key is opened."""
    rows = connection.execute(
        select(
            signing_keys.c.kid,
            signing_keys.c.active_from,
            signing_keys.c.ended_at,
            signing_keys.c.algorithm,
        )
        .where(signing_keys.c.instance_id == instance_id)
        .order_by(signing_keys.c.active_from, signing_keys.c.kid)
    )
    return [KeyTimes(row.kid, row.active_from, row.ended_at, row.algorithm) for row in rows]


def public_jwks(connection: Connection, instance_id: str) -> list[dict[str, Any]]:
    """The public halves of the keys that have not ended; no private key is opened."""
    statement = select(signing_keys.c.public_jwk).where(
        signing_keys.c.instance_id == instance_id, signing_keys.c.ended_at.is_(None)
    )
    return list(connection.execute(statement).scalars())


def end(tx: Transaction, instance_id: str, kid: str) -> bool:
    """Declare a key compromised: what it signed is refused from now on. False when it was."""
    result = tx.connection.execute(
        update(signing_keys)
        .where(
            signing_keys.c.instance_id == instance_id,
            signing_keys.c.kid == kid,
            signing_keys.c.ended_at.is_(None),
        )
        .values(ended_at=tx.now)
    )
    if result.rowcount:
        tx.changed(instance_id, kid, ChangedKey(kid=kid, ended=True))
    return bool(result.rowcount)


def remove(tx: Transaction, instance_id: str, kid: str) -> None:
    """Delete a key that no live token can have been signed with."""
    tx.connection.execute(
        delete(signing_keys).where(
            signing_keys.c.instance_id == instance_id, signing_keys.c.kid == kid
        )
    )
    tx.changed(instance_id, kid, ChangedKey(kid=kid, ended=True))


def all_of(connection: Connection, instance_id: str, kek: KeyEncryptionKey) -> list[OpenedKey]:
    """Every key that has not ended, oldest first.

    Raises:
        KeyEncryptionProblem: sealed with another key-encryption key.
    """
    return [OpenedKey(_opened(row, kek), _times(row)) for row in _living(connection, instance_id)]


def usable(
    connection: Connection,
    instance_id: str,
    kek: KeyEncryptionKey,
    known: Mapping[str, SigningKey],
) -> list[StoredKey]:
    """The same for a running server, which must go on when the key-encryption key was changed.

    A key that it cannot open still verifies; the server signs with those that it has.

    Args:
        known: private keys by `kid` that were opened before.
    """
    found = []
    for row in _living(connection, instance_id):
        key = known.get(row.kid)
        try:
            key = key or _opened(row, kek)
            public = key.public
        except KeyEncryptionProblem as problem:
            _tell(row.kid, problem)
            published = KeySet.from_json(msgspec.json.encode({"keys": [row.public_jwk]}))
            if (only := published.get(row.kid)) is None:
                raise
            public = only
        found.append(StoredKey(key, _times(row), public))
    return found


def _tell(kid: str, problem: KeyEncryptionProblem) -> None:
    if kid not in _told:  # keys are loaded often
        _told.add(kid)
        _log.error(
            "this process cannot sign with key %s: %s. Restart it with that one", kid, problem
        )


def _living(connection: Connection, instance_id: str) -> list[Row[Any]]:
    return list(
        connection.execute(
            select(signing_keys)
            .where(signing_keys.c.instance_id == instance_id, signing_keys.c.ended_at.is_(None))
            .order_by(signing_keys.c.active_from, signing_keys.c.kid)
        )
    )


def _opened(row: Row[Any], kek: KeyEncryptionKey) -> SigningKey:
    pkcs8 = kek.open(row.private_key, signing_key_name(row.instance_id, row.kid))
    return SigningKey.from_pkcs8(row.kid, pkcs8, row.algorithm)


def _times(row: Row[Any]) -> KeyTimes:
    return KeyTimes(row.kid, row.active_from, row.ended_at, row.algorithm)
