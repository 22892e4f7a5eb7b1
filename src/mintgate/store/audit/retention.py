"""Removing rows that are older than an instance keeps them: at a checkpoint, in small batches."""

from __future__ import annotations

from sqlalchemy import delete

from mintgate.store.audit import checkpoints, rows
from mintgate.store.tables import audit_checkpoints, audit_events, audit_heads
from mintgate.store.transaction import Transaction

BATCH = 500
"""Rows. Others write between two batches."""


def purge_some(tx: Transaction, instance_id: str) -> int:
    """Remove a batch of what the last cut has given up; 0 when nothing is left."""
    removed_through, beginnings = checkpoints.cut_of(tx.connection, instance_id)
    for writer_id, head in beginnings.items():
        first = rows.first_sequence(tx.connection, instance_id, writer_id)
        if first is not None and first <= head.sequence:
            result = tx.connection.execute(
                delete(audit_events).where(
                    audit_events.c.instance_id == instance_id,
                    audit_events.c.writer_id == writer_id,
                    audit_events.c.sequence <= min(first + BATCH - 1, head.sequence),
                )
            )
            return result.rowcount
    return _purge_checkpoints(tx, instance_id, removed_through)


def _purge_checkpoints(tx: Transaction, instance_id: str, removed_through: int) -> int:
    # Only what the cut replaces: the checkpoint that made it comes later than these.
    if not removed_through:
        return 0
    oldest = checkpoints.page(tx.connection, instance_id, 0, 1)
    if not oldest or oldest[0].number > removed_through:
        return 0
    last = min(oldest[0].number + BATCH - 1, removed_through)
    tx.connection.execute(
        delete(audit_heads).where(
            audit_heads.c.instance_id == instance_id, audit_heads.c.checkpoint <= last
        )
    )
    return tx.connection.execute(
        delete(audit_checkpoints).where(
            audit_checkpoints.c.instance_id == instance_id, audit_checkpoints.c.number <= last
        )
    ).rowcount
