"""Refresh tokens: a family is one grant, its tokens follow each other by rotation (§7)."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, true, update

from mintgate.store.purging import BATCH, delete_some
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import refresh_families, refresh_tokens
from mintgate.store.transaction import Transaction


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What all tokens of one grant share; times in Unix seconds, the expiry absolute [LIF-13]."""

    id: str
    application_id: str
    user_id: str
    sid: str
    scopes: tuple[str, ...]
    auth_time: int
    amr: tuple[str, ...]
    idp: str
    tid: str | None
    acr: str | None = None
    id_token_claims: tuple[str, ...] = ()
    userinfo_claims: tuple[str, ...] = ()
    created_at: float
    expires_at: float
    revoked_at: float | None = None


class StoredToken(msgspec.Struct, frozen=True, kw_only=True):
    """One refresh token of a family.

    `successor_used` means that it is not the last-but-one any more; `sibling_used` that another
    successor of the same token, made within its grace, was used before it [EXT-4].
    """

    token_hash: str
    family: Family
    consumed_at: float | None
    successor_used: bool
    sibling_used: bool


def start_family(tx: Transaction, instance_id: str, family: Family, token_hash: str) -> None:
    tx.connection.execute(
        insert(refresh_families).values(**to_row(family), instance_id=instance_id)
    )
    _add_token(tx, instance_id, family.id, token_hash, parent_hash=None)


def find(
    connection: Connection, instance_id: str, token_hash: str, *, lock: bool = False
) -> StoredToken | None:
    """The token with this digest and its family, in one statement.

    With `lock` the family's row is held on PostgreSQL until the commit, so that a revocation
    and a rotation come one after the other; SQLite has one writer anyway.
    """
    successor = refresh_tokens.alias("successor")
    successor_used = exists().where(
        successor.c.instance_id == instance_id,
        successor.c.parent_hash == token_hash,
        successor.c.consumed_at.is_not(None),
    )
    sibling = refresh_tokens.alias("sibling")
    sibling_used = exists().where(
        sibling.c.instance_id == instance_id,
        sibling.c.parent_hash == refresh_tokens.c.parent_hash,
        sibling.c.token_hash != token_hash,
        sibling.c.consumed_at.is_not(None),
    )
    statement = (
        select(
            refresh_families,
            refresh_tokens.c.consumed_at,
            successor_used.label("successor_used"),
            sibling_used.label("sibling_used"),
        )
        .join(
            refresh_families,
            (refresh_families.c.instance_id == refresh_tokens.c.instance_id)
            & (refresh_families.c.id == refresh_tokens.c.family_id),
        )
        .where(
            refresh_tokens.c.instance_id == instance_id,
            refresh_tokens.c.token_hash == token_hash,
        )
    )
    if lock and connection.dialect.name == "postgresql":
        statement = statement.with_for_update(of=refresh_families)
    row = connection.execute(statement).mappings().first()
    if row is None:
        return None
    return StoredToken(
        token_hash=token_hash,
        family=from_row(Family, row),
        consumed_at=row["consumed_at"],
        successor_used=bool(row["successor_used"]),
        sibling_used=bool(row["sibling_used"]),
    )


def consume(tx: Transaction, instance_id: str, token_hash: str) -> bool:
    """Mark the token used; False when it was used before. One conditional UPDATE decides races."""
    result = tx.connection.execute(
        update(refresh_tokens)
        .where(
            refresh_tokens.c.instance_id == instance_id,
            refresh_tokens.c.token_hash == token_hash,
            refresh_tokens.c.consumed_at.is_(None),
        )
        .values(consumed_at=tx.now)
    )
    return result.rowcount == 1


def add_successor(
    tx: Transaction, instance_id: str, family_id: str, token_hash: str, parent_hash: str
) -> None:
    _add_token(tx, instance_id, family_id, token_hash, parent_hash)


def revoke(tx: Transaction, instance_id: str, family_id: str, because: str) -> int:
    """End one family; returns how many were alive (0 or 1)."""
    return _revoke(tx, instance_id, refresh_families.c.id == family_id, because)


def revoke_of_session(tx: Transaction, instance_id: str, sid: str, because: str) -> int:
    return _revoke(tx, instance_id, refresh_families.c.sid == sid, because)


def revoke_of_user(tx: Transaction, instance_id: str, user_id: str, because: str) -> int:
    return _revoke(tx, instance_id, refresh_families.c.user_id == user_id, because)


def revoke_of_user_at(
    tx: Transaction, instance_id: str, user_id: str, application_id: str, because: str
) -> int:
    """Those that one user gave one application."""
    condition = refresh_families.c.user_id == user_id
    condition &= refresh_families.c.application_id == application_id
    return _revoke(tx, instance_id, condition, because)


def revoke_of_application(
    tx: Transaction, instance_id: str, application_id: str, because: str
) -> int:
    condition = refresh_families.c.application_id == application_id
    return _revoke(tx, instance_id, condition, because)


def revoke_all(tx: Transaction, instance_id: str, because: str) -> int:
    """Those of everybody."""
    return _revoke(tx, instance_id, true(), because)


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some families that ended before `before`, with their tokens; returns the families.

    A family may have hundreds of tokens, so its tokens go first, as many as one time allows.
    """
    some = (
        select(refresh_families.c.id)
        .where(refresh_families.c.instance_id == instance_id)
        .where(refresh_families.c.expires_at < before)
        .order_by(refresh_families.c.expires_at)
        .limit(BATCH)
    )
    ended = tx.connection.execute(some).scalars().all()
    if not ended:
        return 0
    theirs = (refresh_tokens.c.instance_id == instance_id) & refresh_tokens.c.family_id.in_(ended)
    if delete_some(tx.connection, refresh_tokens, theirs) == BATCH:
        return BATCH  # not done with them yet
    result = tx.connection.execute(
        delete(refresh_families).where(
            refresh_families.c.instance_id == instance_id, refresh_families.c.id.in_(ended)
        )
    )
    return result.rowcount


def _revoke(tx: Transaction, instance_id: str, condition: ColumnElement[bool], because: str) -> int:
    result = tx.connection.execute(
        update(refresh_families)
        .where(
            refresh_families.c.instance_id == instance_id,
            condition,
            refresh_families.c.revoked_at.is_(None),
        )
        .values(revoked_at=tx.now, revoked_because=because)
    )
    return result.rowcount


def _add_token(
    tx: Transaction, instance_id: str, family_id: str, token_hash: str, parent_hash: str | None
) -> None:
    tx.connection.execute(
        insert(refresh_tokens).values(
            instance_id=instance_id,
            token_hash=token_hash,
            family_id=family_id,
            parent_hash=parent_hash,
            issued_at=tx.now,
        )
    )
