"""What PostgreSQL tells other processes at a commit: that the state feed has grown.

A notification is a hint to look, and carries nothing that decides anything. PostgreSQL delivers it
after the commit, and commits with notifications one after the other: so there is one for each
instance and transaction, and none without an entry in the feed.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from mintgate.store.feed import Change

CHANNEL = "mintgate_feed"


class Heard(NamedTuple):
    """A notification: the newest position of an instance's feed."""

    instance_id: str
    position: int


def notify(connection: Connection, changes: list[Change]) -> None:
    """Tell of the newest of `changes` when the transaction commits."""
    newest = {change.instance_id: change.position for change in changes}
    payloads = [f"{instance_id} {position}" for instance_id, position in newest.items()]
    connection.exec_driver_sql(
        "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload", (CHANNEL, payloads)
    )


def heard(payload: str) -> Heard | None:
    """What a payload says; None for one that is not of this program."""
    instance_id, _, position = payload.partition(" ")
    if not position.isascii() or not position.isdigit():
        return None
    return Heard(instance_id, int(position))
