"""How many tokens were issued and requests refused, hour by hour: sums of the audit log.

The log is read on in the background, writer by writer, as each writer's rows become visible in
the order of their numbers. What is not counted yet is read with the sums, up to a limit.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, or_, select, update

from mintgate.store.audit.rows import ends, first_sequence
from mintgate.store.conflicts import insert_into
from mintgate.store.database import Database
from mintgate.store.pacing import LEAST_REST_SECONDS
from mintgate.store.purging import delete_some
from mintgate.store.tables import audit_counted, audit_counts, audit_events
from mintgate.store.transaction import Transaction

HOUR = 3600
PART = 2000
"""Rows that are read at a time."""
KEPT_HOURS = 400 * 24
REFUSED = ".refused"
_ISSUED = (
    "token.issued",
    "token.refreshed",
    "token.refreshed_within_grace",
    "reference_token.created",
)

Key = tuple[int, str, str]
"""Hour since 1970, event and kind: of tokens the grant, of refusals the error."""


class Count(msgspec.Struct, frozen=True):
    """Events of one kind in the hours from `hour` on."""

    hour: int
    event: str
    kind: str
    events: int


class _Unread(msgspec.Struct, frozen=True):
    """Rows of one writer that are not counted yet, `through` the number that was read last."""

    writer_id: str
    after: int | None
    through: int
    sums: dict[Key, int]


class _Details(msgspec.Struct):
    grant_type: str = ""
    kind: str = ""
    count: int = 1


async def keep_counts(database: Database, instance_id: str) -> None:
    """Count what was written since the last time; several processes may do it at once."""
    while True:
        unread = await database.read(lambda connection: _unread(connection, instance_id, PART))
        if not unread:
            break
        await database.write(lambda tx, parts=unread: _add(tx, instance_id, parts))  # type: ignore[misc]
        await database.copy_journal()
        if sum(one.through - (one.after or 0) for one in unread) < PART:
            break
        await asyncio.sleep(LEAST_REST_SECONDS)


def counts(
    connection: Connection, instance_id: str, since: int, step: int
) -> tuple[list[Count], bool]:
    """Sums from the hour `since` on, and whether nothing is missing in them.

    Args:
        since: hours since 1970.
        step: hours that are added up; the groups begin at multiples of it.
    """
    table = audit_counts.c
    began = (table.hour - table.hour % step).label("began")
    stored = connection.execute(
        select(began, table.event, table.kind, func.sum(table.events))
        .where(table.instance_id == instance_id, table.hour >= since)
        .group_by(began, table.event, table.kind)
    )
    sums: dict[Key, int] = defaultdict(int)
    for hour, event, kind, number in stored:
        sums[(hour, event, kind)] += int(number)
    unread = _unread(connection, instance_id, PART)
    for part in unread:
        for (hour, event, kind), number in part.sums.items():
            if hour >= since:
                sums[(hour - hour % step, event, kind)] += number
    is_whole = sum(one.through - (one.after or 0) for one in unread) < PART
    return [Count(*key, number) for key, number in sorted(sums.items())], is_whole


def _unread(connection: Connection, instance_id: str, limit: int) -> list[_Unread]:
    """At most `limit` rows that are not counted, a part a writer."""
    known = {
        row.writer_id: row.sequence
        for row in connection.execute(
            select(audit_counted.c.writer_id, audit_counted.c.sequence).where(
                audit_counted.c.instance_id == instance_id
            )
        )
    }
    found = []
    for writer_id, end in ends(connection, instance_id).items():
        after = known.get(writer_id)
        if end == after or limit <= 0:
            continue
        part = _part(connection, instance_id, writer_id, after, limit)
        if part is not None:
            found.append(part)
            limit -= part.through - (part.after or 0)
    return found


def _part(
    connection: Connection, instance_id: str, writer_id: str, after: int | None, limit: int
) -> _Unread | None:
    table = audit_events.c
    begin = after
    if begin is None:  # retention may have cut what came before
        begin = (first_sequence(connection, instance_id, writer_id) or 1) - 1
    through = begin + limit
    of_writer = and_(
        table.instance_id == instance_id,
        table.writer_id == writer_id,
        table.sequence > begin,
        table.sequence <= through,
    )
    rows = connection.execute(
        select(table.at, table.event, func.substr(table.cause, 1, 60), table.details).where(
            of_writer, or_(table.event.in_(_ISSUED), table.event.endswith(REFUSED))
        )
    ).all()
    last = connection.execute(select(func.max(table.sequence)).where(of_writer)).scalar_one()
    if last is None:
        return None
    return _Unread(writer_id, after, last, _sums(rows))


def _sums(rows: Sequence[Any]) -> dict[Key, int]:
    sums: dict[Key, int] = defaultdict(int)
    for at, event, cause, details in rows:
        told = _told(details)
        if event.endswith(REFUSED):
            kind, number = (cause or "").partition(":")[0], told.count
        elif event.startswith("token.refreshed"):
            event, kind, number = "token.issued", "refresh_token", 1
        elif event == "reference_token.created":
            event, kind, number = "token.issued", told.kind, 1
        else:
            kind, number = told.grant_type, 1
        sums[(int(at // HOUR), event, kind[:48])] += number
    return dict(sums)


def _told(details: str | None) -> _Details:
    if details is None:
        return _Details()
    try:
        return msgspec.json.decode(details, type=_Details)
    except msgspec.ValidationError:
        return _Details()  # the members of that event mean something else


def _add(tx: Transaction, instance_id: str, parts: Sequence[_Unread]) -> None:
    insert = insert_into(tx, audit_counts)
    key = [audit_counts.c[name] for name in ("instance_id", "hour", "event", "kind")]
    statement = insert.on_conflict_do_update(
        index_elements=key, set_={"events": audit_counts.c.events + insert.excluded.events}
    )
    for part in sorted(parts, key=lambda part: part.writer_id):
        if not _move_on(tx, instance_id, part):
            continue  # another process has counted them meanwhile
        rows = [
            {"instance_id": instance_id, "hour": hour, "event": event, "kind": kind, "events": n}
            for (hour, event, kind), n in sorted(part.sums.items())
        ]
        if rows:
            tx.connection.execute(statement, rows)


def _move_on(tx: Transaction, instance_id: str, part: _Unread) -> bool:
    table = audit_counted
    if part.after is None:
        first = insert_into(tx, table).values(
            instance_id=instance_id, writer_id=part.writer_id, sequence=part.through
        )
        added = first.on_conflict_do_nothing().returning(table.c.writer_id)
        return tx.connection.execute(added).first() is not None
    moved = (
        update(table)
        .where(
            table.c.instance_id == instance_id,
            table.c.writer_id == part.writer_id,
            table.c.sequence == part.after,
        )
        .values(sequence=part.through)
    )
    return tx.connection.execute(moved).rowcount == 1


def purge(tx: Transaction, instance_id: str, now: float) -> int:
    """Remove some sums of long ago; returns how many."""
    table = audit_counts.c
    old = (table.instance_id == instance_id) & (table.hour < int(now // HOUR) - KEPT_HOURS)
    return delete_some(tx.connection, audit_counts, old, first=table.hour)
