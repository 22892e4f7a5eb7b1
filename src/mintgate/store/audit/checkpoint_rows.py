"""Checkpoints and the heads that they list, as they are stored."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from mintgate.store.audit import rows
from mintgate.store.audit.chain import Head
from mintgate.store.audit.checkpoint import Checkpoint, CheckpointHead
from mintgate.store.tables import audit_checkpoints, audit_heads

PAGE = 500


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


def covered(connection: Connection, instance_id: str, removed_through: int) -> dict[str, int]:
    """Through which number the rows of each writer are covered by a checkpoint."""
    known = rows.known_writers(instance_id)
    table = audit_heads.c
    last = (
        select(func.max(table.sequence))
        .where(
            table.instance_id == instance_id,
            table.writer_id == known.c.id,
            table.checkpoint > removed_through,
        )
        .scalar_subquery()
    )
    found = connection.execute(select(known.c.id, last).where(known.c.id.is_not(None)))
    return {writer_id: sequence or 0 for writer_id, sequence in found}
