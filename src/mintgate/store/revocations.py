"""What ends access tokens before their time [LIF-18].

A deny-list by `jti`, kept until each token's own end [REV-4]; and for a user or an application a
time before which nothing that was issued counts any more.
"""

from __future__ import annotations

import hashlib
import math

from sqlalchemy import Connection, select

from mintgate.contract.feed import RestoredInstance, RevokedToken
from mintgate.contract.key_life import LONGEST_TOKEN
from mintgate.contract.lifetimes import CLOCK_ERROR, not_before_of
from mintgate.store.conflicts import insert_into
from mintgate.store.purging import delete_some
from mintgate.store.tables import revoked_before, revoked_tokens
from mintgate.store.transaction import Transaction


def add(tx: Transaction, instance_id: str, jti: str, expires_at: float) -> None:
    """Revoke a token; revoking it again changes nothing."""
    row = {"instance_id": instance_id, "jti": jti, "expires_at": expires_at}
    result = tx.connection.execute(
        insert_into(tx, revoked_tokens).values(row).on_conflict_do_nothing()
    )
    if result.rowcount:
        tx.changed(instance_id, jti, RevokedToken(jti=jti, exp=math.ceil(expires_at)))


def add_before(tx: Transaction, instance_id: str, subject: str) -> None:
    """Revoke every access token that a user or an application (by id) has now.

    Call it last: who redeems or refreshes meanwhile is waited for by what ends codes and refresh
    tokens, and may have issued a token after this transaction began.
    """
    row = {
        "instance_id": instance_id,
        "subject": subject,
        "not_before": not_before_of(tx.later()),
    }
    statement = insert_into(tx, revoked_before).values(row)
    tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["instance_id", "subject"],
            set_={"not_before": statement.excluded.not_before},
        )
    )


def add_before_all(tx: Transaction, instance_id: str) -> None:
    """Revoke every JWT that an instance has issued until now, but no reference token.

    After a restore: what was ended one by one since the backup is not known any more.
    """
    add_before(tx, instance_id, instance_id)
    ended = not_before(tx.connection, instance_id, instance_id)
    assert ended is not None  # noqa: S101 - told to the type checker
    tx.changed(instance_id, instance_id, RestoredInstance(not_before=ended))


def end_name(tx: Transaction, instance_id: str, client_id: str) -> None:
    """No application has this `client_id` any more: its tokens must not count for another one."""
    add_before(tx, instance_id, _of_name(client_id))


def inherit_end(tx: Transaction, instance_id: str, client_id: str, application_id: str) -> None:
    """An application gets a `client_id` that another one may have had until a moment ago."""
    if not_before(tx.connection, instance_id, _of_name(client_id)) is not None:
        add_before(tx, instance_id, application_id)


def _of_name(client_id: str) -> str:
    return hashlib.sha256(client_id.encode()).hexdigest()[:36]


def not_before(connection: Connection, instance_id: str, subject: str) -> int | None:
    """The `iat` (Unix seconds) before which the tokens of a user or an application are revoked."""
    statement = select(revoked_before.c.not_before).where(
        revoked_before.c.instance_id == instance_id, revoked_before.c.subject == subject
    )
    found: int | None = connection.execute(statement).scalar_one_or_none()
    return found


def all_not_before(connection: Connection, instance_id: str) -> dict[str, int]:
    """Every such time of an instance, by the id of its user or application, or its own."""
    rows = connection.execute(
        select(revoked_before).where(revoked_before.c.instance_id == instance_id)
    )
    return {row.subject: row.not_before for row in rows}


def is_revoked(connection: Connection, instance_id: str, jti: str) -> bool:
    statement = select(revoked_tokens.c.jti).where(
        revoked_tokens.c.instance_id == instance_id, revoked_tokens.c.jti == jti
    )
    return connection.execute(statement).first() is not None


def live(connection: Connection, instance_id: str, now: float) -> dict[str, float]:
    """Revoked tokens that have not ended by themselves: `jti` → Unix time of their end.

    Nor by a clock that is right where ours is fast: ours may be set right at any moment.
    """
    rows = connection.execute(
        select(revoked_tokens.c.jti, revoked_tokens.c.expires_at).where(
            revoked_tokens.c.instance_id == instance_id,
            revoked_tokens.c.expires_at > now - CLOCK_ERROR,
        )
    )
    return {row.jti: row.expires_at for row in rows}


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some entries whose token ended before `before`; returns how many."""
    ended = (revoked_tokens.c.instance_id == instance_id) & (revoked_tokens.c.expires_at < before)
    removed = delete_some(tx.connection, revoked_tokens, ended, first=revoked_tokens.c.expires_at)
    # Of a time that long ago no token is left.
    # A whole number, as the column is: for a fraction PostgreSQL would read all rows.
    long_ago = (revoked_before.c.instance_id == instance_id) & (
        revoked_before.c.not_before < int(before - LONGEST_TOKEN)
    )
    return removed + delete_some(
        tx.connection, revoked_before, long_ago, first=revoked_before.c.not_before
    )
