"""What a server does for the audit log from time to time: checkpoints, and retention."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from mintgate.contract.instance import Instance
from mintgate.store.audit import checkpoint_rows, checkpoints, keys, retention
from mintgate.store.audit.checkpoint import Checkpoint
from mintgate.store.audit.checkpoint_walk import CheckpointWalk
from mintgate.store.audit.checkpoints import AuditLogTampered
from mintgate.store.audit.event import AuditEvent
from mintgate.store.audit.findings import Report
from mintgate.store.failures import DatabaseUnavailable
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.pacing import bit_by_bit
from mintgate.store.transaction import Transaction

if TYPE_CHECKING:
    from mintgate.store.database import Database

CHECKPOINT_SECONDS = 600.0
DAY = 24 * 3600.0


async def write_checkpoint(
    database: Database,
    instance_id: str,
    kek: KeyEncryptionKey,
    *,
    remove_before: float | None = None,
) -> Checkpoint | None:
    """Sign where the chains are; None when nothing is new, or another process was faster.

    Args:
        remove_before: cut at the newest checkpoint before this (Unix seconds).

    Raises:
        AuditLogTampered: the last checkpoint is not one of ours.
        KeyEncryptionProblem: the audit key was sealed with another key-encryption key.
        DatabaseUnavailable: it cannot be read or written.
    """
    made = await database.read(
        lambda c: checkpoints.draft(c, instance_id, remove_before=remove_before)
    )
    if made is None:
        return None
    return await database.write(lambda tx: checkpoints.store(tx, instance_id, made, kek))


async def keep_audit(database: Database, instance: Instance, kek: KeyEncryptionKey) -> None:
    """Write the checkpoint that is due, and remove what the instance need not keep any more."""
    last = await database.read(lambda c: checkpoint_rows.newest(c, instance.id))
    # Another process of this instance may have written one: half the interval is enough for all.
    if last is None or last.at <= database.clock() - CHECKPOINT_SECONDS / 2:
        await write_checkpoint(database, instance.id, kek)
    await _purge(database, instance.id)
    if instance.audit_retention_days is not None:
        await _cut(database, instance.id, kek, instance.audit_retention_days * DAY)


async def last_checkpoint(database: Database, instance_id: str, kek: KeyEncryptionKey) -> None:
    """At an orderly end: what this process recorded is covered. A database away is no reason."""
    with contextlib.suppress(DatabaseUnavailable):
        await write_checkpoint(database, instance_id, kek)


async def _cut(database: Database, instance_id: str, kek: KeyEncryptionKey, kept: float) -> None:
    before = database.clock() - kept
    due = await database.read(lambda c: checkpoint_rows.cut_due(c, instance_id, before, DAY))
    if not due:
        return
    # What is cut cannot be looked at any more: nothing may be wrong with what says where.
    await asyncio.to_thread(_require_whole, database, instance_id, kek)
    cut = await write_checkpoint(database, instance_id, kek, remove_before=before)
    if cut is None:
        return
    removed = await _purge(database, instance_id)

    def record(tx: Transaction) -> None:
        details = {
            "checkpoint": cut.number,
            "removed_through": cut.removed_through,
            "rows": removed,
        }
        tx.record(
            AuditEvent(instance_id=instance_id, at=tx.now, event="audit.cut", details=details)
        )

    await database.write(record)


async def _purge(database: Database, instance_id: str) -> int:
    """Remove what the last cut has given up; it may have been interrupted before."""
    removed = 0
    given_up = await database.read(lambda c: retention.given_up(c, instance_id))
    for writer_id, through in given_up.items():
        work = partial(
            retention.purge_rows, instance_id=instance_id, writer_id=writer_id, through=through
        )
        removed += await bit_by_bit(database, work)
    await bit_by_bit(database, lambda tx: retention.purge_checkpoints(tx, instance_id))
    return removed


def _require_whole(database: Database, instance_id: str, kek: KeyEncryptionKey) -> None:
    trusted, _ = database.read_now(lambda c: keys.trusted(c, instance_id, kek))
    report = Report()
    CheckpointWalk(database, instance_id, trusted, report).run()
    if not report.is_whole:
        raise AuditLogTampered(
            f"nothing is removed from the audit log: {report.findings[0].sentence}. "
            "Look with: mintgate audit verify"
        )
