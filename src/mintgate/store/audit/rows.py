"""Audit rows: inserting them many at once, and reading them page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from sqlalchemy import CTE, ColumnElement, Connection, RowMapping, func, literal, select, tuple_

from mintgate.store.audit.chain import Chain, Head
from mintgate.store.audit.event import AuditEvent
from mintgate.store.prepared import ManyRows
from mintgate.store.tables import audit_events

HASHED = (
    "instance_id",
    "writer_id",
    "sequence",
    "at",
    "event",
    "actor_id",
    "subject_id",
    "application",
    "session",
    "jti",
    "cause",
    "details",
    "actor_digest",
    "personal_digest",
)
"""What a row's hash covers, in this order."""
COLUMNS = (*HASHED, "hash", "actor", "address", "actor_salt", "personal", "personal_salt")
INSERT = ManyRows("audit_events", COLUMNS)
PAGE = 1000


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it is stored; `details` and `personal` are JSON texts."""

    instance_id: str
    writer_id: str
    sequence: int
    at: float
    event: str
    actor_id: str | None
    subject_id: str | None
    application: str | None
    session: str | None
    jti: str | None
    cause: str | None
    details: str | None
    actor_digest: bytes | None
    personal_digest: bytes | None
    hash: bytes
    actor: str | None
    address: str | None
    actor_salt: bytes | None
    personal: str | None
    personal_salt: bytes | None

    @property
    def hashed(self) -> tuple[object, ...]:
        """The values that the row's hash covers."""
        return tuple(getattr(self, name) for name in HASHED)

    @property
    def told(self) -> AuditEvent:
        """The event as it was recorded, without what was erased since."""
        same = {
            name: getattr(self, name)
            for name in AuditEvent.__struct_fields__
            if name not in {"details", "personal"}
        }
        return AuditEvent(
            **same,
            details=msgspec.json.decode(self.details) if self.details is not None else None,
            personal=msgspec.json.decode(self.personal) if self.personal is not None else None,
        )


def append(connection: Connection, chain: Chain, events: Sequence[AuditEvent]) -> dict[str, Head]:
    """Insert events at the end of a writer's chains; returns the heads, to be kept after commit."""
    linked, heads = chain.link(events)
    INSERT.insert(connection, linked)
    return heads


def latest(
    connection: Connection,
    instance_id: str,
    limit: int = 100,
    *,
    event: str | None = None,
    actor: str | None = None,
    application: str | None = None,
) -> list[AuditEvent]:
    """The newest events, newest first.

    Args:
        event: only those of this name, or of this group when it ends with a dot.
        actor: only those of this login.
        application: only those of this `client_id`.
    """
    table = audit_events.c
    found = (
        select(audit_events)
        .where(table.instance_id == instance_id, *matching(event, actor, application))
        .order_by(table.at.desc(), table.sequence.desc())
        .limit(limit)
    )
    return [told_by(row) for row in connection.execute(found).mappings()]


def matching(
    event: str | None, actor: str | None, application: str | None
) -> list[ColumnElement[bool]]:
    """The conditions of `latest`."""
    table = audit_events.c
    conditions: list[ColumnElement[bool]] = []
    if event is not None:
        conditions.append(
            table.event.startswith(event, autoescape=True)
            if event.endswith(".")
            else table.event == event
        )
    if actor is not None:
        conditions.append(func.lower(table.actor) == actor.lower())
    if application is not None:
        conditions.append(table.application == application)
    return conditions


def told_by(row: RowMapping) -> AuditEvent:
    """The event that a row of the table tells."""
    return _stored(row).told


def known_writers(instance_id: str) -> CTE:
    """Every writer that has rows, as `id`; one look into the index for each of them."""
    table = audit_events.c
    first = select(func.min(table.writer_id).label("id")).where(table.instance_id == instance_id)
    known = first.cte("known", recursive=True)
    following = (
        select(func.min(table.writer_id))
        .where(table.instance_id == instance_id, table.writer_id > known.c.id)
        .scalar_subquery()
    )
    return known.union_all(select(following).where(known.c.id.is_not(None)))


def ends(connection: Connection, instance_id: str) -> dict[str, int]:
    """The last number of every writer, in the order of their ids."""
    known = known_writers(instance_id)
    last = (
        select(func.max(audit_events.c.sequence))
        .where(audit_events.c.instance_id == instance_id, audit_events.c.writer_id == known.c.id)
        .scalar_subquery()
    )
    found = connection.execute(select(known.c.id, last).where(known.c.id.is_not(None)))
    return dict(sorted((writer_id, sequence) for writer_id, sequence in found))


def writers(connection: Connection, instance_id: str) -> list[str]:
    """Every writer that has rows, in order."""
    return list(ends(connection, instance_id))


def head(connection: Connection, instance_id: str, writer_id: str) -> Head | None:
    """The last row of a writer."""
    row = connection.execute(
        select(audit_events.c.sequence, audit_events.c.hash)
        .where(audit_events.c.instance_id == instance_id, audit_events.c.writer_id == writer_id)
        .order_by(audit_events.c.sequence.desc())
        .limit(1)
    ).first()
    return Head(row.sequence, bytes(row.hash)) if row is not None else None


def first_sequence(connection: Connection, instance_id: str, writer_id: str) -> int | None:
    """The smallest number of a writer; None when it has no rows."""
    first: int | None = connection.execute(
        select(func.min(audit_events.c.sequence)).where(
            audit_events.c.instance_id == instance_id, audit_events.c.writer_id == writer_id
        )
    ).scalar_one()
    return first


def page_of_writer(
    connection: Connection, instance_id: str, writer_id: str, after: int | None, limit: int = PAGE
) -> list[StoredEvent]:
    """Rows of one writer in the order of its chain; `after` None is before every number."""
    conditions = [
        audit_events.c.instance_id == instance_id,
        audit_events.c.writer_id == writer_id,
    ]
    if after is not None:
        conditions.append(audit_events.c.sequence > after)
    found = select(audit_events).where(*conditions).order_by(audit_events.c.sequence).limit(limit)
    return [_stored(row) for row in connection.execute(found).mappings()]


def page_downwards(
    connection: Connection, instance_id: str, writer_id: str, through: int, limit: int = PAGE
) -> list[StoredEvent]:
    """Rows of one writer against the order of its chain, from the number `through` on."""
    found = (
        select(audit_events)
        .where(
            audit_events.c.instance_id == instance_id,
            audit_events.c.writer_id == writer_id,
            audit_events.c.sequence <= through,
        )
        .order_by(audit_events.c.sequence.desc())
        .limit(limit)
    )
    return [_stored(row) for row in connection.execute(found).mappings()]


def page_in_time(
    connection: Connection,
    instance_id: str,
    since: float,
    after: tuple[float, str, int] | None,
    limit: int = PAGE,
) -> list[StoredEvent]:
    """Rows of every writer in the order of time, from `since` (Unix seconds) on.

    Args:
        after: time, writer and number of the row that the page follows.
    """
    table = audit_events.c
    conditions: list[ColumnElement[bool]] = [table.instance_id == instance_id]
    if after is None:
        conditions.append(table.at >= since)
    else:
        place = tuple_(table.at, table.writer_id, table.sequence)
        conditions += [table.at >= after[0], place > tuple_(*map(literal, after))]
    found = (
        select(audit_events)
        .where(*conditions)
        .order_by(table.at, table.writer_id, table.sequence)
        .limit(limit)
    )
    return [_stored(row) for row in connection.execute(found).mappings()]


def of_person(connection: Connection, instance_id: str, user_id: str) -> Iterator[StoredEvent]:
    """Every event in which a user acted or was meant, in the order of time."""
    table = audit_events.c
    found = (
        select(audit_events)
        .where(
            table.instance_id == instance_id,
            (table.actor_id == user_id) | (table.subject_id == user_id),
        )
        .order_by(table.at, table.writer_id, table.sequence)
    )
    for row in connection.execute(found).mappings():
        yield _stored(row)


def _stored(row: RowMapping) -> StoredEvent:
    return StoredEvent(**{name: row[name] for name in COLUMNS})
