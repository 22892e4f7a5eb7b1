"""The deny-list of access tokens by `jti`, kept until each token's own end [REV-4]."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from mintgate.store.tables import revoked_tokens
from mintgate.store.transaction import Transaction


def add(tx: Transaction, instance_id: str, jti: str, expires_at: float) -> None:
    """Revoke a token; revoking it again changes nothing."""
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    row = {"instance_id": instance_id, "jti": jti, "expires_at": expires_at}
    result = tx.connection.execute(
        dialect.insert(revoked_tokens).values(row).on_conflict_do_nothing()
    )
    if result.rowcount:
        tx.changed(instance_id, "jti", jti)


def is_revoked(connection: Connection, instance_id: str, jti: str) -> bool:
    statement = select(revoked_tokens.c.jti).where(
        revoked_tokens.c.instance_id == instance_id, revoked_tokens.c.jti == jti
    )
    return connection.execute(statement).first() is not None


def live(connection: Connection, instance_id: str, now: float) -> dict[str, float]:
    """Revoked tokens that have not ended by themselves: `jti` → Unix time of their end."""
    rows = connection.execute(
        select(revoked_tokens.c.jti, revoked_tokens.c.expires_at).where(
            revoked_tokens.c.instance_id == instance_id, revoked_tokens.c.expires_at > now
        )
    )
    return {row.jti: row.expires_at for row in rows}


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove entries whose token ended before `before`; returns how many."""
    result = tx.connection.execute(
        delete(revoked_tokens).where(
            revoked_tokens.c.instance_id == instance_id, revoked_tokens.c.expires_at < before
        )
    )
    return result.rowcount
