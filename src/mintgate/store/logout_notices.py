"""The outbox of back-channel logout: who is still to be told of which ended session [EXT-3].

A notice is written in the transaction that ends the session, and removed once the application
has taken it or nobody tries any more. Claiming one moves its `due_at` to the end of a lease, so
that a process that dies loses nothing, and no two deliver the same notice at a time.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from mintgate.contract.identifiers import new_guid
from mintgate.store.rows import from_row
from mintgate.store.tables import logout_notices
from mintgate.store.transaction import Transaction


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell; times in Unix seconds, `attempts` with the one that is going on."""

    id: str
    application_id: str
    sid: str
    sub: str | None
    created_at: float
    attempts: int


def add(
    tx: Transaction, instance_id: str, *, application_id: str, sid: str, sub: str | None
) -> None:
    tx.connection.execute(
        insert(logout_notices).values(
            instance_id=instance_id,
            id=new_guid(),
            application_id=application_id,
            sid=sid,
            sub=sub,
            created_at=tx.now,
            attempts=0,
            due_at=tx.now,
        )
    )


def next_due(connection: Connection, instance_id: str) -> float | None:
    """When the earliest notice is due or its lease ends; None when there is none."""
    statement = select(func.min(logout_notices.c.due_at)).where(
        logout_notices.c.instance_id == instance_id
    )
    due: float | None = connection.execute(statement).scalar_one()
    return due


def claim(
    tx: Transaction,
    instance_id: str,
    *,
    claimant: str,
    lease: float,
    limit: int,
    without: Collection[str] = (),
) -> list[Notice]:
    """Take up to `limit` due notices for `lease` seconds.

    Args:
        claimant: a name that nobody else has; `done` and `put_off` ask for it.
        without: ids of applications that are left alone for now.
    """
    due = (logout_notices.c.instance_id == instance_id, logout_notices.c.due_at <= tx.now)
    ids = tx.connection.execute(
        select(logout_notices.c.id)
        .where(*due, logout_notices.c.application_id.not_in(without))
        .order_by(logout_notices.c.due_at)
        .limit(limit)
    ).scalars()
    claimed = []
    for notice_id in list(ids):
        # The condition decides between processes: the loser finds `due_at` moved.
        row = (
            tx.connection.execute(
                update(logout_notices)
                .where(*due, logout_notices.c.id == notice_id)
                .values(
                    claimed_by=claimant,
                    due_at=tx.now + lease,
                    attempts=logout_notices.c.attempts + 1,
                )
                .returning(logout_notices)
            )
            .mappings()
            .first()
        )
        if row is not None:
            claimed.append(from_row(Notice, row))
    return claimed


def done(tx: Transaction, instance_id: str, notice_id: str, claimant: str) -> bool:
    """Remove a notice; False when its lease ended and another has it."""
    result = tx.connection.execute(
        delete(logout_notices).where(*_claimed(instance_id, notice_id, claimant))
    )
    return result.rowcount == 1


def put_off(tx: Transaction, instance_id: str, notice_id: str, claimant: str, until: float) -> bool:
    """Try again at `until`; False when another has it."""
    result = tx.connection.execute(
        update(logout_notices)
        .where(*_claimed(instance_id, notice_id, claimant))
        .values(due_at=until, claimed_by=None)
    )
    return result.rowcount == 1


def _claimed(instance_id: str, notice_id: str, claimant: str) -> tuple[ColumnElement[bool], ...]:
    return (
        logout_notices.c.instance_id == instance_id,
        logout_notices.c.id == notice_id,
        logout_notices.c.claimed_by == claimant,
    )
