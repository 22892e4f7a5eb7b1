"""Reference tokens at rest: a digest and what it stands for [REF-4, REF-5]."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, true, update

from mintgate.contract.feed import ChangedReference
from mintgate.contract.reminders import SOON, next_reminder
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import reference_tokens
from mintgate.store.transaction import Transaction


class ReferenceToken(msgspec.Struct, frozen=True, kw_only=True):
    """A personal (PAT) or service (SAT) token; times in Unix seconds.

    `user_id` is the person of a PAT and None for a SAT, which acts as the application's system
    user of the moment [REF-37]; `sid` and `jti` are fixed for the record [TOK-25, TOK-29].
    """

    id: str
    token_key: str
    kind: str
    application_id: str
    user_id: str | None
    scopes: tuple[str, ...]
    description: str | None
    jti: str
    sid: str | None
    created_by: str
    created_at: float
    expires_at: float
    last_used_at: float | None = None
    revoked_at: float | None = None
    revoked_by: str | None = None

    def is_live(self, now: float) -> bool:
        return self.revoked_at is None and now < self.expires_at


def add(tx: Transaction, instance_id: str, token: ReferenceToken) -> None:
    remind_at = next_reminder(token.expires_at, tx.now)
    tx.connection.execute(
        insert(reference_tokens).values(
            **to_row(token), instance_id=instance_id, remind_at=remind_at
        )
    )


def by_key(connection: Connection, instance_id: str, token_key: str) -> ReferenceToken | None:
    return _one(
        connection,
        (reference_tokens.c.instance_id == instance_id)
        & (reference_tokens.c.token_key == token_key),
    )


def by_id(connection: Connection, instance_id: str, token_id: str) -> ReferenceToken | None:
    return _one(
        connection,
        (reference_tokens.c.instance_id == instance_id) & (reference_tokens.c.id == token_id),
    )


def of_user(connection: Connection, instance_id: str, user_id: str) -> list[ReferenceToken]:
    """The personal tokens of a user, newest first [PRF-3]."""
    return _many(connection, instance_id, reference_tokens.c.user_id == user_id)


def ending_soon(
    connection: Connection, instance_id: str, user_id: str, now: float
) -> list[ReferenceToken]:
    """The live personal tokens of a user that end within 30 days, the first to end first."""
    found = _many(
        connection,
        instance_id,
        (reference_tokens.c.user_id == user_id)
        & reference_tokens.c.revoked_at.is_(None)
        & (reference_tokens.c.expires_at > now)
        & (reference_tokens.c.expires_at <= now + SOON),
    )
    return sorted(found, key=lambda token: token.expires_at)


def of_application(
    connection: Connection, instance_id: str, application_id: str
) -> list[ReferenceToken]:
    """Every token of an application, newest first [IMG-3]."""
    return _many(connection, instance_id, reference_tokens.c.application_id == application_id)


def live(connection: Connection, instance_id: str, now: float) -> list[ReferenceToken]:
    """Every token that can be used at `now` (Unix seconds), newest first."""
    alive = reference_tokens.c.revoked_at.is_(None) & (reference_tokens.c.expires_at > now)
    return _many(connection, instance_id, alive)


def revoke_all(tx: Transaction, instance_id: str, by: str | None) -> int:
    """End every token of an instance; returns how many were not revoked before."""
    return _revoke(tx, instance_id, true(), by)


def revoke(tx: Transaction, instance_id: str, token_id: str, by: str | None) -> bool:
    """End a token at once [REF-51]; False when it had ended before."""
    return _revoke(tx, instance_id, reference_tokens.c.id == token_id, by) == 1


def by_jti(connection: Connection, instance_id: str, jti: str) -> ReferenceToken | None:
    return _one(
        connection,
        (reference_tokens.c.instance_id == instance_id) & (reference_tokens.c.jti == jti),
    )


def revoke_of_application(
    tx: Transaction, instance_id: str, application_id: str, by: str | None
) -> int:
    """[TAP-33]"""
    return _revoke(tx, instance_id, reference_tokens.c.application_id == application_id, by)


def revoke_of_user(tx: Transaction, instance_id: str, user_id: str, by: str | None) -> int:
    """End every personal token of a user; returns how many were alive."""
    return _revoke(tx, instance_id, reference_tokens.c.user_id == user_id, by)


def touch(tx: Transaction, instance_id: str, used: Mapping[str, float]) -> None:
    """Note when tokens were last used, many at once: `jti` → Unix seconds [REF-38]."""
    statement = (
        update(reference_tokens)
        .where(
            reference_tokens.c.instance_id == instance_id,
            reference_tokens.c.jti == bindparam("used_jti"),
        )
        .values(last_used_at=bindparam("at"))
    )
    tx.connection.execute(statement, [{"used_jti": jti, "at": at} for jti, at in used.items()])


def _revoke(
    tx: Transaction, instance_id: str, condition: ColumnElement[bool], by: str | None
) -> int:
    rows = tx.connection.execute(
        update(reference_tokens)
        .where(
            reference_tokens.c.instance_id == instance_id,
            condition,
            reference_tokens.c.revoked_at.is_(None),
        )
        .values(revoked_at=tx.now, revoked_by=by, remind_at=None)
        .returning(reference_tokens.c.token_key, reference_tokens.c.jti)
    ).all()
    for row in rows:
        tx.changed(instance_id, row.token_key, ChangedReference(jti=row.jti))
    return len(rows)


def _one(connection: Connection, condition: ColumnElement[bool]) -> ReferenceToken | None:
    statement = select(reference_tokens).where(condition)
    row = connection.execute(statement).mappings().first()
    return from_row(ReferenceToken, row) if row else None


def _many(
    connection: Connection, instance_id: str, condition: ColumnElement[bool]
) -> list[ReferenceToken]:
    rows = connection.execute(
        select(reference_tokens)
        .where(reference_tokens.c.instance_id == instance_id, condition)
        .order_by(reference_tokens.c.created_at.desc(), reference_tokens.c.id)
    ).mappings()
    return [from_row(ReferenceToken, row) for row in rows]
