"""Checkpoints: signed statements of where every writer's chain was, chained among themselves.

A checkpoint lists the heads that moved since the one before. One that retention writes says in
addition through which checkpoint rows are gone, and where the chains begin since (the heads at
the cut).
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from mintgate.store.audit import keys, rows
from mintgate.store.audit.checkpoint import Checkpoint, CheckpointHead, digest_of, genesis
from mintgate.store.audit.checkpoint_rows import covered, heads_at, newest, newest_before
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.tables import audit_checkpoints, audit_heads
from mintgate.store.transaction import Transaction


class AuditLogTampered(Exception):
    """Nothing may be signed on top of what somebody else has changed; `audit verify` says more."""


class Draft(msgspec.Struct, frozen=True):
    """A checkpoint that is not signed yet, made from what was committed."""

    last: Checkpoint | None
    heads: list[CheckpointHead]
    rows: int
    removed_through: int
    removed_hash: bytes | None


def draft(
    connection: Connection, instance_id: str, *, remove_before: float | None = None
) -> Draft | None:
    """What the next checkpoint would say; None when it would say nothing new.

    Reads one row a writer, so it is done outside of the writer's thread.

    Args:
        remove_before: cut at the newest checkpoint that is older than this (Unix seconds).
    """
    last = newest(connection, instance_id)
    removed_through, removed_hash = (last.removed_through, last.removed_hash) if last else (0, None)
    ends = rows.ends(connection, instance_id)
    known = covered(connection, instance_id, removed_through)
    moved = {name: end for name, end in ends.items() if end > known.get(name, 0)}
    heads = [
        CheckpointHead(name, False, *head)
        for name in moved
        if (head := rows.head(connection, instance_id, name)) is not None
    ]
    added = sum(head.sequence - known.get(head.writer_id, 0) for head in heads)
    cut = None
    if last is not None and remove_before is not None:
        cut = newest_before(connection, instance_id, remove_before, removed_through)
    if cut is not None:
        beginnings = heads_at(connection, instance_id, cut.number, removed_through, [*ends])
        heads += [CheckpointHead(name, True, *head) for name, head in beginnings.items()]
        removed_through, removed_hash = cut.number, cut.hash
    if not heads and cut is None:
        return None
    return Draft(last, heads, (last.rows if last else 0) + added, removed_through, removed_hash)


def store(
    tx: Transaction, instance_id: str, made: Draft, kek: KeyEncryptionKey
) -> Checkpoint | None:
    """Sign and keep a draft; None when another process has written a checkpoint meanwhile.

    Raises:
        KeyEncryptionProblem: the audit key was sealed with another key-encryption key.
        AuditLogTampered: the last checkpoint is not one of ours.
    """
    last = newest(tx.connection, instance_id)
    if (last.number if last else 0) != (made.last.number if made.last else 0):
        return None
    if last is not None:
        _require_own(tx.connection, last, kek)
    key = keys.signing_key(tx, instance_id, kek)
    unsigned = Checkpoint(
        instance_id=instance_id,
        number=last.number + 1 if last else 1,
        at=float(tx.now),
        previous_hash=last.hash if last else genesis(instance_id),
        rows=made.rows,
        heads_digest=digest_of(made.heads),
        removed_through=made.removed_through,
        removed_hash=made.removed_hash,
        public_key=key.public_key,
    )
    checkpoint = msgspec.structs.replace(unsigned, signature=key.sign(unsigned.signed))
    try:
        with tx.connection.begin_nested():
            tx.connection.execute(
                insert(audit_checkpoints).values(msgspec.structs.asdict(checkpoint))
            )
    except IntegrityError:
        return None
    if made.heads:
        tx.connection.execute(
            insert(audit_heads),
            [
                {"instance_id": instance_id, "checkpoint": checkpoint.number}
                | msgspec.structs.asdict(head)
                for head in made.heads
            ],
        )
    return checkpoint


def write(
    tx: Transaction, instance_id: str, kek: KeyEncryptionKey, *, remove_before: float | None = None
) -> Checkpoint | None:
    """Draft and store in one transaction, for the command line; None when nothing is new."""
    made = draft(tx.connection, instance_id, remove_before=remove_before)
    return store(tx, instance_id, made, kek) if made is not None else None


def _require_own(connection: Connection, last: Checkpoint, kek: KeyEncryptionKey) -> None:
    # What it says of removed rows goes into the next one, so it must not be anybody's.
    trusted, _ = keys.trusted(connection, last.instance_id, kek)
    if last.public_key not in trusted or not keys.is_signed(
        last.public_key, last.signature, last.signed
    ):
        raise AuditLogTampered(
            f"checkpoint {last.number} of the audit log is not signed with this key-encryption "
            "key's audit key; no checkpoint is written any more. Look with: mintgate audit verify"
        )
