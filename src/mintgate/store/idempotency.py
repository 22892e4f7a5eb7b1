"""Answers that are given again when a request is repeated with the same key.

The answer is sealed by the caller of this file: it may hold a token or a secret.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from mintgate.store.purging import delete_some
from mintgate.store.tables import idempotency_keys
from mintgate.store.transaction import Transaction


def find(connection: Connection, instance_id: str, key_hash: str, now: float) -> bytes | None:
    """The sealed answer that was stored under this key and is still kept."""
    table = idempotency_keys
    statement = select(table.c.sealed_answer).where(
        table.c.instance_id == instance_id,
        table.c.key_hash == key_hash,
        table.c.expires_at > now,
    )
    return connection.execute(statement).scalar_one_or_none()


def put(
    tx: Transaction, instance_id: str, key_hash: str, sealed_answer: bytes, expires_at: float
) -> None:
    """Store an answer; one that is over gives way. `instances.lock` decides between two."""
    table = idempotency_keys
    tx.connection.execute(
        delete(table).where(table.c.instance_id == instance_id, table.c.key_hash == key_hash)
    )
    tx.connection.execute(
        insert(table).values(
            instance_id=instance_id,
            key_hash=key_hash,
            sealed_answer=sealed_answer,
            expires_at=expires_at,
        )
    )


def replace(
    tx: Transaction, instance_id: str, key_hash: str, before: bytes, sealed_answer: bytes
) -> bool:
    """Store another answer in place of this very one; False when it is not there any more."""
    table = idempotency_keys
    result = tx.connection.execute(
        update(table)
        .where(
            table.c.instance_id == instance_id,
            table.c.key_hash == key_hash,
            table.c.sealed_answer == before,
        )
        .values(sealed_answer=sealed_answer)
    )
    return result.rowcount == 1


def forget_all(tx: Transaction, instance_id: str) -> None:
    """No request is taken for one of before any more."""
    table = idempotency_keys
    tx.connection.execute(delete(table).where(table.c.instance_id == instance_id))


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some answers that are not kept any more; returns how many."""
    table = idempotency_keys
    ended = (table.c.instance_id == instance_id) & (table.c.expires_at < before)
    return delete_some(tx.connection, table, ended)
