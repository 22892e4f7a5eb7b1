"""Writing refusals down; the refusal stands whether or not that succeeds.

A flood of refusals must neither fill the audit table nor keep the writer from issuing tokens. So
the first of each kind are written one by one, and those that follow within the minute are counted:
one event a minute with `details.count`. Nobody is refused by it: guessing of secrets is slowed
elsewhere (`client_tries`, `signin.throttle`), and tokens have 256 random bits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

from starlette.types import Scope

from mintgate.contract import request_ids
from mintgate.contract.errors import Refusal
from mintgate.identity.forms import client_address
from mintgate.identity.refusal_counts import RefusalCounts, Sum
from mintgate.store import AuditEvent, Database, DatabaseUnavailable
from mintgate.verify.noting import note_refusal

_log = logging.getLogger(__name__)
# One for each database of the process, as each has its own audit log.
_counts: WeakKeyDictionary[Database, RefusalCounts] = WeakKeyDictionary()


def refusal_event(
    event: str,
    refusal: Refusal,
    scope: Scope,
    *,
    instance_id: str,
    at: float,
    application: str | None = None,
    details: dict[str, Any] | None = None,
) -> AuditEvent:
    """The event of a refused request, with the full cause.

    Args:
        at: Unix seconds.
    """
    note_refusal(scope, event.removesuffix(".refused"), refusal)
    if request_ids.current() is not None:  # then its line in the log tells the same id
        details = {**(details or {}), "request_id": refusal.id}
    return AuditEvent(
        instance_id=instance_id,
        at=at,
        event=event,
        application=application,
        address=client_address(scope),
        cause=f"{refusal.error}: {refusal.cause}",
        details=details,
    )


async def record_refusal(
    database: Database,
    event: AuditEvent,
    completed: Callable[[AuditEvent], Awaitable[AuditEvent]] | None = None,
) -> None:
    """Append the event of a refusal, or count it; without a database it goes to the log.

    A counted one costs no write: it is written by `flush_refusals`, within about a minute.

    Args:
        completed: adds what is worth its while only for an event that is written by itself.
    """
    counts = _counts.get(database)
    if counts is None:
        counts = _counts[database] = RefusalCounts()
    if not counts.admits(event):
        return
    try:
        await database.record(await completed(event) if completed is not None else event)
    except DatabaseUnavailable as error:
        _log.error("%s (%s) could not be audited: %s", event.event, event.cause, error)


def unwritten_refusals(database: Database) -> int:
    """How many refusals were counted, and are not in the audit log yet."""
    counts = _counts.get(database)
    return counts.unwritten if counts is not None else 0


async def flush_refusals(database: Database, *, everything: bool = False) -> None:
    """Write down what was counted, of minutes that are over.

    Args:
        everything: the current minute too, as the server ends.
    """
    counts = _counts.get(database)
    if counts is None:
        return
    taken = counts.take(database.clock(), everything=everything)
    try:
        written = [database.record(one.event()) for one in taken]  # one commit for all
    except DatabaseUnavailable as error:
        _keep(counts, taken, error, for_next_time=not everything)
        return
    outcomes = await asyncio.gather(*written, return_exceptions=True)
    for one, outcome in zip(taken, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            _keep(counts, [one], outcome, for_next_time=not everything)


def _keep(
    counts: RefusalCounts, unwritten: list[Sum], error: BaseException, *, for_next_time: bool
) -> None:
    for one in unwritten:
        if for_next_time:
            counts.put_back(one)
        else:
            _log.error("%d of %s could not be audited: %s", one.count, one.last.event, error)
