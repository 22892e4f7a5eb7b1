"""`mintgate audit …`: looking at the audit log, exporting it, and proving that it is whole."""

from __future__ import annotations

import itertools
import select
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mintgate.cli import common, records
from mintgate.cli.administration import administration, parts_of
from mintgate.cli.audit_text import (
    checkpoint_line,
    event_line,
    json_text,
    print_report,
    short_details,
    time_text,
)
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName, KeyFile

if TYPE_CHECKING:
    from mintgate.store import Database
    from mintgate.store.audit.checkpoint import Checkpoint

audit_commands = typer.Typer(help="The audit log: list, export, verify.", no_args_is_help=True)
POLL_SECONDS = 0.5

Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Begin here: 2031-01-31 or 2031-01-31T12:00:00Z (UTC, unless it has an offset).",
        show_default=False,
    ),
]


@audit_commands.command("list")
def list_events(
    event: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only this event, such as token.issued; a group ends with a dot: token.",
            show_default=False,
        ),
    ] = None,
    actor: Annotated[
        str | None, typer.Option(metavar="LOGIN", help="Only of this user.", show_default=False)
    ] = None,
    application: Annotated[
        str | None,
        typer.Option("--app", metavar="URI", help="Only of this application.", show_default=False),
    ] = None,
    request_id: Annotated[
        str | None,
        typer.Option(
            "--request",
            metavar="ID",
            help="Why a request was refused; ID is the X-Request-Id of the answer.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50,
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """List the newest events, newest first. `export` gives all of them."""
    query = {"event": event, "actor": actor, "application": application, "request_id": request_id}
    with administration(database_url, instance_name) as admin:
        found = list(itertools.islice(parts_of(admin, "audit.list", **query), limit))
    if as_json:
        records.print_json(found)
        return
    records.print_table(
        ("Time", "Event", "Actor", "Application", "Address", "Cause or details"),
        [
            (
                time_text(entry.at),
                entry.event,
                entry.actor or "",
                entry.application or "",
                entry.address or "",
                short_details(entry),
            )
            for entry in found
        ],
        "There is no such refusal here; of many from one address in a minute, ten are written "
        "one by one."
        if request_id is not None
        else "There are no such events.",
    )
    if request_id is not None:
        for entry in found:
            for line in (entry.details or {}).get("checks", ()):
                typer.echo(line)


@audit_commands.command("export")
def export(
    since: Since = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new events until Ctrl-C.")
    ] = False,
    checkpoint: Annotated[
        bool,
        typer.Option(
            "--checkpoint/--no-checkpoint",
            help="Sign a checkpoint that covers what is exported, and print it as a line.",
        ),
    ] = True,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    key_file: KeyFile = None,
    instance_name: InstanceName = None,
) -> None:
    """Print the events as JSON, one a line, in the order of time."""
    from mintgate.store.audit.export import Export

    begin = _seconds(since) if since is not None else 0.0
    database, instance = common.open_instance(database_url, instance_name)
    try:
        with common.refusals():
            signed = None
            if checkpoint:
                signed = _write_checkpoint(database, instance.id, database_url, key_file)
            reading = Export(database, instance.id, begin)
            for row in reading.existing():
                _print_line(event_line(row))
            if signed is not None:
                _print_line(checkpoint_line(signed))
            sys.stdout.flush()
            while follow and _is_read_after(POLL_SECONDS):
                while added := reading.added():
                    for row in added:
                        _print_line(event_line(row))
                sys.stdout.flush()
    except KeyboardInterrupt:
        return


@audit_commands.command("verify")
def verify(
    since: Since = None,
    public_key: Annotated[
        list[str] | None,
        typer.Option(
            "--public-key",
            metavar="KEY",
            help="Believe only signatures of this key, which `verify` printed before. "
            "The key file is not needed then. Repeatable.",
            show_default=False,
        ),
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER:HASH",
            help="A checkpoint that must be there, as `verify` and `export` print it: shows that "
            "the log was not set back to an earlier state.",
            show_default=False,
        ),
    ] = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    key_file: KeyFile = None,
    instance_name: InstanceName = None,
) -> None:
    """Look whether a row or a checkpoint was changed or removed. Exit code 1 when one was.

    Rows after the last checkpoint are held by their chain only: whoever can write the table
    could remove the last of them, or write them anew.
    """
    from mintgate.store.audit.verification import verify as verify_log

    expected = _expected(expect) if expect is not None else None
    begin = _seconds(since) if since is not None else None
    database, instance = common.open_instance(database_url, instance_name)
    with common.refusals():
        trusted, problems = _trusted(database, instance.id, public_key, database_url, key_file)
        report = verify_log(
            database,
            instance.id,
            trusted,
            since=begin,
            expected=expected,
            progress=_progress(),
        )
    for name in problems:
        report.found(f"the audit key {name} is not sealed with this key-encryption key")
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    print_report(report)
    if not report.is_whole:
        raise typer.Exit(1)


def _trusted(
    database: Database,
    instance_id: str,
    pinned: list[str] | None,
    database_url: str,
    key_file: Path | None,
) -> tuple[frozenset[str], list[str]]:
    from mintgate.store.audit import keys

    if pinned:
        return frozenset(pinned), []
    kek = common.key_encryption_key(database_url, key_file, create=False)
    return database.read_now(lambda c: keys.trusted(c, instance_id, kek))


def _write_checkpoint(
    database: Database, instance_id: str, database_url: str, key_file: Path | None
) -> Checkpoint | None:
    """The newest checkpoint, after a new one was made if there is anything new."""
    from mintgate.store.audit import checkpoint_rows, checkpoints

    kek = common.key_encryption_key(database_url, key_file, create=False)
    try:
        with database.begin() as tx:
            checkpoints.write(tx, instance_id, kek)
    except checkpoints.AuditLogTampered as tampered:
        common.fail(f"{tampered}. To export all the same: --no-checkpoint")
    return database.read_now(lambda c: checkpoint_rows.newest(c, instance_id))


def _is_read_after(seconds: float) -> bool:
    """Wait; false as soon as nobody reads our output any more."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # only what cannot be left out: errors, hang-ups
    gone = select.POLLERR | select.POLLHUP | select.POLLNVAL
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for _, event in poll.poll(left * 1000):
            if event & gone:
                return False
    return True


def _print_line(line: dict[str, object]) -> None:
    sys.stdout.write(json_text(line) + "\n")


def _progress() -> Callable[[int], None]:
    if not sys.stderr.isatty():
        return lambda rows: None
    return lambda rows: print(f"\r{rows:,} rows", end="", file=sys.stderr, flush=True)


def _expected(text: str) -> tuple[int, bytes]:
    number, _, digest = text.partition(":")
    try:
        found = int(number), bytes.fromhex(digest)
    except ValueError:
        found = 0, b""
    if len(found[1]) != 32:
        common.misuse("--expect is NUMBER:HASH, as `mintgate audit verify` prints it")
    return found


def _seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        common.misuse(f"{text!r} is no time such as 2031-01-31 or 2031-01-31T12:00:00Z")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
