"""The state feed: one numbered list of everything that changed and may be cached somewhere.

An entry is appended in the transaction of the change itself [TOP-13]. Its number is taken from
the instance's row, whose lock makes numbers visible in order: a follower never skips one.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from mintgate.store.tables import instances, state_feed

MAX_PAGE = 1000


class Change(msgspec.Struct, frozen=True):
    """Something cached ended or changed.

    `kind` is `instance`, `application`, `user`, `key`, `jti`, `sid`; `subject` names it: an id,
    or the `jti` or `sid` itself.
    """

    instance_id: str
    position: int
    kind: str
    subject: str


def append(connection: Connection, instance_id: str, kind: str, subject: str, at: float) -> Change:
    position = connection.execute(
        update(instances)
        .where(instances.c.id == instance_id)
        .values(feed_position=instances.c.feed_position + 1)
        .returning(instances.c.feed_position)
    ).scalar_one()
    connection.execute(
        insert(state_feed).values(
            instance_id=instance_id, position=position, kind=kind, subject=subject, at=at
        )
    )
    return Change(instance_id, position, kind, subject)


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
    return [Change(row.instance_id, row.position, row.kind, row.subject) for row in rows]


def purge(connection: Connection, instance_id: str, before: float) -> int:
    """Remove entries older than `before`, which every follower has read; returns how many."""
    result = connection.execute(
        delete(state_feed).where(state_feed.c.instance_id == instance_id, state_feed.c.at < before)
    )
    return result.rowcount
