"""What userinfo tells beside the scopes, by access token [EXT-15].

It stands in a row, because an access token has no claim for it [TOK-12]. Only tokens whose
request asked for single claims have a row.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from mintgate.store.purging import delete_some
from mintgate.store.tables import userinfo_requests
from mintgate.store.transaction import Transaction


def add(
    tx: Transaction, instance_id: str, jti: str, claims: tuple[str, ...], expires_at: float
) -> None:
    """Remember the names of claims for a token that ends at `expires_at` (Unix seconds)."""
    tx.connection.execute(
        insert(userinfo_requests).values(
            instance_id=instance_id, jti=jti, claims=claims, expires_at=expires_at
        )
    )


def claims_of(connection: Connection, instance_id: str, jti: str) -> tuple[str, ...]:
    """The names that were asked for; empty for most tokens."""
    statement = select(userinfo_requests.c.claims).where(
        userinfo_requests.c.instance_id == instance_id, userinfo_requests.c.jti == jti
    )
    return tuple(connection.execute(statement).scalar_one_or_none() or ())


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some of tokens that ended before `before`; returns how many."""
    ended = (userinfo_requests.c.instance_id == instance_id) & (
        userinfo_requests.c.expires_at < before
    )
    return delete_some(
        tx.connection, userinfo_requests, ended, first=userinfo_requests.c.expires_at
    )
