"""What only the database knows: slots, sessions, checkpoints. Read when somebody asks."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from mintgate.contract.clock import Clock
from mintgate.store import Database, DatabaseUnavailable, instances, licence_pools
from mintgate.store.audit import checkpoint_rows

KEPT_SECONDS = 5.0
"""However often somebody asks, it is read no more often than this."""


class InstanceFacts(msgspec.Struct, frozen=True):
    """Of one instance.

    Args:
        slots: by `total`, `reserved`, `taken` and `free`; those reserved for others are not free.
        checkpoint_age: seconds; None when there was none yet.
    """

    name: str
    slots: dict[str, int]
    sessions: int
    checkpoint_age: float | None


class DatabaseFacts:
    """Reads them in the calling thread.

    Args:
        clock: Unix seconds.
        monotonic: seconds.
    """

    def __init__(self, database: Database, clock: Clock, monotonic: Clock) -> None:
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._read_at = float("-inf")
        self._found: list[InstanceFacts] | None = None

    def read(self) -> list[InstanceFacts] | None:
        """Of every instance; None when the database cannot be read."""
        now = self._monotonic()
        if now - self._read_at >= KEPT_SECONDS:
            try:
                self._found = self._database.read_now(self._all)
            except DatabaseUnavailable:
                self._found = None
            self._read_at = self._monotonic()
        return self._found

    def _all(self, connection: Connection) -> list[InstanceFacts]:
        now = self._clock()
        found = []
        for instance in instances.all_of(connection):
            counts = licence_pools.counts(connection, instance.id, now)
            newest = checkpoint_rows.newest(connection, instance.id)
            slots = {
                "total": counts.total,
                "reserved": counts.reserved,
                "taken": counts.in_use,
                "free": max(0, counts.total - counts.reserved - counts.general_in_use),
            }
            age = max(0.0, now - newest.at) if newest is not None else None
            found.append(InstanceFacts(instance.name, slots, counts.sessions, age))
        return found
