"""A transaction as units of work see it, and what can go wrong with one."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

from mintgate.contract.clock import Clock
from mintgate.contract.feed import Entry
from mintgate.store import feed
from mintgate.store.audit import AuditEvent
from mintgate.store.feed import Change

AWAY = (OperationalError, InterfaceError, InternalError)
"""What drivers raise when the database is away, locked, full or read-only; not a broken rule."""


class DatabaseUnavailable(Exception):
    """The database cannot be opened, read or written now; the message says what to do."""


class CommitFailed(Exception):
    """The commit itself failed: it may have happened or not."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def translated(error: Exception) -> Exception:
    """The same error, or `DatabaseUnavailable` when it says that the database is away."""
    if isinstance(error, AWAY):
        return DatabaseUnavailable(f"the database refused: {error.orig}")
    return error


class Transaction:
    """A connection in a transaction, with what must be committed together with it.

    Audit events and feed entries given here are written before the commit, in the same
    transaction as the change that they tell of.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.connection = connection
        self.now = clock()
        self._clock = clock
        self.events: list[AuditEvent] = []
        self.changes: list[Change] = []

    def later(self) -> float:
        """Unix seconds now: later than `now` when the transaction had to wait for others."""
        return max(self.now, self._clock())

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    def changed(self, instance_id: str, subject: str, entry: Entry) -> None:
        """Append to the state feed; `subject` is the id by which caches know what changed."""
        self.changes.append(feed.append(self.connection, instance_id, subject, entry, self.now))
