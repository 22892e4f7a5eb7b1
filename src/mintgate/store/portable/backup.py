"""Backups: one file for both engines, an SQLite database that no program runs on."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from mintgate.store import schema
from mintgate.store.database import Database
from mintgate.store.failures import DatabaseUnavailable
from mintgate.store.portable.copying import Progress, fill, no_progress, require_source
from mintgate.store.portable.problems import CopyProblem
from mintgate.store.portable.target import Target

HEADER = b"SQLite format 3\0"


class BackedUp(msgspec.Struct, frozen=True):
    """A backup that is safe on the disk.

    Args:
        at: the moment that it holds, Unix seconds.
        bytes: the size of the file.
    """

    at: float
    bytes: int


def back_up(database: Database, file: Path, progress: Progress = no_progress) -> BackedUp:
    """Write everything, as it is at this moment, into a new file; servers may run meanwhile.

    The file appears under its name when it is whole and on the disk. Only its owner can read it.

    Raises:
        CopyProblem: the file is there already or cannot be written.
        DatabaseUnavailable: the database cannot be read.
    """
    require_source(database, purpose="backup")
    if file.exists():
        raise CopyProblem(f"{file} is there already; name another file")
    at = database.clock()
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        if database.is_sqlite:
            _vacuum_into(database, part)
        else:
            _copy_into(database, part, progress)
        _mark(part, at)
        _publish(part, file)
    except FileExistsError:
        raise CopyProblem(f"{file} is there already; name another file") from None
    except OSError as error:
        raise CopyProblem(f"cannot write {file}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise CopyProblem(f"cannot write {file}: {error}") from error
    finally:
        for left in (part, *(part.with_name(part.name + end) for end in ("-wal", "-shm"))):
            left.unlink(missing_ok=True)
    return BackedUp(at, file.stat().st_size)


def is_backup(file: Path) -> bool:
    """Whether it is a whole backup; False for anything else that can be read."""
    with contextlib.closing(
        sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)
    ) as c:
        try:
            found = c.execute("SELECT unfinished, run FROM schema_state").fetchone()
        except sqlite3.Error:
            return False
    return bool(found == ("backup", None))


@contextlib.contextmanager
def opened(file: Path) -> Iterator[tuple[Database, float]]:
    """A private copy of a backup with this program's schema, and the moment that it holds.

    The file itself is never written. The copy goes where temporary files do (`TMPDIR`).

    Raises:
        CopyProblem: it cannot be read, is no backup, or is damaged.
        DatabaseUnavailable: a newer program has made it.
    """
    try:
        with file.open("rb") as stream:
            header = stream.read(len(HEADER))
    except OSError as error:
        raise CopyProblem(f"cannot read {file}: {error.strerror}") from error
    if header != HEADER or not is_backup(file):
        raise CopyProblem(
            f"{file} is not a backup; one is made with: mintgate db backup FILE --database URL"
        )
    with tempfile.TemporaryDirectory(prefix="mintgate-restore-") as folder:
        working = Path(folder) / "backup.db"
        try:
            shutil.copyfile(file, working)
            at = _unmark(working)
        except OSError as error:
            raise CopyProblem(
                f"cannot copy {file} to {folder}: {error.strerror}; set TMPDIR to a folder with "
                "enough room"
            ) from error
        except sqlite3.Error as error:
            raise CopyProblem(f"{file} is damaged: {error}") from error
        database = Database(f"sqlite:///{working}")
        try:
            schema.upgrade(database)
            yield database, at
        finally:
            database.close()


def _vacuum_into(database: Database, part: Path) -> None:
    # One read transaction, and a file without what was erased or is free.
    try:
        with database.engine.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.execute("VACUUM INTO ?", (str(part),)).close()
    except sqlite3.DatabaseError as error:
        if "malformed" in str(error):
            raise DatabaseUnavailable(
                f"the database is damaged: {error}; look with: mintgate db check"
            ) from error
        raise


def _copy_into(database: Database, part: Path, progress: Progress) -> None:
    target = Database(f"sqlite:///{part}", database.clock)
    try:
        into = Target.begin(target, "backup")
        fill(database, into, progress)
    finally:
        target.close()


def _mark(part: Path, at: float) -> None:
    """Have no program run on it, and leave it a single file."""
    with contextlib.closing(sqlite3.connect(part)) as connection:
        with connection:
            connection.execute(
                "UPDATE schema_state SET unfinished = 'backup', run = NULL, since = ?", (at,)
            )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")
        _require_whole(connection)


def _unmark(working: Path) -> float:
    with contextlib.closing(sqlite3.connect(working)) as connection, connection:
        _require_whole(connection)
        at: float = connection.execute("SELECT since FROM schema_state").fetchone()[0]
        connection.execute("UPDATE schema_state SET unfinished = NULL, since = NULL")
    return at


def _require_whole(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _publish(part: Path, file: Path) -> None:
    """Give it its name once it is on the disk; never over another file."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(part, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        part.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
