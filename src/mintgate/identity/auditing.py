"""Writing refusals down; the refusal stands whether or not that succeeds."""

from __future__ import annotations

import logging

from mintgate.store import AuditEvent, Database, DatabaseUnavailable

_log = logging.getLogger(__name__)


async def record_refusal(database: Database, event: AuditEvent) -> None:
    """Append the event of a refusal; when the database is away it goes to the log instead."""
    try:
        await database.record(event)
    except DatabaseUnavailable as error:
        _log.error("%s (%s) could not be audited: %s", event.event, event.cause, error)
