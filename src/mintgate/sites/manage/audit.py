"""The audit log: filters, pages, export."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from mintgate.contract.automation.credentials import AuditQuery, AuditRecord, Page
from mintgate.identity.administration import audit
from mintgate.identity.administration.call import Call
from mintgate.sites.manage.desk import AUDIT, Desk, asked
from mintgate.sites.visiting.visitor import Visitor

LOOKS_THROUGH = 20_000
"""Events that one page looks at: what is asked for may be rare among millions."""
PAGE = 50
PART = 200
"""Of an export."""
FILTERS = ("event", "actor", "application", "request_id", "since", "until")
GROUPS = (
    "token.",
    ".refused",
    "user.",
    "application.",
    "session.",
    "erp_session.",
    "reference_token.",
    "consent.",
    "key.",
    "instance.",
    "management.",
    "api.refused",
    "token.issued",
    "token.refused",
    "token.revoked",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class AuditPages:
    """The log, and the same as a file."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        door = self._desk.door
        return [
            door.page("/audit", show=self.index),
            door.page("/audit/export", act=self.export, back="/audit", needs_fresh=True),
        ]

    async def index(self, request: Request, visitor: Visitor) -> Response:
        query = asked(request)
        wanted = _query(query, PAGE, query.get("after"), looks_through=LOOKS_THROUGH)
        found: Page[AuditRecord] = await self._desk.calls.read(
            request, visitor, audit.list_all, query=wanted
        )
        given = {name: query.get(name) for name in FILTERS}
        return self._desk.page(
            request,
            visitor,
            "audit",
            AUDIT,
            items=[(record, _told(record)) for record in found.items],
            given={name: text for name, text in given.items() if text},
            groups=GROUPS,
            next_url=self._desk.url(AUDIT, **given, after=found.next) if found.next else None,
            is_first="after" not in query,
            first_url=self._desk.url(AUDIT, **given),
            looked=LOOKS_THROUGH,
        )

    async def export(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> Response:
        """Everything that the filters let through, newest first, as it is read."""
        is_csv = form.get("format") == "csv"
        filters = {name: form[name] for name in FILTERS if name in form}

        def note(call: Call) -> None:
            told = {name: text for name, text in filters.items() if name != "actor"}
            call.record("audit.exported", details={"filters": told})

        await self._desk.calls.write(request, visitor, note)
        name = f"audit-{self._desk.instance.name}.{'csv' if is_csv else 'jsonl'}"
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in name)
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{safe}"',
        }
        return StreamingResponse(
            self._lines(request, visitor, filters, is_csv=is_csv),
            media_type="text/csv; charset=utf-8" if is_csv else "application/x-ndjson",
            headers=headers,
        )

    async def _lines(
        self, request: Request, visitor: Visitor, filters: Mapping[str, str], *, is_csv: bool
    ) -> AsyncIterator[bytes]:
        if is_csv:
            yield _csv_line(AuditRecord.__struct_fields__)
        cursor: str | None = None
        while True:
            wanted = _query(filters, PART, cursor, looks_through=LOOKS_THROUGH)
            # Asked as this visitor each time: a sign-out or a lost right ends the file.
            found = await self._desk.calls.read(request, visitor, audit.list_all, query=wanted)
            encode = _csv_record if is_csv else _json_record
            yield b"".join(encode(record) for record in found.items)
            cursor = found.next
            if cursor is None:
                return


def _query(
    given: Mapping[str, str], limit: int, cursor: str | None, *, looks_through: int
) -> AuditQuery:
    return AuditQuery(
        limit=limit,
        cursor=cursor,
        since=_day(given.get("since")),
        until=_day(given.get("until"), days=1),
        event=given.get("event"),
        actor=given.get("actor"),
        application=given.get("application"),
        request_id=given.get("request_id"),
        looks_through=looks_through,
    )


def _day(text: str | None, days: int = 0) -> float | None:
    """The beginning of a day in UTC, so many days later; None for what is none."""
    try:
        return (
            datetime.strptime(text or "", "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=days)
        ).timestamp()
    except (ValueError, OverflowError):
        return None


def _told(record: AuditRecord) -> list[tuple[str, str]]:
    """What else there is to say of an event, as (name, value) pairs."""
    values: dict[str, Any] = {
        "session": record.session,
        "jti": record.jti,
        "address": record.address,
        **(record.details or {}),
        **(record.personal or {}),
    }
    return [(name, _text(value)) for name, value in values.items() if value not in (None, "", {})]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _json_record(record: AuditRecord) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def _csv_record(record: AuditRecord) -> bytes:
    values = msgspec.structs.asdict(record)
    values["at"] = datetime.fromtimestamp(record.at, UTC).isoformat()
    return _csv_line(["" if value is None else _text(value) for value in values.values()])


def _csv_line(cells: Any) -> bytes:
    text = io.StringIO()
    # A spreadsheet would run what looks like a formula.
    csv.writer(text).writerow(f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells)
    return text.getvalue().encode()
