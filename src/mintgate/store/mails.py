"""The outbox of letters: what is still to be sent.

A letter is written in the transaction of its cause, and removed once a mail server has taken it or
nobody tries any more; see `outbox` for who sends it.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, insert, select

from mintgate.store import outbox
from mintgate.store.audit import AuditEvent
from mintgate.store.purging import BATCH
from mintgate.store.rows import from_row
from mintgate.store.tables import mails
from mintgate.store.transaction import Transaction


class StoredMail(msgspec.Struct, frozen=True, kw_only=True):
    """A letter; times in Unix seconds, `attempts` with the one that is going on.

    Args:
        user_id: whom it is for; empty when it is for nobody.
        sealed_content: address and text, for `mail_name` (see `sealing`).
        expires_at: from then on nobody needs it any more.
    """

    id: str
    kind: str
    user_id: str
    sealed_content: bytes
    created_at: float
    expires_at: float
    attempts: int = 0


def add(tx: Transaction, instance_id: str, mail: StoredMail) -> None:
    row = msgspec.structs.asdict(mail) | {"instance_id": instance_id, "due_at": tx.now}
    tx.connection.execute(insert(mails).values(row))


def next_due(connection: Connection, instance_id: str) -> float | None:
    """When the earliest letter is due or its lease ends; None when there is none."""
    return outbox.next_due(connection, mails, instance_id)


def claim(
    tx: Transaction, instance_id: str, *, claimant: str, lease: float, limit: int
) -> list[StoredMail]:
    """Take up to `limit` due letters for `lease` seconds.

    Args:
        claimant: a name that nobody else has; `done` and `put_off` ask for it.
    """
    rows = outbox.claim(tx, mails, instance_id, claimant=claimant, lease=lease, limit=limit)
    return [from_row(StoredMail, row) for row in rows]


def done(tx: Transaction, instance_id: str, mail_id: str, claimant: str) -> bool:
    """Remove a letter; False when its lease ended and another has it."""
    statement = delete(mails).where(*outbox.held(mails, instance_id, mail_id, claimant))
    return tx.connection.execute(statement).rowcount == 1


def put_off(tx: Transaction, instance_id: str, mail_id: str, claimant: str, until: float) -> bool:
    """Try again at `until`; False when another has it."""
    return outbox.put_off(tx, mails, instance_id, mail_id, claimant, until)


def remove_of_user(tx: Transaction, instance_id: str, user_id: str) -> None:
    tx.connection.execute(
        delete(mails).where(mails.c.instance_id == instance_id, mails.c.user_id == user_id)
    )


def forget_all(tx: Transaction, instance_id: str) -> None:
    """Send none of those that wait."""
    tx.connection.execute(delete(mails).where(mails.c.instance_id == instance_id))


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some that ended before `before` and were never sent, as no process sends mail."""
    ended = (mails.c.instance_id == instance_id, mails.c.expires_at < before)
    some = list(tx.connection.execute(select(mails.c.id).where(*ended).limit(BATCH)).scalars())
    removed = tx.connection.execute(
        delete(mails).where(*ended, mails.c.id.in_(some)).returning(mails.c.kind, mails.c.user_id)
    )
    found = removed.all()
    for row in found:
        if row.user_id:
            tx.record(failed(instance_id, tx.now, row.kind, row.user_id, "nobody sends mail"))
    return len(found)


def failed(instance_id: str, at: float, kind: str, user_id: str, cause: str) -> AuditEvent:
    """The event of a letter that nobody tries to send any more; `at` in Unix seconds."""
    return AuditEvent(
        instance_id=instance_id,
        at=at,
        event="mail.failed",
        subject_id=user_id,
        cause=cause,
        details={"kind": kind},
    )
