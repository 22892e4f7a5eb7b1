"""Signing keys by schedule: made before they are used, removed when nothing needs them [EXT-14]."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection

from mintgate.contract.feed import ChangedKey
from mintgate.contract.identifiers import new_hex128
from mintgate.contract.instance import SigningAlgorithm
from mintgate.contract.key_life import next_activation, removal_time
from mintgate.jose import SigningKey
from mintgate.store import AuditEvent, Database, Transaction, instances, keys
from mintgate.store.keys import KeyEncryptionKey


async def keep_keys(
    database: Database, instance_id: str, key_encryption_key: KeyEncryptionKey
) -> None:
    """Make the next key when it is due, and remove those that no live token needs.

    Another setting of the instance's `signing_algorithm` makes one due at once [EXT-6]; it is
    published before use like every other [EXT-14].
    """

    def remove(tx: Transaction) -> None:
        known = keys.times(tx.connection, instance_id)
        for times in known:
            end = removal_time(times, known)
            if end is not None and end <= tx.now:
                keys.remove(tx, instance_id, times.kid)
                tx.record(_event(tx, instance_id, "key.removed", times.kid))

    await database.write(remove)

    algorithm, active_from = await database.read(lambda c: _due(c, instance_id, database.clock()))
    if active_from is not None:
        # Finding the primes takes long, so it is done outside of the writer's thread.
        key = await asyncio.to_thread(SigningKey.generate, new_hex128(), algorithm)

        def add(tx: Transaction) -> None:
            # Another process may have been faster: the instance's row is locked by the feed
            # entry, and only then is looked at what is due.
            tx.changed(instance_id, key.kid, ChangedKey(kid=key.kid, ended=False))
            wanted, active_from = _due(tx.connection, instance_id, tx.now)
            if active_from is None or wanted != algorithm:
                return
            keys.add(tx, instance_id, key_encryption_key, key, active_from)
            tx.record(_event(tx, instance_id, "key.added", key.kid, algorithm))

        await database.write(add)


def _due(connection: Connection, instance_id: str, now: float) -> tuple[str, float | None]:
    """The algorithm of the next key, and from when it signs; None when none is due."""
    # From the row, and not from what this process loaded some time ago.
    instance = instances.by_id(connection, instance_id)
    algorithm = (instance.signing_algorithm if instance else SigningAlgorithm.RS256).value
    return algorithm, next_activation(keys.times(connection, instance_id), now, algorithm)


def _event(
    tx: Transaction, instance_id: str, event: str, kid: str, algorithm: str | None = None
) -> AuditEvent:
    details = {"kid": kid} | ({"algorithm": algorithm} if algorithm else {})
    return AuditEvent(instance_id=instance_id, at=tx.now, event=event, details=details)
