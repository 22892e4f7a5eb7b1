"""Refresh tokens: a family is one grant, its tokens follow each other by rotation (§7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Double,
    Exists,
    Select,
    bindparam,
    delete,
    exists,
    select,
    true,
    update,
)

from mintgate.store.authorizations import keeps_out
from mintgate.store.prepared import ManyRows, Prepared, from_columns, json_text
from mintgate.store.purging import BATCH, delete_some
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
    successor of the same token, made within its grace, was used before it [EXT-4];
    `user_is_kept_out`, which only `hold` looks at, that an authorization record closes the
    application to the user [TAP-30].
    """

    token_hash: str
    family: Family
    consumed_at: float | None
    successor_used: bool
    sibling_used: bool
    user_is_kept_out: bool = False


_FIELDS = Family.__struct_fields__
_FACTS = ("successor_used", "sibling_used", "user_is_kept_out")
_LISTS = frozenset({"scopes", "amr", "id_token_claims", "userinfo_claims"})
_NEW_FAMILIES = ManyRows("refresh_families", ("instance_id", *_FIELDS))
_NEW_TOKENS = ManyRows(
    "refresh_tokens", ("instance_id", "token_hash", "family_id", "parent_hash", "issued_at")
)
_INSTANCE: BindParameter[str] = bindparam("instance")
_TOKEN: BindParameter[str] = bindparam("token")


def _sibling_used() -> Exists:
    sibling = refresh_tokens.alias("sibling")
    return exists().where(
        sibling.c.instance_id == _INSTANCE,
        sibling.c.parent_hash == refresh_tokens.c.parent_hash,
        sibling.c.token_hash != _TOKEN,
        sibling.c.consumed_at.is_not(None),
    )


def _finding(*further: ColumnElement[bool]) -> Select[Any]:
    successor = refresh_tokens.alias("successor")
    successor_used = exists().where(
        successor.c.instance_id == _INSTANCE,
        successor.c.parent_hash == _TOKEN,
        successor.c.consumed_at.is_not(None),
    )
    family = refresh_families.c
    return (
        select(
            *(family[name] for name in _FIELDS),
            refresh_tokens.c.consumed_at,
            successor_used.label("successor_used"),
            _sibling_used().label("sibling_used"),
            *further,
        )
        .join(
            refresh_families,
            (family.instance_id == refresh_tokens.c.instance_id)
            & (family.id == refresh_tokens.c.family_id),
        )
        .where(refresh_tokens.c.instance_id == _INSTANCE, refresh_tokens.c.token_hash == _TOKEN)
    )


_FIND = Prepared(_finding())
_HOLD = Prepared(
    # FOR UPDATE is PostgreSQL's; SQLite is given nothing of it.
    _finding(
        keeps_out(
            _INSTANCE,
            refresh_families.c.application_id,
            refresh_families.c.user_id,
            bindparam("now", type_=Double()),
        ).label("user_is_kept_out")
    ).with_for_update(of=refresh_families)
)
_CONSUME = Prepared(
    update(refresh_tokens)
    .where(
        refresh_tokens.c.instance_id == _INSTANCE,
        refresh_tokens.c.token_hash == _TOKEN,
        refresh_tokens.c.consumed_at.is_(None),
        # Looked at again: PostgreSQL's `hold` may have waited, and tells what was before.
        ~_sibling_used(),
    )
    .values(consumed_at=bindparam("now"))
)


def start_family(tx: Transaction, instance_id: str, family: Family, token_hash: str) -> None:
    values = zip(_FIELDS, msgspec.structs.astuple(family), strict=True)
    row = [json_text(value) if name in _LISTS else value for name, value in values]
    tx.insert(_NEW_FAMILIES, [instance_id, *row])
    _add_token(tx, instance_id, family.id, token_hash, parent_hash=None)


def find(connection: Connection, instance_id: str, token_hash: str) -> StoredToken | None:
    """The token with this digest and its family, in one statement."""
    row = _FIND.first(connection, {"instance": instance_id, "token": token_hash})
    return _stored(token_hash, row) if row is not None else None


def hold(tx: Transaction, instance_id: str, token_hash: str) -> StoredToken | None:
    """The same, to be rotated in this transaction.

    The family's row is held on PostgreSQL until the commit, so that a revocation and a rotation
    come one after the other; SQLite has one writer anyway.
    """
    values = {"instance": instance_id, "token": token_hash, "now": tx.now}
    row = _HOLD.first(tx.direct, values)
    return _stored(token_hash, row) if row is not None else None


def _stored(token_hash: str, row: Sequence[Any]) -> StoredToken:
    consumed_at, *facts = row[len(_FIELDS) :]
    return StoredToken(
        token_hash=token_hash,
        family=from_columns(Family, _LISTS, row),
        consumed_at=consumed_at,
        **{name: bool(fact) for name, fact in zip(_FACTS, facts, strict=False)},
    )


def consume(tx: Transaction, instance_id: str, token_hash: str) -> bool:
    """Mark the token used; False when it, or a sibling, was used before.

    One conditional UPDATE decides races.
    """
    values = {"instance": instance_id, "token": token_hash, "now": tx.now}
    return _CONSUME.changed(tx.direct, values) == 1


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
    tx.insert(_NEW_TOKENS, (instance_id, token_hash, family_id, parent_hash, tx.now))
