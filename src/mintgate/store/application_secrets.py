"""When an application's secrets were made, and telling of those that end soon [EXT-10]."""

from __future__ import annotations

from sqlalchemy import Column, select, update

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.reminders import days_left, next_reminder
from mintgate.store.audit import AuditEvent
from mintgate.store.tables import applications
from mintgate.store.transaction import Transaction


def secret_times(
    application: TrustedApplication, stored: TrustedApplication | None, now: float
) -> dict[str, float | None]:
    """The columns that follow from which secrets a record gets.

    A secret keeps the moment at which it was made, also when it becomes the second one.
    """
    known = {}
    if stored is not None:
        known[stored.application_secret_hash] = stored.application_secret_made_utc
        known.setdefault(stored.second_secret_hash, stored.second_secret_made_utc)
    first, second = application.application_secret_hash, application.second_secret_hash
    times: dict[str, float | None] = {
        "application_secret_made_utc": known.get(first, int(now)) if first else None,
        "second_secret_made_utc": known.get(second, int(now)) if second else None,
    }
    ends = application.application_secret_end_utc, application.second_secret_end_utc
    old = (
        (None, None)
        if stored is None
        else (stored.application_secret_end_utc, stored.second_secret_end_utc)
    )
    for prefix, end, before in zip(("application", "second"), ends, old, strict=True):
        if end != before:  # else what was told is not told again
            times[f"{prefix}_secret_remind_at"] = next_reminder(end, now)
    return times


def remind(tx: Transaction, instance_id: str) -> int:
    """Record an event for each secret of which it is due to be told; returns how many."""
    return _remind(
        tx,
        instance_id,
        "first",
        applications.c.application_secret_end_utc,
        applications.c.application_secret_remind_at,
    ) + _remind(
        tx,
        instance_id,
        "second",
        applications.c.second_secret_end_utc,
        applications.c.second_secret_remind_at,
    )


def _remind(
    tx: Transaction,
    instance_id: str,
    which: str,
    end: Column[int],
    remind_at: Column[float],
) -> int:
    here = applications.c.instance_id == instance_id
    due = tx.connection.execute(
        select(
            applications.c.id,
            applications.c.application_uri,
            end.label("ends_at"),
            remind_at.label("remind_at"),
        ).where(here, remind_at <= tx.now)
    ).all()
    told = 0
    for row in due:
        # Another process may be at it: whoever moves the moment on tells of it.
        moved = tx.connection.execute(
            update(applications)
            .where(here, applications.c.id == row.id, remind_at == row.remind_at)
            .values({remind_at: next_reminder(row.ends_at, tx.now)})
        )
        if moved.rowcount and row.ends_at is not None and row.ends_at > tx.now:
            told += 1
            tx.record(
                AuditEvent(
                    instance_id=instance_id,
                    at=tx.now,
                    event="application_secret.expiring",
                    application=row.application_uri,
                    details={
                        "secret": which,
                        "expires_at": row.ends_at,
                        "days_left": days_left(row.ends_at, tx.now),
                    },
                )
            )
    return told
