"""The append-only audit table. Nothing here updates or deletes a row."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from mintgate.store.tables import audit_events

MAX_CAUSE = 500
_encode = msgspec.json.Encoder().encode
_COLUMNS = (
    "instance_id",
    "writer_id",
    "sequence",
    "at",
    "event",
    "actor",
    "application",
    "session",
    "jti",
    "address",
    "cause",
    "details",
)
_MARKS = {"sqlite": "?", "postgresql": "%s"}
MAX_ROWS = 64
"""Of one statement."""


@functools.cache
def _insert(dialect: str, rows: int) -> str:
    # One statement for many rows: each statement costs a hand-over between the threads.
    row = f"({', '.join([_MARKS[dialect]] * len(_COLUMNS))})"
    return f"INSERT INTO audit_events ({', '.join(_COLUMNS)}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - constants


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One security event. Never put a token or a secret in any field [TOK-14].

    Args:
        at: Unix seconds.
        event: a dotted name such as `token.issued`.
        actor: the acting login.
        application: the `client_id`.
        session: the `sid`.
        address: where the request came from.
        cause: the full reason of a refusal, which the caller does not see.
    """

    instance_id: str
    at: float
    event: str
    actor: str | None = None
    application: str | None = None
    session: str | None = None
    jti: str | None = None
    address: str | None = None
    cause: str | None = None
    details: dict[str, Any] | None = None


def append(
    connection: Connection, writer_id: str, first_sequence: int, events: Sequence[AuditEvent]
) -> None:
    """Insert events, numbered from `first_sequence` in the chain of one writer.

    On the path of every token: the statement is a constant, and its values go to the driver as
    they are.
    """
    for start in range(0, len(events), MAX_ROWS):
        part = events[start : start + MAX_ROWS]
        connection.exec_driver_sql(
            *statement(connection.dialect.name, writer_id, first_sequence + start, part)
        )


def statement(
    dialect: str, writer_id: str, first_sequence: int, events: Sequence[AuditEvent]
) -> tuple[str, tuple[Any, ...]]:
    """The INSERT of at most `MAX_ROWS` events, and its values."""
    values: list[Any] = []
    for sequence, event in enumerate(events, first_sequence):
        values += (
            event.instance_id,
            writer_id,
            sequence,
            event.at,
            event.event,
            event.actor,
            event.application,
            event.session,
            event.jti,
            event.address,
            event.cause[:MAX_CAUSE] if event.cause else None,
            _encode(event.details).decode() if event.details is not None else None,
        )
    return _insert(dialect, len(events)), tuple(values)


def latest(connection: Connection, instance_id: str, limit: int = 100) -> list[AuditEvent]:
    """The newest events, newest first."""
    statement = (
        select(audit_events)
        .where(audit_events.c.instance_id == instance_id)
        .order_by(audit_events.c.at.desc(), audit_events.c.sequence.desc())
        .limit(limit)
    )
    return [
        AuditEvent(**{name: row[name] for name in AuditEvent.__struct_fields__})
        for row in connection.execute(statement).mappings()
    ]
