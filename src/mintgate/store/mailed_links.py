"""Links for one use that were mailed: another password, an address confirmed, an invitation.

A link's secret has 256 random bits and is stored as its digest only. One conditional UPDATE
decides who uses it.
"""

from __future__ import annotations

import enum

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from mintgate.store.purging import delete_some
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import mailed_links
from mintgate.store.transaction import Transaction

_columns = mailed_links.c


class Purpose(enum.StrEnum):
    RESET = "reset"
    """Choose another password [SGN-8]."""
    CONFIRM = "confirm"
    """Confirm an address [USR-3]."""
    INVITE = "invite"
    """Complete an invitation [IMG-6]."""


LETS_IN = (Purpose.RESET, Purpose.INVITE)
"""Whoever has such a link can set a password."""


class MailedLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link; times in Unix seconds.

    Args:
        link_hash: of its secret.
        user_id: empty when it is for nobody: an unknown user costs the same statements [SGN-8].
        email: the address that it was made for.
        proves_email: whether it went to that address, and was shown to nobody else.
    """

    link_hash: str
    purpose: Purpose
    user_id: str
    email: str | None
    proves_email: bool
    created_at: float
    expires_at: float


def add(tx: Transaction, instance_id: str, link: MailedLink) -> None:
    tx.connection.execute(insert(mailed_links).values(**to_row(link), instance_id=instance_id))


def find(
    connection: Connection, instance_id: str, link_hash: str, purpose: Purpose, now: float
) -> MailedLink | None:
    """A link that can be used at `now` (Unix seconds); looking at it changes nothing."""
    row = (
        connection.execute(
            select(mailed_links).where(*_usable(instance_id, link_hash, purpose, now))
        )
        .mappings()
        .first()
    )
    return from_row(MailedLink, row) if row is not None else None


def use(tx: Transaction, instance_id: str, link_hash: str, purpose: Purpose) -> MailedLink | None:
    """Use a link, once: of several who try, all but one get None."""
    row = (
        tx.connection.execute(
            update(mailed_links)
            .where(*_usable(instance_id, link_hash, purpose, tx.later()))
            .values(used_at=tx.now)
            .returning(mailed_links)
        )
        .mappings()
        .first()
    )
    return from_row(MailedLink, row) if row is not None else None


def end_of_user(
    tx: Transaction, instance_id: str, user_id: str, purposes: tuple[Purpose, ...] = LETS_IN
) -> None:
    """End a user's links of these purposes."""
    tx.connection.execute(
        delete(mailed_links).where(
            _columns.instance_id == instance_id,
            _columns.user_id == user_id,
            _columns.purpose.in_(purposes),
            _columns.used_at.is_(None),
        )
    )


def end_all(tx: Transaction, instance_id: str) -> None:
    """End every link: nobody knows any more which were used."""
    tx.connection.execute(delete(mailed_links).where(_columns.instance_id == instance_id))


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some links that ended before `before`; returns how many."""
    ended = (_columns.instance_id == instance_id) & (_columns.expires_at < before)
    return delete_some(tx.connection, mailed_links, ended, first=_columns.expires_at)


def _usable(
    instance_id: str, link_hash: str, purpose: Purpose, now: float
) -> tuple[ColumnElement[bool], ...]:
    return (
        _columns.instance_id == instance_id,
        _columns.link_hash == link_hash,
        _columns.purpose == purpose,
        _columns.used_at.is_(None),
        _columns.expires_at > now,
    )
