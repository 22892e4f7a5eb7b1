"""What every outbox table has in common: due rows, claimed for a lease, put off or held.

A row that waits has `due_at`. Claiming it moves that to the end of a lease, so that a process that
dies loses nothing, and no two deliver the same row at a time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, func, select, update

from mintgate.store.transaction import Transaction


def next_due(connection: Connection, table: Table, instance_id: str) -> float | None:
    """When the earliest row is due or its lease ends; None when there is none."""
    statement = select(func.min(table.c.due_at)).where(table.c.instance_id == instance_id)
    due: float | None = connection.execute(statement).scalar_one()
    return due


def claim(
    tx: Transaction,
    table: Table,
    instance_id: str,
    *conditions: ColumnElement[bool],
    claimant: str,
    lease: float,
    limit: int,
) -> list[RowMapping]:
    """Take up to `limit` due rows that meet `conditions` for `lease` seconds.

    Args:
        claimant: a name that nobody else has; see `held`.

    Returns:
        The rows, with `attempts` counting the one that begins.
    """
    due = (table.c.instance_id == instance_id, table.c.due_at <= tx.now)
    ids = tx.connection.execute(
        select(table.c.id).where(*due, *conditions).order_by(table.c.due_at).limit(limit)
    ).scalars()
    claimed = []
    for row_id in list(ids):
        # The condition decides between processes: the loser finds `due_at` moved.
        row = (
            tx.connection.execute(
                update(table)
                .where(*due, table.c.id == row_id)
                .values(claimed_by=claimant, due_at=tx.now + lease, attempts=table.c.attempts + 1)
                .returning(table)
            )
            .mappings()
            .first()
        )
        if row is not None:
            claimed.append(row)
    return claimed


def held(
    table: Table, instance_id: str, row_id: str, claimant: str
) -> tuple[ColumnElement[bool], ...]:
    """That a row is still this claimant's: its lease did not end and give it to another."""
    return (
        table.c.instance_id == instance_id,
        table.c.id == row_id,
        table.c.claimed_by == claimant,
    )


def put_off(
    tx: Transaction,
    table: Table,
    instance_id: str,
    row_id: str,
    claimant: str,
    until: float,
    **noted: Any,
) -> bool:
    """Try again at `until` (Unix seconds); False when another has it.

    Args:
        noted: further columns to set.
    """
    result = tx.connection.execute(
        update(table)
        .where(*held(table, instance_id, row_id, claimant))
        .values(due_at=until, claimed_by=None, **noted)
    )
    return result.rowcount == 1
