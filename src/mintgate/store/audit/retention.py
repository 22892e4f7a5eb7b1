"""Removing rows that are older than an instance keeps them: at a checkpoint, in small batches."""

from __future__ import annotations

from sqlalchemy import Connection, delete

from mintgate.store.audit import checkpoint_rows, rows
from mintgate.store.tables import audit_checkpoints, audit_events, audit_heads
from mintgate.store.transaction import Transaction

BATCH = 500
"""Rows. Others write between two batches."""


def given_up(connection: Connection, instance_id: str) -> dict[str, int]:
    """Through which number the rows of each writer are to go by the last cut, and are not gone."""
    _, beginnings = checkpoint_rows.cut_of(connection, instance_id)
    found = {}
    for writer_id, head in beginnings.items():
        first = rows.first_sequence(connection, instance_id, writer_id)
        if first is not None and first <= head.sequence:
            found[writer_id] = head.sequence
    return found


def purge_rows(tx: Transaction, instance_id: str, writer_id: str, through: int) -> int:
    """Remove a batch of a writer's rows; returns how many, 0 when nothing is left."""
    first = rows.first_sequence(tx.connection, instance_id, writer_id)
    if first is None or first > through:
        return 0
    result = tx.connection.execute(
        delete(audit_events).where(
            audit_events.c.instance_id == instance_id,
            audit_events.c.writer_id == writer_id,
            audit_events.c.sequence <= min(first + BATCH - 1, through),
        )
    )
    return result.rowcount


def purge_checkpoints(tx: Transaction, instance_id: str) -> int:
    """Remove a batch of the checkpoints whose rows are gone; the cut says what they said."""
    removed_through, _ = checkpoint_rows.cut_of(tx.connection, instance_id)
    oldest = checkpoint_rows.page(tx.connection, instance_id, 0, 1)
    if not oldest or oldest[0].number > removed_through:
        return 0
    last = min(oldest[0].number + BATCH - 1, removed_through)
    for table, number in (
        (audit_heads, audit_heads.c.checkpoint),
        (audit_checkpoints, audit_checkpoints.c.number),
    ):
        result = tx.connection.execute(
            delete(table).where(table.c.instance_id == instance_id, number <= last)
        )
    return result.rowcount
