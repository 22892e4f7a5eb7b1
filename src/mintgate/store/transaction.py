"""A transaction as units of work see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from mintgate.contract.clock import Clock
from mintgate.contract.feed import Entry
from mintgate.store import feed
from mintgate.store.audit import AuditEvent
from mintgate.store.feed import Change
from mintgate.store.prepared import ManyRows


class PutOff:
    """Rows to be inserted at the end of a transaction, those of a table in one statement."""

    def __init__(self) -> None:
        self._rows: dict[ManyRows, list[Sequence[Any]]] = {}

    def add(self, table: ManyRows, row: Sequence[Any]) -> None:
        self._rows.setdefault(table, []).append(row)

    def insert(self, connection: Connection) -> None:
        """Insert them now."""
        while self._rows:
            table = next(iter(self._rows))
            table.insert(connection, self._rows.pop(table))


class Transaction:
    """A connection in a transaction, with what must be committed together with it.

    Audit events and feed entries given here are written before the commit, in the same
    transaction as the change that they tell of.

    Args:
        clock: Unix seconds.
        put_off: rows that others who share the transaction have put off.
    """

    def __init__(self, connection: Connection, clock: Clock, put_off: PutOff | None = None) -> None:
        self.direct = connection
        """For statements that neither read nor change rows that anybody puts off."""
        self.put_off = PutOff() if put_off is None else put_off
        self.now = clock()
        self._clock = clock
        self.events: list[AuditEvent] = []
        self.changes: list[Change] = []

    @property
    def connection(self) -> Connection:
        """The connection, on which everything is there that was put off until now."""
        self.put_off.insert(self.direct)
        return self.direct

    def insert(self, table: ManyRows, row: Sequence[Any]) -> None:
        """Insert a row before the commit, or before somebody looks for it on `connection`.

        Args:
            row: values in the order of the table's columns, as the driver takes them.
        """
        self.put_off.add(table, row)

    def later(self) -> float:
        """Unix seconds now: later than `now` when the transaction had to wait for others."""
        return max(self.now, self._clock())

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    def changed(self, instance_id: str, subject: str, entry: Entry) -> None:
        """Append to the state feed; `subject` is the id by which caches know what changed."""
        self.changes.append(feed.append(self.connection, instance_id, subject, entry, self.now))
