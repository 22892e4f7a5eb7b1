"""Everything that the key-encryption key seals, and sealing all of it with another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Row, Table, and_, select, update

from mintgate.store import instances
from mintgate.store.key_encryption import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.tables import (
    audit_keys,
    idempotency_keys,
    lifecycle_events,
    mails,
    marketplace_keys,
    second_factors,
    signing_keys,
    totp_offers,
)
from mintgate.store.transaction import Transaction


class SealedColumn(NamedTuple):
    """A column of sealed values; `name_of` says what a row's value is bound to.

    What `is_passing` is gone in a day: a value of it that opens no more stands in nobody's way.
    """

    table: Table
    column: Column[bytes]
    name_of: Callable[[Row[Any]], bytes]
    is_passing: bool = False


def signing_key_name(instance_id: str, kid: str) -> bytes:
    """What a signing key is sealed under."""
    return f"{instance_id}/{kid}".encode()


def audit_key_name(instance_id: str, public_key: str) -> bytes:
    """What a key that signs audit checkpoints is sealed under."""
    return f"audit/{instance_id}/{public_key}".encode()


def idempotency_name(instance_id: str, key_hash: str) -> bytes:
    """What an answer that may be given again is sealed under."""
    return f"{instance_id}/idempotency/{key_hash}".encode()


def totp_name(instance_id: str, user_id: str) -> bytes:
    """What the secret of an authenticator app is sealed under."""
    return f"{instance_id}/totp/{user_id}".encode()


def mail_name(instance_id: str, mail_id: str) -> bytes:
    """What a letter that waits is sealed under."""
    return f"{instance_id}/mail/{mail_id}".encode()


def marketplace_key_name(instance_id: str, kid: str) -> bytes:
    """What a key that signs lifecycle events is sealed under."""
    return f"{instance_id}/marketplace/{kid}".encode()


def lifecycle_event_name(instance_id: str, event_id: str) -> bytes:
    """What the credentials of an event that waits are sealed under."""
    return f"{instance_id}/lifecycle/{event_id}".encode()


SEALED = (
    SealedColumn(
        signing_keys,
        signing_keys.c.private_key,
        lambda row: signing_key_name(row.instance_id, row.kid),
    ),
    SealedColumn(
        audit_keys,
        audit_keys.c.private_key,
        lambda row: audit_key_name(row.instance_id, row.public_key),
    ),
    SealedColumn(
        idempotency_keys,
        idempotency_keys.c.sealed_answer,
        lambda row: idempotency_name(row.instance_id, row.key_hash),
        is_passing=True,  # by a server that has the key of before until its next start
    ),
    SealedColumn(
        second_factors,
        second_factors.c.totp_secret,
        lambda row: totp_name(row.instance_id, row.user_id),
    ),
    SealedColumn(
        second_factors,
        second_factors.c.pending_secret,
        lambda row: totp_name(row.instance_id, row.user_id),
        is_passing=True,  # the release before writes it
    ),
    SealedColumn(
        totp_offers,
        totp_offers.c.sealed_secret,
        lambda row: totp_name(row.instance_id, row.user_id),
        is_passing=True,
    ),
    SealedColumn(
        mails,
        mails.c.sealed_content,
        lambda row: mail_name(row.instance_id, row.id),
        is_passing=True,
    ),
    SealedColumn(
        marketplace_keys,
        marketplace_keys.c.private_key,
        lambda row: marketplace_key_name(row.instance_id, row.kid),
    ),
    SealedColumn(
        lifecycle_events,
        lifecycle_events.c.sealed_credentials,
        lambda row: lifecycle_event_name(row.instance_id, row.id),
        is_passing=True,
    ),
)
"""Every kind of sealed row of the database: whoever seals something adds its line here."""


def require_opens(connection: Connection, kek: KeyEncryptionKey) -> None:
    """Check that a key opens everything sealed that lasts, of all instances.

    Before something is sealed: one database has one key-encryption key, and what a process seals
    that was left behind when it was changed, nobody could open after the next restart.

    Raises:
        KeyEncryptionProblem: it does not.
    """
    for sealed in SEALED:
        if not sealed.is_passing:
            for _row, _data in _opened(connection, kek, sealed):
                pass


def reseal(tx: Transaction, kek: KeyEncryptionKey) -> int:
    """Seal everything with the current key of `kek`, which opens it by a previous one.

    Returns:
        How many values were sealed with another key until now.

    Raises:
        KeyEncryptionProblem: something opens by none of the keys; nothing is changed.
    """
    for instance in instances.all_of(tx.connection):
        instances.lock(tx, instance.id)  # whoever adds a signing key takes it, too
    count = 0
    every = [(s, *found) for s in SEALED for found in _opened(tx.connection, kek, s)]
    for sealed, row, data in every:
        if kek.has_sealed(getattr(row, sealed.column.name)):
            continue
        key = and_(*(c == getattr(row, c.name) for c in sealed.table.primary_key.columns))
        value = kek.seal(data, sealed.name_of(row))
        tx.connection.execute(update(sealed.table).where(key).values({sealed.column: value}))
        count += 1
    return count


def _opened(
    connection: Connection, kek: KeyEncryptionKey, sealed: SealedColumn
) -> Iterator[tuple[Row[Any], bytes]]:
    rows = connection.execute(select(sealed.table).where(sealed.column.is_not(None))).all()
    for row in rows:
        try:
            yield row, kek.open(getattr(row, sealed.column.name), sealed.name_of(row))
        except KeyEncryptionProblem:
            if not sealed.is_passing:
                raise
