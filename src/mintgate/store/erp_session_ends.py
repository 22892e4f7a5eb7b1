"""The ends of ERP sessions: by their timers, by sign-out, by an administrator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, or_, select

from mintgate.contract import licences
from mintgate.contract.feed import ClosedSession
from mintgate.store import instances, licence_pools
from mintgate.store.audit import AuditEvent
from mintgate.store.purging import BATCH
from mintgate.store.tables import erp_sessions
from mintgate.store.transaction import Transaction

Cause = Literal[
    "idle",
    "absolute",
    "sign_out",
    "administrator",
    "all",
    "user_changed",
    "application_revoked",
]
EVERY_SESSION = "*"
"""The subject of a feed entry that concerns all sessions of the instance."""
_column = erp_sessions.c


class Closer(msgspec.Struct, frozen=True, kw_only=True):
    """Who closes sessions, for the audit log.

    Args:
        name: the administrator's login.
        carried: what carried the wish, such as the application of a token.
    """

    name: str
    user_id: str | None = None
    address: str | None = None
    carried: Mapping[str, Any] = {}


By = Closer | str | None
"""Who, or only a name; None for nobody in particular."""


def audited_key(key: str) -> str:
    """A session's key as audit events have it."""
    return key[:32]


def keys_named(connection: Connection, instance_id: str, text: str, shown: int) -> list[str]:
    """At most two keys of sessions that are `text`, or whose first `shown` characters are."""
    beginning = func.substr(_column.key, 1, shown)
    statement = select(_column.key).where(
        _column.instance_id == instance_id, or_(_column.key == text, beginning == text)
    )
    return list(connection.execute(statement.limit(2)).scalars())


def close(tx: Transaction, instance_id: str, key: str, by: By = None) -> bool:
    """Close a session at once, as an administrator [OPQ-32]; its token stays as good as it was.

    Args:
        by: the administrator.

    Returns:
        False when no session with this key is open.
    """
    _lock(tx, instance_id)
    return len(_close_some(tx, instance_id, _column.key == key, by)) == 1


def close_of_user(
    tx: Transaction, instance_id: str, user_id: str | None, login: str, by: By = None
) -> int:
    """Close every session of a user, also those of service tokens that name only the login.

    Returns:
        How many there were.
    """
    _lock(tx, instance_id)
    return len(_close_some(tx, instance_id, of_user(user_id, login), by))


def of_user(user_id: str | None, login: str) -> ColumnElement[bool]:
    """Which sessions are of a user, whose login may have been another one at their opening."""
    by_login = _column.login_key == licences.login_key(login)
    return by_login if user_id is None else or_(by_login, _column.user_id == user_id)


def close_all(tx: Transaction, instance_id: str, by: By = None) -> int:
    """Close every session of an instance [SES-23, EXT-17]; returns how many there were."""
    _lock(tx, instance_id)
    anyone = _column.instance_id == instance_id
    closed = _close_now(tx, instance_id, anyone, "all", by)
    tx.changed(instance_id, EVERY_SESSION, ClosedSession(session=None))
    return len(closed)


def close_of_sign_in(tx: Transaction, instance_id: str, sid: str, because: Cause) -> bool:
    """Close the session of a sign-in that ends [SES-21]; whoever ends it tells the feed."""
    # As whoever closes one: in another order two would wait for each other.
    instances.lock(tx, instance_id)
    row = tx.connection.execute(
        delete(erp_sessions)
        .where(_column.instance_id == instance_id, _column.key == sid)
        .returning(*erp_sessions.columns)
    ).first()
    if row is not None:
        record_end(tx, row._mapping, because, tx.now)
    return row is not None


def close_over(tx: Transaction, instance_id: str, now: float, process: str, *, key: str) -> bool:
    """Close what must not be in the way of a new session [SES-16]; under the lock of the pool.

    That is what this process alone has touched, as nobody else knows yet that it is idle, and the
    session `key`. The rest that has ended is left to `make_room` and `sweep`.

    Args:
        now: Unix seconds.

    Returns:
        Whether the session `key` had ended.
    """
    chosen = licence_pools.is_over(now, process) & or_(
        _column.toucher == process, _column.key == key
    )
    return key in _close_ended(tx, instance_id, chosen, now)


def make_room(tx: Transaction, instance_id: str, now: float, process: str) -> bool:
    """Close sessions that have ended and still have their slots; under the lock of the pool.

    A slot is free when its session is closed, and not when a clock says that it should be: a server
    whose clock is an hour ahead would give away the slots of those who are at work.

    Returns:
        Whether there were any.
    """
    return bool(_close_ended(tx, instance_id, licence_pools.is_over(now, process), now, BATCH))


def any_over(connection: Connection, instance_id: str, now: float, process: str) -> bool:
    """Whether there is something to `sweep`; a look, which takes no lock."""
    statement = select(_column.key).where(
        _column.instance_id == instance_id, licence_pools.is_over(now, process)
    )
    return connection.execute(statement.limit(1)).first() is not None


def sweep(tx: Transaction, instance_id: str, process: str) -> int:
    """Close some sessions that have ended by themselves; returns how many.

    To be committed in `licence_pools.lane`, or alone.

    Args:
        process: one whose touches are all stored.
    """
    licence_pools.lock(tx, instance_id)
    now = tx.later()
    return len(_close_ended(tx, instance_id, licence_pools.is_over(now, process), now, BATCH))


def _lock(tx: Transaction, instance_id: str) -> None:
    instances.lock(tx, instance_id)
    licence_pools.lock(tx, instance_id)


def _close_ended(
    tx: Transaction,
    instance_id: str,
    condition: ColumnElement[bool],
    now: float,
    limit: int | None = None,
) -> list[str]:
    closed = _take(tx, instance_id, condition, limit)
    for row in closed:
        end = row["absolute_end"]
        record_end(tx, row, "absolute" if end is not None and end <= now else "idle", now)
    return [row["key"] for row in closed]


def _close_some(
    tx: Transaction, instance_id: str, condition: ColumnElement[bool], by: By
) -> list[str]:
    closed = _close_now(tx, instance_id, condition, "administrator", by)
    for key in closed:
        tx.changed(instance_id, key, ClosedSession(session=key))
    return closed


def _close_now(
    tx: Transaction,
    instance_id: str,
    condition: ColumnElement[bool],
    because: Cause,
    by: By,
) -> list[str]:
    closed = _take(tx, instance_id, condition)
    for row in closed:
        record_end(tx, row, because, tx.now, by)
    return [row["key"] for row in closed]


def _take(
    tx: Transaction, instance_id: str, condition: ColumnElement[bool], limit: int | None = None
) -> list[RowMapping]:
    """Delete sessions, but for those that somebody else is just closing."""
    chosen = (
        select(_column.key)
        .where(_column.instance_id == instance_id, condition)
        .order_by(_column.last_request_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("chosen", nesting=True)
    )
    return list(
        tx.connection.execute(
            delete(erp_sessions)
            .where(_column.instance_id == instance_id, _column.key.in_(select(chosen.c.key)))
            .returning(*erp_sessions.columns)
        ).mappings()
    )


def record_end(tx: Transaction, row: RowMapping, because: Cause, at: float, by: By = None) -> None:
    """Write the audit event of a session's end; `row` is what was deleted."""
    closer = Closer(name=by) if isinstance(by, str) else by
    details: dict[str, Any] = {
        "because": because,
        "kind": row["kind"],
        "requests": row["total_requests"],
        **(closer.carried if closer else {}),
    }
    tx.record(
        AuditEvent(
            instance_id=row["instance_id"],
            at=at,
            event="erp_session.closed",
            actor=closer.name if closer else None,
            actor_id=closer.user_id if closer else None,
            address=closer.address if closer else None,
            subject_id=row["user_id"],
            application=row["client_ids"][0],
            session=audited_key(row["key"]),
            details=details,
            personal={"login": row["login"]},
        )
    )
