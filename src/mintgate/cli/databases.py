"""`mintgate db …`: the database as a whole. Its schema and its state are here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mintgate.cli import common, records
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, KeyFile

if TYPE_CHECKING:
    from mintgate.store import Database
    from mintgate.store.keys import KeyEncryptionKey

db_commands = typer.Typer(
    help="The database as a whole: upgrade, check, copy, backup, restore.", no_args_is_help=True
)
_MARKS = {"ok": "ok", "note": "NOTE", "wrong": "WRONG"}


@db_commands.command("upgrade")
def upgrade(database_url: DatabaseUrl = DEFAULT_DATABASE) -> None:
    """Create the tables, or migrate them to what this release needs. Servers may run meanwhile.

    `mintgate serve` does the same at its start.
    """
    from mintgate.store import schema

    database = opened(database_url)
    with common.refusals():
        found = schema.upgrade(database)
    if found.standing is schema.Standing.NEWER:
        typer.echo(
            f"The schema is {found.revision}, which is newer than this program needs "
            f"({found.head}); it may run on it."
        )
    elif found.standing is schema.Standing.CURRENT:
        typer.echo(f"The schema is {found.revision} already; nothing to do.")
    else:
        begin = "Created the tables" if found.revision is None else f"Migrated {found.revision}"
        typer.echo(f"{begin} → {found.head}.")


@db_commands.command("check")
def check(
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    key_file: KeyFile = None,
) -> None:
    """Look whether this program can run on the database. Changes nothing; exit code 1 if not."""
    from mintgate.store.checking import check as findings_of

    common.require_existing(database_url)
    database = opened(database_url)

    def key() -> KeyEncryptionKey:
        return common.key_encryption_key(database_url, key_file, create=False)

    findings = []
    with common.refusals():
        for finding in findings_of(database, key):
            findings.append(finding)
            if not as_json:
                typer.echo(f"{_MARKS[finding.verdict]:6}{finding.name:14}{finding.text}")
                if finding.advice:
                    typer.echo(f"{'':20}→ {finding.advice}")
    wrong = sum(finding.verdict == "wrong" for finding in findings)
    if as_json:
        records.print_json({"good": not wrong, "findings": findings})
    if wrong:
        common.fail(f"{wrong} of {len(findings)} checks found something wrong")


def opened(url: str) -> Database:
    """The database as it is, whatever its schema; or exit code 1."""
    from mintgate.store import Database, DatabaseUnavailable

    try:
        return Database(url)
    except DatabaseUnavailable as error:
        common.fail(f"{error}; check the URL")
