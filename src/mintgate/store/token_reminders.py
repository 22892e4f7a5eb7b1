"""Telling the owners of reference tokens that these end soon; once for each moment."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, and_, select, update

from mintgate.contract.reminders import days_left, next_reminder
from mintgate.store.audit import AuditEvent
from mintgate.store.tables import applications, reference_tokens, users
from mintgate.store.transaction import Transaction

AT_ONCE = 50
"""Tokens of one transaction, so that no request waits long for the writer."""


def remind(tx: Transaction, instance_id: str) -> bool:
    """Record an event for each token of which it is due to be told.

    Returns:
        Whether there may be more.
    """
    found = _due(tx.connection, instance_id, tx.now)
    for row in found:
        # Another process may be at it: whoever moves the moment on tells of it.
        moved = tx.connection.execute(
            update(reference_tokens)
            .where(
                reference_tokens.c.instance_id == instance_id,
                reference_tokens.c.token_key == row.token_key,
                reference_tokens.c.remind_at == row.remind_at,
            )
            .values(remind_at=next_reminder(row.expires_at, tx.now))
        )
        if moved.rowcount and row.expires_at > tx.now:
            tx.record(_event(tx, instance_id, row))
    return len(found) == AT_ONCE


def due_statement(instance_id: str, now: float) -> Select[Any]:
    """The tokens to tell of now, by the index on `remind_at`, however many tokens there are."""
    here = reference_tokens.c.instance_id == instance_id
    same_user = and_(users.c.instance_id == instance_id, users.c.id == reference_tokens.c.user_id)
    same_application = and_(
        applications.c.instance_id == instance_id,
        applications.c.id == reference_tokens.c.application_id,
    )
    return (
        select(
            reference_tokens.c.token_key,
            reference_tokens.c.kind,
            reference_tokens.c.jti,
            reference_tokens.c.user_id,
            reference_tokens.c.expires_at,
            reference_tokens.c.remind_at,
            users.c.login,
            applications.c.application_uri,
        )
        .join(users, same_user, isouter=True)
        .join(applications, same_application, isouter=True)
        .where(here, reference_tokens.c.remind_at <= now)
        .order_by(reference_tokens.c.remind_at)
        .limit(AT_ONCE)
    )


def _due(connection: Connection, instance_id: str, now: float) -> list[Row[Any]]:
    return list(connection.execute(due_statement(instance_id, now)))


def _event(tx: Transaction, instance_id: str, row: Row[Any]) -> AuditEvent:
    return AuditEvent(
        instance_id=instance_id,
        at=tx.now,
        event="reference_token.expiring",
        actor=row.login,
        actor_id=row.user_id if row.login else None,
        application=row.application_uri,
        jti=row.jti,
        details={
            "kind": row.kind,
            "expires_at": row.expires_at,
            "days_left": days_left(row.expires_at, tx.now),
        },
    )
