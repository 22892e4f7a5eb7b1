"""The audit log, as administrators read it."""

from __future__ import annotations

from typing import Any

import msgspec

from mintgate.contract.automation import credentials
from mintgate.contract.automation.credentials import AuditRecord, Page
from mintgate.identity.administration.call import Call, page_of, place_of
from mintgate.store import listings
from mintgate.store.audit.rows import told_by


def list_all(call: Call) -> Page[AuditRecord]:
    """Newest first."""
    query = call.given(credentials.AuditQuery)
    after = place_of(query.cursor)
    return page_of(
        lambda: listings.audit_part(
            call.connection,
            call.instance.id,
            after,
            query.limit,
            since=query.since,
            until=query.until,
            event=query.event,
            actor=query.actor,
            application=query.application,
            request_id=query.request_id,
            looks_through=query.looks_through,
        ),
        shown,
    )


def shown(row: Any) -> AuditRecord:
    """A row as it is told."""
    told = msgspec.structs.asdict(told_by(row))
    return AuditRecord(**{name: told[name] for name in AuditRecord.__struct_fields__})
