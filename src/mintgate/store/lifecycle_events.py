"""Events that applications are told of their install and uninstall: the outbox, and what became.

An event is written in the transaction of what it tells. Its secrets are sealed and live only while
somebody still tries [EVT-10]; the record without them stays, for administrators to look at.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, insert, select, update

from mintgate.contract.install import InstallRequest
from mintgate.contract.lifecycle_events import LifecycleKind
from mintgate.store import outbox
from mintgate.store.audit import AuditEvent
from mintgate.store.purging import BATCH, delete_some
from mintgate.store.rows import from_row
from mintgate.store.tables import lifecycle_events
from mintgate.store.transaction import Transaction

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"
GIVE_UP_SECONDS = 24 * 3600.0
"""After which secrets go even when no process ever got to deliver them."""
KEPT_SECONDS = 30 * 24 * 3600.0
"""For how long the record stays when it is its application's newest no more."""
LISTED = 100

_c = lifecycle_events.c


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event; times in Unix seconds, `attempts` with the one that is going on.

    Args:
        id: the `eventId`.
        request: what the install asked for; None of an uninstall.
        created_by: the login of whoever did it.
        token_id: the reference token that is told.
        sealed_credentials: for `lifecycle_event_name` (see `sealing`); None when there are none.
        cause: why the last attempt failed.
        due_at: when it is tried next, or the lease ends; None when nobody tries any more.
    """

    id: str
    application_id: str
    application_uri: str
    kind: LifecycleKind
    redirect_uri: str
    created_by: str
    created_at: float
    gives_up_at: float
    request: InstallRequest | None = None
    token_id: str | None = None
    sealed_credentials: bytes | None = None
    state: str = WAITING
    cause: str | None = None
    attempts: int = 0
    due_at: float | None = None
    claimed_by: str | None = None
    ended_at: float | None = None
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"StoredEvent({self.id}, {self.kind}, {self.state})"


def add(tx: Transaction, instance_id: str, event: StoredEvent) -> None:
    row = msgspec.to_builtins(event, builtin_types=(bytes,))
    row |= {"instance_id": instance_id, "due_at": tx.now}
    tx.connection.execute(insert(lifecycle_events).values(row))


def find(connection: Connection, instance_id: str, event_id: str) -> StoredEvent | None:
    found = _read(connection, instance_id, _c.id == event_id)
    return found[0] if found else None


def of_application(
    connection: Connection, instance_id: str, application_id: str
) -> list[StoredEvent]:
    """Newest first."""
    return _read(connection, instance_id, _c.application_id == application_id)


def latest(connection: Connection, instance_id: str) -> list[StoredEvent]:
    """Those of all applications, newest first, `LISTED` at most."""
    return _read(connection, instance_id)


def next_due(connection: Connection, instance_id: str) -> float | None:
    """When the earliest event is due or its lease ends; None when there is none."""
    return outbox.next_due(connection, lifecycle_events, instance_id)


def claim(
    tx: Transaction,
    instance_id: str,
    *,
    claimant: str,
    lease: float,
    limit: int,
    without: frozenset[str] = frozenset(),
) -> list[StoredEvent]:
    """Take up to `limit` due events for `lease` seconds.

    Args:
        claimant: a name that nobody else has; `end` and `put_off` ask for it.
        without: ids of applications that are left alone for now.
    """
    rows = outbox.claim(
        tx,
        lifecycle_events,
        instance_id,
        _c.application_id.not_in(without),
        claimant=claimant,
        lease=lease,
        limit=limit,
    )
    return [from_row(StoredEvent, row) for row in rows]


def put_off(
    tx: Transaction, instance_id: str, event_id: str, claimant: str, until: float, cause: str
) -> bool:
    """Try again at `until`; False when another has it."""
    return outbox.put_off(
        tx, lifecycle_events, instance_id, event_id, claimant, until, cause=cause[:300]
    )


def end(
    tx: Transaction, instance_id: str, event_id: str, claimant: str, failure: str | None
) -> bool:
    """Note how it ended, and forget its secrets; False when another has it."""
    held = outbox.held(lifecycle_events, instance_id, event_id, claimant)
    result = tx.connection.execute(
        update(lifecycle_events).where(*held).values(_ended(tx.now, failure))
    )
    return result.rowcount == 1


def try_now(tx: Transaction, instance_id: str, event_id: str) -> None:
    """Do not wait for the next attempt; one that is going on is left alone."""
    tx.connection.execute(
        update(lifecycle_events)
        .where(
            _c.instance_id == instance_id,
            _c.id == event_id,
            _c.due_at.is_not(None),
            _c.claimed_by.is_(None),
        )
        .values(due_at=tx.now)
    )


def begin_anew(tx: Transaction, instance_id: str, event_id: str) -> None:
    """Tell what ended and has no secrets once more, under the same `eventId`."""
    tx.connection.execute(
        update(lifecycle_events)
        .where(_c.instance_id == instance_id, _c.id == event_id, _c.due_at.is_(None))
        .values(
            state=WAITING,
            cause=None,
            attempts=0,
            due_at=tx.now,
            gives_up_at=tx.now + GIVE_UP_SECONDS,
            ended_at=None,
        )
    )


def supersede(tx: Transaction, instance_id: str, application_id: str, because: str) -> None:
    """No event of the application is its newest any more; those that wait are given up.

    Args:
        because: the cause that is noted then.
    """
    of_it = (_c.instance_id == instance_id, _c.application_id == application_id)
    tx.connection.execute(
        update(lifecycle_events)
        .where(*of_it, _c.expires_at.is_(None))
        .values(expires_at=tx.now + KEPT_SECONDS)
    )
    _give_up(tx, instance_id, because, _c.application_id == application_id)


def give_up_all(tx: Transaction, instance_id: str, because: str) -> int:
    """Tell nobody what still waits; returns how many there were."""
    count = 0
    while some := _give_up(tx, instance_id, because):
        count += some
    return count


def purge(tx: Transaction, instance_id: str, now: float) -> int:
    """Give up what no process delivered in time, and remove some old records."""
    given_up = _give_up(tx, instance_id, "it was not delivered in time", _c.gives_up_at < now)
    old = (_c.instance_id == instance_id) & (_c.expires_at < now)
    return given_up + delete_some(tx.connection, lifecycle_events, old)


def told(instance_id: str, event: StoredEvent, at: float, failure: str | None) -> AuditEvent:
    """The audit event of how the delivery ended; `at` in Unix seconds."""
    return AuditEvent(
        instance_id=instance_id,
        at=at,
        event="application.event_failed" if failure else "application.event_delivered",
        application=event.application_uri,
        cause=failure,
        details={"event": event.kind.value, "event_id": event.id, "attempts": event.attempts},
    )


def _give_up(
    tx: Transaction, instance_id: str, because: str, *conditions: ColumnElement[bool]
) -> int:
    waiting = (_c.instance_id == instance_id, _c.due_at.is_not(None), *conditions)
    rows = tx.connection.execute(select(_c.id).where(*waiting).limit(BATCH)).scalars()
    ended = tx.connection.execute(
        update(lifecycle_events)
        .where(*waiting, _c.id.in_(list(rows)))
        .values(_ended(tx.now, because))
        .returning(lifecycle_events)
    ).mappings()
    found = [from_row(StoredEvent, row) for row in ended]
    for event in found:
        tx.record(told(instance_id, event, tx.now, because))
    return len(found)


def _ended(now: float, failure: str | None) -> dict[str, Any]:
    return {
        "state": FAILED if failure else DELIVERED,
        "cause": failure[:300] if failure else None,
        "sealed_credentials": None,
        "due_at": None,
        "claimed_by": None,
        "ended_at": now,
    }


def _read(
    connection: Connection, instance_id: str, *conditions: ColumnElement[bool]
) -> list[StoredEvent]:
    rows = connection.execute(
        select(lifecycle_events)
        .where(_c.instance_id == instance_id, *conditions)
        .order_by(_c.created_at.desc(), _c.id)
        .limit(LISTED)
    ).mappings()
    return [from_row(StoredEvent, row) for row in rows]
