"""Looking at a database without changing it: what is wrong with it, and what to do."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, select

from mintgate.store import instances, records, schema
from mintgate.store.database import Database
from mintgate.store.housekeeping import overdue
from mintgate.store.key_encryption import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.schema import Schema, Standing
from mintgate.store.sealing import require_opens
from mintgate.store.tables import metadata, signing_keys

assert records  # noqa: S101 - its tables belong to the metadata
Verdict = Literal["ok", "note", "wrong"]
LATE_SECONDS = 24 * 3600.0
"""What should have been removed that long ago shows that no server removes it."""
MAX_SHOWN = 5


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Args:
        text: what was found.
        advice: what to do, when something is not as it should be.
    """

    name: str
    verdict: Verdict
    text: str
    advice: str = ""


def check(database: Database, kek: Callable[[], KeyEncryptionKey]) -> Iterator[Finding]:
    """Look at everything, as far as what was found before allows it.

    Args:
        kek: brings the key-encryption key; may raise KeyEncryptionProblem.

    Raises:
        DatabaseUnavailable: it cannot be read.
    """
    yield database.read_now(_engine)
    if (mode := _file_mode(database)) is not None:
        yield mode
    found = schema.state(database)
    yield _schema(found)
    # A backup is whole but for that it must not be run; everything else can be looked at.
    if found.standing not in {Standing.CURRENT, Standing.NEWER}:
        return
    if found.standing is Standing.CURRENT:
        yield database.read_now(_tables)
    yield database.read_now(_integrity)
    yield database.read_now(_instances)
    yield database.read_now(lambda connection: _keys(connection, kek))
    yield database.read_now(lambda connection: _housekeeping(connection, database.clock()))


def _engine(connection: Connection) -> Finding:
    version = ".".join(map(str, connection.dialect.server_version_info or ()))
    if connection.dialect.name == "sqlite":
        import sqlite3

        return Finding("engine", "ok", f"SQLite {sqlite3.sqlite_version}")
    text = f"PostgreSQL {version}"
    ask = connection.exec_driver_sql
    if ask("SHOW server_encoding").scalar_one() != "UTF8":
        return Finding(
            "engine",
            "wrong",
            f"{text}, whose encoding is not UTF8",
            "create the database with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )
    if ask("SELECT pg_is_in_recovery()").scalar_one():
        return Finding(
            "engine", "wrong", f"{text}, a replica that cannot be written", "name the primary"
        )
    if ask("SHOW default_transaction_read_only").scalar_one() == "on":
        return Finding(
            "engine",
            "wrong",
            f"{text}, which may only be read",
            "set default_transaction_read_only = off for the database or the user",
        )
    return Finding("engine", "ok", text)


def _file_mode(database: Database) -> Finding | None:
    if not database.is_sqlite or not database.url.database:
        return None
    file = Path(database.url.database)
    if not file.is_file() or not file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    return Finding(
        "file",
        "note",
        f"others than its owner may read {file}, which holds hashes of secrets",
        f"chmod 600 {file}",
    )


def _schema(found: Schema) -> Finding:
    text = f"{found.revision}, and this program knows up to {found.head}"
    try:
        found.require_runnable()
    except schema.NotRunnable as problem:
        return Finding("schema", "wrong", text, str(problem))
    match found.standing:
        case Standing.EMPTY:
            return Finding(
                "schema", "wrong", "there are no tables", "create them with: mintgate db upgrade"
            )
        case Standing.OLDER:
            return Finding(
                "schema",
                "wrong",
                text,
                "migrate it with: mintgate db upgrade (mintgate serve does it, too)",
            )
        case Standing.NEWER:
            return Finding(
                "schema",
                "note",
                f"{text}; the newer release says that this one may run on it",
                "bring every server to the newer release",
            )
        case _:
            return Finding("schema", "ok", f"{found.revision}, which is what this program needs")


def _tables(connection: Connection) -> Finding:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    different = [text for op in compare_metadata(context, metadata) for text in _told(op)]
    if not different:
        return Finding("tables", "ok", "all tables, columns and indexes are as they should be")
    return Finding(
        "tables",
        "wrong",
        _listed(different),
        "somebody has changed the tables by hand: undo it, or copy into a new database with: "
        "mintgate db copy",
    )


def _told(operation: Any) -> Iterator[str]:
    if isinstance(operation, list):  # the changes of one column
        for part in operation:
            yield from _told(part)
        return
    kind, *rest = operation
    if kind == "remove_table":
        return  # others may have tables here
    names = [getattr(part, "name", part) for part in rest]
    yield f"{kind} {'.'.join(str(name) for name in names if isinstance(name, str))}".strip()


def _integrity(connection: Connection) -> Finding:
    name, ask = "integrity", connection.exec_driver_sql
    if connection.dialect.name == "sqlite":
        problems = [row[0] for row in ask("PRAGMA integrity_check") if row[0] != "ok"]
        problems += [
            f"row {row[1]} of {row[0]} names a row of {row[2]} that is not there"
            for row in ask("PRAGMA foreign_key_check")
        ]
        advice = "restore a backup: mintgate db restore"
    else:
        ask("SET LOCAL statement_timeout = 0")
        problems = [
            f"the index {row[0]} is not valid"
            for row in ask(
                "SELECT indexrelid::regclass FROM pg_index JOIN pg_class ON pg_class.oid = indrelid"
                " WHERE NOT (indisvalid AND indisready)"
                " AND relnamespace = current_schema()::regnamespace"
            )
        ]
        problems += [
            f"the constraint {row[0]} was never validated"
            for row in ask(
                "SELECT conname FROM pg_constraint WHERE NOT convalidated"
                " AND connamespace = current_schema()::regnamespace"
            )
        ]
        advice = "REINDEX INDEX …, or ALTER TABLE … VALIDATE CONSTRAINT …"
    if problems:
        return Finding(name, "wrong", _listed(problems), advice)
    return Finding(name, "ok", "every row that is named is there, and indexes are whole")


def _instances(connection: Connection) -> Finding:
    found = instances.all_of(connection)
    if not found:
        return Finding(
            "instances", "note", "there is none yet", "mintgate init, then mintgate apply FILE"
        )
    return Finding("instances", "ok", ", ".join(f"{i.name} ({i.base_url})" for i in found))


def _keys(connection: Connection, kek: Callable[[], KeyEncryptionKey]) -> Finding:
    name = "keys"
    living = (
        select(signing_keys.c.instance_id, func.count().label("living"))
        .where(signing_keys.c.ended_at.is_(None))
        .group_by(signing_keys.c.instance_id)
    )
    counted = {row.instance_id: row.living for row in connection.execute(living)}
    without = [i.name for i in instances.all_of(connection) if i.id not in counted]
    if without:
        return Finding(
            name,
            "wrong",
            f"no signing key lives in {', '.join(without)}",
            "make one with: mintgate key rotate --at-once --instance NAME",
        )
    if not counted:
        return Finding(name, "ok", "nothing is sealed yet")
    try:
        require_opens(connection, kek())
    except KeyEncryptionProblem as problem:
        return Finding(name, "wrong", "the key-encryption key does not open them", str(problem))
    total = sum(counted.values())
    return Finding(name, "ok", f"the key-encryption key opens all signing keys ({total} live)")


def _housekeeping(connection: Connection, now: float) -> Finding:
    late = [
        f"{count} {kind} of {instance.name}"
        for instance in instances.all_of(connection)
        for kind, count in overdue(connection, instance.id, now - LATE_SECONDS).items()
    ]
    if not late:
        return Finding("housekeeping", "ok", "nothing waits for longer than a day to be removed")
    return Finding(
        "housekeeping",
        "note",
        f"to be removed for more than a day: {_listed(late)}",
        "a running server removes them bit by bit; when one has been running for hours, look at "
        "its log",
    )


def _listed(texts: list[str]) -> str:
    more = len(texts) - MAX_SHOWN
    return "; ".join(texts[:MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")
