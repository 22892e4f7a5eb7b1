"""Secrets of authenticator apps that no code has been shown for yet.

Each belongs to the sign-in where it was made, and is nowhere shown but there: a secret that two
could see would be a second factor of both.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from mintgate.store.purging import delete_some
from mintgate.store.tables import totp_offers
from mintgate.store.transaction import Transaction

_columns = totp_offers.c


def put(
    tx: Transaction, instance_id: str, user_id: str, *, bound_to: str, sealed: bytes, until: float
) -> None:
    """Keep a secret; the one that the same sign-in had before gives way.

    Args:
        bound_to: the sign-in that it is for, at most 64 characters.
        until: Unix seconds.
    """
    tx.connection.execute(delete(totp_offers).where(_is(instance_id, user_id, bound_to)))
    tx.connection.execute(
        insert(totp_offers).values(
            instance_id=instance_id,
            user_id=user_id,
            bound_to=bound_to,
            sealed_secret=sealed,
            expires_at=until,
        )
    )


def find(
    connection: Connection, instance_id: str, user_id: str, *, bound_to: str, now: float
) -> bytes | None:
    """The sealed secret of this sign-in, if its time is not over at `now` (Unix seconds)."""
    statement = select(_columns.sealed_secret).where(
        _is(instance_id, user_id, bound_to), _columns.expires_at > now
    )
    return connection.execute(statement).scalar_one_or_none()


def take(tx: Transaction, instance_id: str, user_id: str, *, bound_to: str, sealed: bytes) -> bool:
    """End a secret, as its app begins to count; False when it is another one by now, or over."""
    result = tx.connection.execute(
        delete(totp_offers).where(
            _is(instance_id, user_id, bound_to),
            _columns.sealed_secret == sealed,
            _columns.expires_at > tx.now,
        )
    )
    return result.rowcount == 1


def end_of_user(tx: Transaction, instance_id: str, user_id: str) -> None:
    """No app that was begun before can be confirmed any more."""
    tx.connection.execute(
        delete(totp_offers).where(_columns.instance_id == instance_id, _columns.user_id == user_id)
    )


def end_all(tx: Transaction, instance_id: str) -> None:
    """The same for everybody."""
    tx.connection.execute(delete(totp_offers).where(_columns.instance_id == instance_id))


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some that ended before `before`; returns how many."""
    ended = (_columns.instance_id == instance_id) & (_columns.expires_at < before)
    return delete_some(tx.connection, totp_offers, ended, first=_columns.expires_at)


def _is(instance_id: str, user_id: str, bound_to: str) -> ColumnElement[bool]:
    return (
        (_columns.instance_id == instance_id)
        & (_columns.user_id == user_id)
        & (_columns.bound_to == bound_to)
    )
