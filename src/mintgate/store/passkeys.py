"""Passkeys (WebAuthn credentials), and the challenges that one is to sign.

Public keys are no secrets, so nothing of a passkey is sealed.
"""

from __future__ import annotations

import hashlib

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from mintgate.store import second_factors
from mintgate.store.purging import delete_some
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import passkey_challenges, passkeys
from mintgate.store.transaction import Transaction


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey as it was registered; times in Unix seconds.

    Args:
        credential_id: as the authenticator names it.
        public_key: in COSE form.
        sign_count: the last one told; 0 when the authenticator does not count.
        transports: how a browser reaches it, as it said.
        name: what its owner calls it.
        backup_eligible: whether the key may be copied to other devices.
        backed_up: whether it was, at the last use.
    """

    id: str
    user_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    name: str
    backup_eligible: bool
    backed_up: bool
    created_at: float
    last_used_at: float | None = None


def add(tx: Transaction, instance_id: str, passkey: Passkey) -> None:
    """Register one; the caller has asked `by_credential` under `second_factors.lock`."""
    tx.connection.execute(
        insert(passkeys).values(
            **to_row(passkey),
            instance_id=instance_id,
            credential_hash=_digest(passkey.credential_id),
        )
    )
    second_factors.changed(tx, instance_id, passkey.user_id)


def by_credential(connection: Connection, instance_id: str, credential_id: bytes) -> Passkey | None:
    statement = select(passkeys).where(
        passkeys.c.instance_id == instance_id,
        passkeys.c.credential_hash == _digest(credential_id),
    )
    row = connection.execute(statement).mappings().first()
    return from_row(Passkey, row) if row else None


def of_user(connection: Connection, instance_id: str, user_id: str) -> list[Passkey]:
    """The person's passkeys, oldest first."""
    statement = (
        select(passkeys)
        .where(passkeys.c.instance_id == instance_id, passkeys.c.user_id == user_id)
        .order_by(passkeys.c.created_at, passkeys.c.id)
    )
    return [from_row(Passkey, row) for row in connection.execute(statement).mappings()]


def note_use(
    tx: Transaction, instance_id: str, passkey_id: str, sign_count: int, *, backed_up: bool
) -> bool:
    """Note a use; False when the passkey is gone, or a later count was told (WebAuthn §6.1.1).

    One statement decides, so that a copy that counts on by itself is found out by one of the two.
    """
    stored = passkeys.c.sign_count
    counts_on = stored < sign_count if sign_count else stored == 0  # 0: it does not count
    result = tx.connection.execute(
        update(passkeys)
        .where(_is(instance_id, passkey_id), counts_on)
        .values(sign_count=sign_count, backed_up=backed_up, last_used_at=tx.now)
    )
    return result.rowcount == 1


def hold(tx: Transaction, instance_id: str, passkey_id: str) -> bool:
    """Whether it is there; if so, who removes it waits until this is committed."""
    statement = select(passkeys.c.id).where(_is(instance_id, passkey_id))
    if tx.connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        statement = statement.with_for_update(read=True)
    return tx.connection.execute(statement).first() is not None


def rename(tx: Transaction, instance_id: str, user_id: str, passkey_id: str, name: str) -> bool:
    """False when the person has no such passkey."""
    result = tx.connection.execute(
        update(passkeys)
        .where(_is(instance_id, passkey_id), passkeys.c.user_id == user_id)
        .values(name=name)
    )
    return result.rowcount == 1


def remove(tx: Transaction, instance_id: str, user_id: str, passkey_id: str) -> bool:
    """False when the person has no such passkey."""
    result = tx.connection.execute(
        delete(passkeys).where(_is(instance_id, passkey_id), passkeys.c.user_id == user_id)
    )
    if result.rowcount == 1:
        second_factors.changed(tx, instance_id, user_id)
    return result.rowcount == 1


def open_challenge(
    tx: Transaction, instance_id: str, digest: str, *, purpose: str, bound_to: str, until: float
) -> None:
    """Keep the digest of a challenge.

    Args:
        purpose: at most 16 characters.
        bound_to: the interaction or sign-in that it is for, at most 64 characters.
        until: Unix seconds.
    """
    tx.connection.execute(
        insert(passkey_challenges).values(
            instance_id=instance_id,
            challenge_hash=digest,
            purpose=purpose,
            bound_to=bound_to,
            expires_at=until,
        )
    )


def use_challenge(
    tx: Transaction, instance_id: str, digest: str, *, purpose: str, bound_to: str
) -> bool:
    """End a challenge; False unless it was there for exactly this, and not over."""
    result = tx.connection.execute(
        delete(passkey_challenges).where(
            passkey_challenges.c.instance_id == instance_id,
            passkey_challenges.c.challenge_hash == digest,
            passkey_challenges.c.purpose == purpose,
            passkey_challenges.c.bound_to == bound_to,
            passkey_challenges.c.expires_at > tx.now,
        )
    )
    return result.rowcount == 1


def purge_challenges(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some challenges that ended before `before`; returns how many."""
    table = passkey_challenges
    ended = (table.c.instance_id == instance_id) & (table.c.expires_at < before)
    return delete_some(tx.connection, table, ended, first=table.c.expires_at)


def _digest(credential_id: bytes) -> str:
    return hashlib.sha256(credential_id).hexdigest().upper()


def _is(instance_id: str, passkey_id: str) -> ColumnElement[bool]:
    return (passkeys.c.instance_id == instance_id) & (passkeys.c.id == passkey_id)
