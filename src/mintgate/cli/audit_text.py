"""Events, checkpoints and reports of the audit log as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import typer

if TYPE_CHECKING:
    from mintgate.contract.automation.credentials import AuditRecord
    from mintgate.store import AuditEvent
    from mintgate.store.audit.checkpoint import Checkpoint
    from mintgate.store.audit.findings import Report
    from mintgate.store.audit.rows import StoredEvent

SHOWN = 100
"""Characters of a cause or of details in a table."""


def event_line(row: StoredEvent) -> dict[str, object]:
    event = msgspec.structs.asdict(row.told)
    del event["instance_id"]
    known = {name: value for name, value in event.items() if value is not None}
    return {
        "time": iso_time(row.at),
        **known,
        "writer_id": row.writer_id,
        "sequence": row.sequence,
        "hash": row.hash.hex(),
    }


def checkpoint_line(checkpoint: Checkpoint) -> dict[str, object]:
    return {
        "time": iso_time(checkpoint.at),
        "event": "audit.checkpoint",
        "number": checkpoint.number,
        "hash": checkpoint.hash.hex(),
        "rows": checkpoint.rows,
        "public_key": checkpoint.public_key,
        "signature": checkpoint.signature.hex(),
    }


def print_report(report: Report) -> None:
    for finding in report.findings:
        place = f"writer {finding.writer_id}: " if finding.writer_id else ""
        typer.echo(f"{place}{finding.sentence}", err=True)
    start = f" since checkpoint {report.since.number}" if report.since else ""
    typer.echo(
        f"{report.rows:,} rows of {report.writers} writers{start}, "
        f"{report.checkpoints:,} checkpoints; {report.erased:,} rows without personal values"
    )
    if report.waiting:
        typer.echo(f"{report.waiting:,} rows more are being removed by retention")
    newest = report.newest
    if newest is None:
        typer.echo("There is no checkpoint yet: only the chains hold, not their ends.")
    else:
        typer.echo(
            f"{report.rows - report.covered:,} rows are newer than the last checkpoint "
            f"({time_text(newest.at)}), held by their chain only"
        )
        typer.echo(f"checkpoint {newest.number}:{newest.hash.hex()}")
        typer.echo(f"public key {newest.public_key}")
    count = len(report.findings)
    typer.echo("The audit log is whole." if not count else f"NOT WHOLE: {count} findings.")


def short_details(event: AuditEvent | AuditRecord) -> str:
    details = event.details or {}
    if "after" in details:  # values are in the JSON
        details = {"changed": sorted(details["before"] | details["after"])}
    text = event.cause or (json_text(details) if details else "")
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def iso_time(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def time_text(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
