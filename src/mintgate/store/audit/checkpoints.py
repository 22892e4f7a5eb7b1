"""Checkpoints: signed statements of where every writer's chain was, chained among themselves.

A checkpoint lists the heads that moved since the one before. One that retention writes says in
addition through which checkpoint rows are gone, and where the chains begin since (the heads at
the cut).
"""

from __future__ import annotations

import hashlib

import msgspec
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from mintgate.store.audit import keys, rows
from mintgate.store.audit.chain import Head
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.tables import audit_checkpoints, audit_heads
from mintgate.store.transaction import Transaction

_LABEL = "mintgate audit checkpoint 1"
_encode = msgspec.json.Encoder().encode
PAGE = 500


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint as it is stored.

    Args:
        at: Unix seconds.
        previous_hash: of the checkpoint before.
        rows: how many rows were ever covered.
        heads_digest: of the heads that it lists.
        removed_through: rows covered up to this checkpoint are gone by retention; 0 is none.
        removed_hash: the hash of that checkpoint.
        public_key: who signed, 32 bytes in base64url.
    """

    instance_id: str
    number: int
    at: float
    previous_hash: bytes
    rows: int
    heads_digest: bytes
    removed_through: int
    removed_hash: bytes | None
    public_key: str
    signature: bytes = b""

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        names = [name for name in self.__struct_fields__ if name != "signature"]
        return _encode([_LABEL, *(getattr(self, name) for name in names)])

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.signed).digest()


class CheckpointHead(msgspec.Struct, frozen=True, order=True):
    """The head of a writer in a checkpoint; `is_cut` when it is where the chain begins now."""

    writer_id: str
    is_cut: bool
    sequence: int
    hash: bytes


class AuditLogTampered(Exception):
    """Nothing may be signed on top of what somebody else has changed; `audit verify` says more."""


class Draft(msgspec.Struct, frozen=True):
    """A checkpoint that is not signed yet, made from what was committed."""

    last: Checkpoint | None
    heads: list[CheckpointHead]
    rows: int
    removed_through: int
    removed_hash: bytes | None


def genesis(instance_id: str) -> bytes:
    """What the first checkpoint links to."""
    return hashlib.sha256(_encode([_LABEL, instance_id])).digest()


def digest_of(heads: list[CheckpointHead]) -> bytes:
    return hashlib.sha256(_encode(sorted(heads))).digest()


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
    writers = rows.writers(connection, instance_id)
    heads: list[CheckpointHead] = []
    added = 0
    for writer_id in writers:
        head = rows.head(connection, instance_id, writer_id)
        covered = _covered(connection, instance_id, writer_id, removed_through)
        if head is not None and head.sequence > covered:
            heads.append(CheckpointHead(writer_id, False, head.sequence, head.hash))
            added += head.sequence - covered
    cut = None
    if last is not None and remove_before is not None:
        cut = newest_before(connection, instance_id, remove_before, removed_through)
    if cut is not None:
        beginnings = heads_at(connection, instance_id, cut.number, removed_through, writers)
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


def newest(connection: Connection, instance_id: str) -> Checkpoint | None:
    found = (
        select(audit_checkpoints)
        .where(audit_checkpoints.c.instance_id == instance_id)
        .order_by(audit_checkpoints.c.number.desc())
        .limit(1)
    )
    row = connection.execute(found).mappings().first()
    return Checkpoint(**row) if row is not None else None


def page(
    connection: Connection, instance_id: str, after: int, limit: int = PAGE
) -> list[Checkpoint]:
    """Checkpoints in order, whose numbers are greater than `after`."""
    found = (
        select(audit_checkpoints)
        .where(audit_checkpoints.c.instance_id == instance_id, audit_checkpoints.c.number > after)
        .order_by(audit_checkpoints.c.number)
        .limit(limit)
    )
    return [Checkpoint(**row) for row in connection.execute(found).mappings()]


def heads_of(connection: Connection, instance_id: str, number: int) -> list[CheckpointHead]:
    """What a checkpoint lists."""
    found = select(audit_heads).where(
        audit_heads.c.instance_id == instance_id, audit_heads.c.checkpoint == number
    )
    return [
        CheckpointHead(row.writer_id, bool(row.is_cut), row.sequence, row.hash)
        for row in connection.execute(found)
    ]


def heads_at(
    connection: Connection,
    instance_id: str,
    number: int,
    removed_through: int,
    writers: list[str],
) -> dict[str, Head]:
    """Where the chains of `writers` were when a checkpoint was made.

    Args:
        number: a checkpoint after `removed_through`, through which rows were removed.
    """
    found: dict[str, Head] = {}
    table = audit_heads.c
    for writer_id in writers:
        row = connection.execute(
            select(table.sequence, table.hash)
            .where(
                table.instance_id == instance_id,
                table.writer_id == writer_id,
                # Every cut was made at an earlier checkpoint than this one.
                (table.checkpoint <= number) | table.is_cut,
                table.checkpoint > removed_through,
            )
            .order_by(table.sequence.desc())
            .limit(1)
        ).first()
        if row is not None:
            found[writer_id] = Head(row.sequence, row.hash)
    return found


def cut_of(connection: Connection, instance_id: str) -> tuple[int, dict[str, Head]]:
    """Through which checkpoint rows were removed, and where the chains begin since."""
    last = newest(connection, instance_id)
    if last is None or not last.removed_through:
        return 0, {}
    number = connection.execute(
        select(func.min(audit_checkpoints.c.number)).where(
            audit_checkpoints.c.instance_id == instance_id,
            audit_checkpoints.c.removed_through == last.removed_through,
        )
    ).scalar_one()
    heads = heads_of(connection, instance_id, number)
    return last.removed_through, {
        head.writer_id: Head(head.sequence, head.hash) for head in heads if head.is_cut
    }


def cut_due(connection: Connection, instance_id: str, before: float, interval: float) -> bool:
    """Whether there is something older than `before` to cut, and the last cut is `interval` ago."""
    last = newest(connection, instance_id)
    if last is None:
        return False
    if newest_before(connection, instance_id, before, last.removed_through) is None:
        return False
    made_at = connection.execute(
        select(func.min(audit_checkpoints.c.at)).where(
            audit_checkpoints.c.instance_id == instance_id,
            audit_checkpoints.c.removed_through == last.removed_through,
        )
    ).scalar_one()
    return not last.removed_through or made_at <= last.at - interval


def newest_before(
    connection: Connection, instance_id: str, before: float, after_number: int
) -> Checkpoint | None:
    """The newest checkpoint older than `before` (Unix seconds), of those after `after_number`."""
    found = (
        select(audit_checkpoints)
        .where(
            audit_checkpoints.c.instance_id == instance_id,
            audit_checkpoints.c.at < before,
            audit_checkpoints.c.number > after_number,
        )
        .order_by(audit_checkpoints.c.number.desc())
        .limit(1)
    )
    row = connection.execute(found).mappings().first()
    return Checkpoint(**row) if row is not None else None


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


def _covered(connection: Connection, instance_id: str, writer_id: str, removed_through: int) -> int:
    covered = connection.execute(
        select(func.max(audit_heads.c.sequence)).where(
            audit_heads.c.instance_id == instance_id,
            audit_heads.c.writer_id == writer_id,
            audit_heads.c.checkpoint > removed_through,
        )
    ).scalar_one()
    return int(covered or 0)
