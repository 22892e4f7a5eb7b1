"""The state feed: one numbered list of everything that changed and may be cached somewhere.

An entry is appended in the transaction of the change itself [TOP-13]. Its number is taken from
the instance's row, whose lock makes numbers visible in order: a follower never skips one.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from mintgate.contract.feed import Entry, FeedGap
from mintgate.store.purging import BATCH
from mintgate.store.tables import instances, state_feed

MAX_PAGE = 1000
HOLE = 1_000_000
"""By how much a new epoch lies beyond, when a clock was set back."""


class Change(msgspec.Struct, frozen=True):
    """Something cached ended or changed.

    `kind` is `instance`, `application`, `user`, `key`, `jti`, `reference`, `sid`, `erp_session`;
    `subject` names it for this database: an id, a digest, or the `jti`, `kid`, `sid` itself.
    """

    instance_id: str
    position: int
    kind: str
    subject: str
    data: dict[str, Any]


class NumberedEntry(msgspec.Struct, frozen=True):
    """What verifiers elsewhere are told of a change."""

    position: int
    at: float
    data: dict[str, Any]


def append(
    connection: Connection, instance_id: str, subject: str, entry: Entry, at: float
) -> Change:
    """Add an entry; `subject` is what followers of this database know it by."""
    return append_data(connection, instance_id, subject, msgspec.to_builtins(entry), at)


def append_data(
    connection: Connection, instance_id: str, subject: str, data: dict[str, Any], at: float
) -> Change:
    """The same for an entry that is plain data already; its `type` is the kind."""
    kind: str = data["type"]
    position = connection.execute(
        update(instances)
        .where(instances.c.id == instance_id)
        .values(feed_position=instances.c.feed_position + 1)
        .returning(instances.c.feed_position)
    ).scalar_one()
    connection.execute(
        insert(state_feed).values(
            instance_id=instance_id,
            position=position,
            kind=kind,
            subject=subject,
            data=data,
            at=at,
        )
    )
    return Change(instance_id, position, kind, subject, data)


def begin_anew(connection: Connection, instance_id: str, at: float) -> None:
    """Begin a new epoch: no reader can go on from a position that it was given before.

    The database is one of before, so numbers that readers have seen are still to come in it. The
    new ones begin with the milliseconds of now: whatever was reached at less than a thousand
    changes a second lies below, and the hole in between is a gap to every reader.

    Args:
        at: Unix seconds.
    """
    connection.execute(delete(state_feed).where(state_feed.c.instance_id == instance_id))
    reached = positions(connection)[instance_id]
    connection.execute(
        update(instances)
        .where(instances.c.id == instance_id)
        .values(feed_position=max(int(at * 1000), reached + HOLE))
    )


def positions(connection: Connection) -> dict[str, int]:
    """The newest position of every instance."""
    rows = connection.execute(select(instances.c.id, instances.c.feed_position))
    return {row.id: row.feed_position for row in rows}


def after(connection: Connection, instance_id: str, position: int) -> list[Change]:
    """Up to 1,000 entries after `position`, in order."""
    rows = connection.execute(
        select(state_feed)
        .where(state_feed.c.instance_id == instance_id, state_feed.c.position > position)
        .order_by(state_feed.c.position)
        .limit(MAX_PAGE)
    )
    return [Change(row.instance_id, row.position, row.kind, row.subject, row.data) for row in rows]


def time_of(connection: Connection, instance_id: str, position: int) -> float | None:
    """When the entry with this number was appended; None when it is not kept, or never was."""
    statement = select(state_feed.c.at).where(
        state_feed.c.instance_id == instance_id, state_feed.c.position == position
    )
    found: float | None = connection.execute(statement).scalar_one_or_none()
    return found


def entries_after(
    connection: Connection, instance_id: str, position: int, limit: int
) -> list[NumberedEntry]:
    """Up to `limit` entries after `position`, in order.

    Raises:
        FeedGap: entries after it were purged, or it was never reached (a restored backup).
    """
    mine = state_feed.c.instance_id == instance_id
    # First, for on PostgreSQL each statement sees what was committed before it: an entry that
    # comes between the two is no gap.
    newest = positions(connection).get(instance_id, 0)
    rows = connection.execute(
        select(state_feed)
        .where(mine, state_feed.c.position > position)
        .order_by(state_feed.c.position)
        .limit(limit)
    ).all()
    missing = not rows and newest > position
    if position > newest or missing or (rows and rows[0].position != position + 1):
        raise FeedGap
    return [NumberedEntry(row.position, row.at, row.data) for row in rows]


def position_before(connection: Connection, instance_id: str, at: float) -> int:
    """The position after which every kept entry since `at` (Unix seconds) is found."""
    mine = state_feed.c.instance_id == instance_id
    # One row from the end of an index; the greatest position would be a look at all that is older.
    older = (
        select(state_feed.c.position)
        .where(mine, state_feed.c.at < at)
        .order_by(state_feed.c.at.desc())
        .limit(1)
    )
    found = connection.execute(older).scalar_one_or_none()
    if found is not None:
        return int(found)
    first = connection.execute(select(func.min(state_feed.c.position)).where(mine)).scalar()
    newest = positions(connection).get(instance_id, 0)
    return int(first) - 1 if first is not None else newest


def purge(connection: Connection, instance_id: str, before: float) -> int:
    """Remove some entries older than `before`, which every follower has read; returns how many.

    By position: clocks of several processes differ, and a hole would look like a gap.
    """
    mine = state_feed.c.instance_id == instance_id
    first = connection.execute(select(func.min(state_feed.c.position)).where(mine)).scalar()
    if first is None:
        return 0
    # Only the oldest positions are looked at: millions may be older than `before`.
    last = select(func.max(state_feed.c.position)).where(
        mine, state_feed.c.position < first + BATCH, state_feed.c.at < before
    )
    until = connection.execute(last).scalar()
    if until is None:
        return 0
    result = connection.execute(delete(state_feed).where(mine, state_feed.c.position <= until))
    return result.rowcount
