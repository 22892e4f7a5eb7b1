"""Recovery codes: each stands in for a lost second factor once, and only its hash is here."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, insert, update

from mintgate.store.tables import recovery_codes
from mintgate.store.transaction import Transaction

_columns = recovery_codes.c


def replace(tx: Transaction, instance_id: str, user_id: str, hashes: Iterable[str]) -> None:
    """Give a person these codes; those of before are worth nothing any more."""
    tx.connection.execute(
        delete(recovery_codes).where(
            _columns.instance_id == instance_id, _columns.user_id == user_id
        )
    )
    rows = [
        {
            "instance_id": instance_id,
            "user_id": user_id,
            "code_hash": code_hash,
            "created_at": tx.now,
        }
        for code_hash in hashes
    ]
    tx.connection.execute(insert(recovery_codes), rows)


def use(tx: Transaction, instance_id: str, user_id: str, code_hash: str) -> bool:
    """Use a code; False when it is none of this person's, or used already.

    One statement decides, so that of two who show it at once one gets in.
    """
    result = tx.connection.execute(
        update(recovery_codes)
        .where(
            _columns.instance_id == instance_id,
            _columns.user_id == user_id,
            _columns.code_hash == code_hash,
            _columns.used_at.is_(None),
        )
        .values(used_at=tx.now)
    )
    return result.rowcount == 1


def end_all(tx: Transaction, instance_id: str) -> int:
    """Remove all of an instance whose database was restored: used ones were good again."""
    return tx.connection.execute(
        delete(recovery_codes).where(_columns.instance_id == instance_id)
    ).rowcount
