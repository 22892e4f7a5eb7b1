"""ERP sessions of legacy logins: found again by the same login, ended with its password [LEG-14].

The row has a nonce of the login. Whoever has the key that is not in the database makes the
session's id from it; `erp_sessions.key` is the SHA-256 of that id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, RowMapping, delete, select, update

from mintgate.contract.feed import ClosedSession
from mintgate.contract.licences import Touch
from mintgate.store import erp_session_ends, erp_sessions, instances, licence_pools
from mintgate.store.erp_session_ends import Cause
from mintgate.store.erp_sessions import Opened, Opening
from mintgate.store.rows import from_row
from mintgate.store.tables import erp_sessions as table
from mintgate.store.transaction import Transaction

KIND = "legacy"
_column = table.c
KeyOf = Callable[[str], str]
"""From the nonce of a login to the key of its session."""


class LegacyLogin(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an open session that a login made.

    Args:
        nonce: of the login; tells nothing without the key.
        language: that the login asked for.
    """

    key: str
    user_id: str
    client_ids: tuple[str, ...]
    login_nonce: str
    language: str | None


def open_or_find(
    tx: Transaction, instance_id: str, opening: Opening, key_of: KeyOf
) -> tuple[Opened, str]:
    """Give the session that the same login has opened, or open one in a free slot.

    To be committed in `licence_pools.lane`, or alone. A login is the same when user and
    application are: the password was checked, and another one ends the sessions of the old one.

    Args:
        opening: its `login_nonce` is for a new session; its `key` is not read.

    Returns:
        What came of it, and the nonce of the session.
    """
    licence_pools.lock(tx, instance_id)
    touches: Sequence[Touch] = opening.touches
    gone = tuple(erp_sessions.flush(tx, instance_id, opening.process, touches))
    nonce = _same_login(tx, instance_id, opening) or opening.login_nonce
    if nonce is None:
        raise ValueError("a legacy login needs a nonce")
    named = replace(opening, key=key_of(nonce), login_nonce=nonce, touches=())
    opened = erp_sessions.open_or_join(tx, instance_id, named)
    if opened.session is not None and opening.language is not None:
        tx.connection.execute(
            update(table)
            .where(_column.instance_id == instance_id, _column.key == named.key)
            .values(language=opening.language)
        )
    return replace(opened, gone=(*gone, *opened.gone)), nonce


def by_key(
    connection: Connection, instance_id: str, key: str, now: float, process: str
) -> LegacyLogin | None:
    """The login of a session that is open at `now` (Unix seconds).

    Args:
        process: as for `licence_pools.is_over`.
    """
    statement = select(table).where(
        _column.instance_id == instance_id,
        _column.key == key,
        _column.login_nonce.is_not(None),
        licence_pools.is_open(now, process),
    )
    row = connection.execute(statement).mappings().first()
    return from_row(LegacyLogin, row) if row else None


def end_of_user(tx: Transaction, instance_id: str, user_id: str) -> int:
    """Close every legacy session of a user, whose password or state changed.

    Returns:
        How many there were.
    """
    instances.lock(tx, instance_id)  # before rows of sessions: see `licence_pools`
    closed = tx.connection.execute(
        delete(table)
        .where(
            _column.instance_id == instance_id,
            _column.user_id == user_id,
            _column.kind == KIND,
        )
        .returning(*table.columns)
    ).mappings()
    return _tell(tx, instance_id, list(closed))


def end_of_application(tx: Transaction, instance_id: str, client_id: str) -> int:
    """Close every legacy session of an application: the id of one is a credential [LIF-18].

    Returns:
        How many there were.
    """
    instances.lock(tx, instance_id)
    here = (_column.instance_id == instance_id) & (_column.kind == KIND)
    stored = tx.connection.execute(select(_column.key, _column.client_ids).where(here)).all()
    closed: list[RowMapping] = []
    for key in [row.key for row in stored if client_id in row.client_ids]:
        ended = delete(table).where(here, _column.key == key).returning(*table.columns)
        closed += tx.connection.execute(ended).mappings()
    return _tell(tx, instance_id, closed, "application_revoked")


def end(tx: Transaction, instance_id: str, key: str) -> int:
    """Close one legacy session whose login was overtaken by a change of the password."""
    instances.lock(tx, instance_id)
    closed = tx.connection.execute(
        delete(table)
        .where(_column.instance_id == instance_id, _column.key == key, _column.kind == KIND)
        .returning(*table.columns)
    ).mappings()
    return _tell(tx, instance_id, list(closed))


def _tell(
    tx: Transaction,
    instance_id: str,
    closed: Sequence[RowMapping],
    because: Cause = "user_changed",
) -> int:
    for row in closed:
        erp_session_ends.record_end(tx, row, because, tx.now)
        tx.changed(instance_id, row["key"], ClosedSession(session=row["key"]))
    return len(closed)


def _same_login(tx: Transaction, instance_id: str, opening: Opening) -> str | None:
    rows = tx.connection.execute(
        select(_column.login_nonce, _column.client_ids)
        .where(
            _column.instance_id == instance_id,
            _column.user_id == opening.user_id,
            _column.kind == KIND,
            _column.login_nonce.is_not(None),
            licence_pools.is_open(tx.later(), opening.process),
        )
        .order_by(_column.started_at)
    )
    for row in rows:
        if tuple(row.client_ids) == (opening.client_id,):
            nonce: str = row.login_nonce
            return nonce
    return None
