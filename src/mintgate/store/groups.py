"""Groups of units of work, each group in one transaction.

A unit has a savepoint of its own, so that a failing one undoes only itself. Alone in its group it
needs none: all is undone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection

from mintgate.store.audit import AuditEvent
from mintgate.store.failures import AWAY, CommitFailed, translated
from mintgate.store.feed import Change
from mintgate.store.transaction import PutOff, Transaction

if TYPE_CHECKING:
    from mintgate.store.database import Database

Outcome = tuple[bool, Any]


class Item(NamedTuple):
    """What somebody waits for."""

    work: Any
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    lane: str | None
    savepoint: bool


class GroupUndone(Exception):
    """A group failed before its commit: all of it is undone.

    Args:
        is_lost: whether it was for the connection, and no unit's fault.
    """

    def __init__(self, cause: Exception, *, is_lost: bool = False) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.is_lost = is_lost or getattr(cause, "connection_invalidated", False)


class Groups:
    """Carries them out on a connection of its own. Not safe for threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.connection: Connection | None = None

    def carry_out(
        self, group: list[Item], *, may_repeat: bool = True
    ) -> tuple[list[Outcome], list[Change]]:
        """What became of each unit, and what was appended to the state feed."""
        try:
            return self._transact(group)
        except GroupUndone as undone:
            if len(group) == 1 or undone.is_lost:
                if may_repeat and isinstance(undone.cause, AWAY):
                    # The connection may have died of old age: once more, on a new one.
                    return self.carry_out(group, may_repeat=False)
                return [(False, translated(undone.cause))] * len(group), []
        except Exception as error:  # noqa: BLE001 - handed to those who wait; the thread lives on
            # The commit failed, and may have happened or not: nobody is told that it did, and
            # nothing is tried again.
            return [(False, translated(error))] * len(group), []
        # Nothing of the group was kept. Alone, only the culprit fails again.
        results: list[Outcome] = []
        changes: list[Change] = []
        for item in group:
            outcomes, made = self.carry_out([item])
            results += outcomes
            changes += made
        return results, changes

    def _transact(self, group: list[Item]) -> tuple[list[Outcome], list[Change]]:
        outcomes: list[Outcome] = []
        changes: list[Change] = []
        events: list[AuditEvent] = []
        put_off = PutOff()
        connection = self._connected()
        try:
            alone = [item.work for item in group if isinstance(item.work, AuditEvent)]
            if len(alone) == len(group) and self._database.append_alone(connection, alone):
                return [(True, None)] * len(group), []
            connection.begin()
            for item in group:
                if isinstance(item.work, AuditEvent):
                    events.append(item.work)
                    outcomes.append((True, None))
                elif len(group) > 1 and item.savepoint:
                    put_off.insert(connection)  # else a unit that fails would take it along
                    outcomes.append(self._unit(connection, item.work, events, changes))
                else:
                    outcome = self._unguarded(connection, item.work, events, changes, put_off)
                    if not outcome[0]:
                        # All of the transaction is gone; what shared it is done again.
                        if len(group) > 1:
                            raise GroupUndone(outcome[1])
                        return [outcome], []
                    outcomes.append(outcome)
            self._database.commit(connection, events, changes, put_off)
        except GroupUndone:
            raise
        except CommitFailed as failed:
            self.disconnect(is_suspect=True)
            raise failed.cause from failed
        except Exception as error:
            self.disconnect(is_suspect=True)
            raise GroupUndone(error) from error
        return outcomes, changes

    def _connected(self) -> Connection:
        """The thread's own connection; a failure ends it, and with it what it had begun."""
        if self.connection is None:
            try:
                self.connection = self._database.engine.connect()
            except Exception as error:
                raise GroupUndone(error, is_lost=True) from error
        return self.connection

    def disconnect(self, *, is_suspect: bool = False) -> None:
        """Args: `is_suspect`: the next one is not to be this one again, nor to the same server."""
        connection, self.connection = self.connection, None
        if connection is not None and is_suspect:
            with contextlib.suppress(Exception):
                connection.invalidate()
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.rollback()
            with contextlib.suppress(Exception):
                connection.close()

    def _unit(
        self,
        connection: Connection,
        work: Callable[[Transaction], Any],
        events: list[AuditEvent],
        changes: list[Change],
    ) -> Outcome:
        transaction = Transaction(connection, self._database.clock)
        try:
            with connection.begin_nested():
                result = work(transaction)
                transaction.put_off.insert(connection)
        except AWAY:
            raise
        except Exception as error:
            # On some errors (a full disk) SQLite ends the whole transaction by itself; what came
            # before in the group is gone then, and must not be answered as kept.
            if not self._database.is_in_transaction(connection):
                raise
            return False, error
        events += transaction.events
        changes += transaction.changes
        return True, result

    def _unguarded(
        self,
        connection: Connection,
        work: Callable[[Transaction], Any],
        events: list[AuditEvent],
        changes: list[Change],
        put_off: PutOff,
    ) -> Outcome:
        """A unit without a savepoint: when it raises, the transaction is rolled back with it."""
        transaction = Transaction(connection, self._database.clock, put_off)
        try:
            result = work(transaction)
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - handed to the one who waits
            connection.rollback()
            return False, error
        events += transaction.events
        changes += transaction.changes
        return True, result
