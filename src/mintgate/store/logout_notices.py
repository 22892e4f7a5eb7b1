"""The outbox of back-channel logout: who is still to be told of which ended session [EXT-3].

A notice is written in the transaction that ends the session, and removed once the application
has taken it or nobody tries any more; see `outbox` for who delivers it.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, delete, insert

from mintgate.contract.identifiers import new_guid
from mintgate.store import outbox
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
    return outbox.next_due(connection, logout_notices, instance_id)


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
    rows = outbox.claim(
        tx,
        logout_notices,
        instance_id,
        logout_notices.c.application_id.not_in(without),
        claimant=claimant,
        lease=lease,
        limit=limit,
    )
    return [from_row(Notice, row) for row in rows]


def done(tx: Transaction, instance_id: str, notice_id: str, claimant: str) -> bool:
    """Remove a notice; False when its lease ended and another has it."""
    held = outbox.held(logout_notices, instance_id, notice_id, claimant)
    return tx.connection.execute(delete(logout_notices).where(*held)).rowcount == 1


def put_off(tx: Transaction, instance_id: str, notice_id: str, claimant: str, until: float) -> bool:
    """Try again at `until`; False when another has it."""
    return outbox.put_off(tx, logout_notices, instance_id, notice_id, claimant, until)
