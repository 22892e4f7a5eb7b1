"""The schema's version: what a program may run on, and bringing a database to what it needs.

Migrations are expand-then-contract (ADR 10): a release runs beside its predecessor on one schema.
A row of the database says which program is the oldest that may run on it.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, inspect, select, text, update
from sqlalchemy.exc import DBAPIError

from mintgate.store.database import Database
from mintgate.store.failures import DatabaseUnavailable
from mintgate.store.revisions import revisions
from mintgate.store.tables import schema_state

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE_LOCK = 0x6D696E7467617465  # "mintgate"
"""The advisory lock of PostgreSQL that whoever migrates holds."""
OTHERS_SECONDS = 600
"""How long one waits for another that migrates."""
TABLE_SECONDS = 5
"""How long a migration waits for a table: whoever asks after it waits behind it."""
TRIES = 3


class Standing(enum.Enum):
    """How a schema stands to this program."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer, and this program may run on it"
    TOO_NEW = "too new"


class Schema(NamedTuple):
    """What a database says of its schema.

    Args:
        revision: its newest migration; None when it has no table of ours.
        head: the newest migration of this program.
        oldest_program: the newest migration of the oldest program that may run on it.
        unfinished: `copy`, `restore` or `backup`, when no program may run on it.
        since: when that began, Unix seconds.
    """

    revision: str | None
    head: str
    standing: Standing
    oldest_program: str | None = None
    unfinished: str | None = None
    since: float | None = None

    def require_runnable(self) -> None:
        """Raises NotRunnable when this program must not run on it, with what to do."""
        if self.unfinished is not None:
            raise NotRunnable(UNFINISHED[self.unfinished])
        if self.standing is Standing.TOO_NEW:
            needs = (
                f"it needs a program that knows {self.oldest_program}, and this one knows up to "
                f"{self.head}"
                if self.oldest_program is not None
                else f"this program knows up to {self.head}"
            )
            raise NotRunnable(
                f"the database has schema {self.revision}: a newer mintgate has migrated it, and "
                f"{needs}. Run that release or a newer one, or restore a backup"
            )


UNFINISHED = {
    "copy": "the database is the target of a copy that has not ended. Wait for it; when it was "
    "interrupted, run it again with: mintgate db copy … --restart",
    "restore": "the database is the target of a restore that has not ended. Wait for it; when it "
    "was interrupted, run it again with: mintgate db restore … --restart",
    "backup": "the file is a backup: revoked tokens may be alive in it, so nothing runs on it. "
    "Restore it into an empty database with: mintgate db restore FILE --database URL",
}


class NotRunnable(DatabaseUnavailable):
    """This program must not run on the database: its schema is too new, or it is not whole."""


class NeedsUpgrade(DatabaseUnavailable):
    """The schema is older than this program needs."""

    def __init__(self, found: Schema) -> None:
        super().__init__(
            f"the database has schema {found.revision} and this program needs {found.head}; "
            "migrate it with: mintgate db upgrade"
        )


def state(database: Database) -> Schema:
    """Look at the schema; nothing is changed.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    try:
        return database.read_now(_state)
    except DBAPIError as error:
        raise _unavailable(database, error) from error


def require_current(database: Database) -> Schema:
    """The schema, when this program may run on it as it is.

    Raises:
        NeedsUpgrade: it is older, or empty.
        NotRunnable: it is too new or unfinished.
        DatabaseUnavailable: it cannot be read.
    """
    found = state(database)
    found.require_runnable()
    if found.standing in {Standing.EMPTY, Standing.OLDER}:
        raise NeedsUpgrade(found)
    return found


def upgrade(database: Database) -> Schema:
    """Create the tables, or migrate them to what this program knows, in one transaction.

    Of several processes that start at once one migrates, and the others wait for it: by an
    advisory lock on PostgreSQL, by the one writer on SQLite.

    Returns:
        What was found.

    Raises:
        NotRunnable: it is too new or unfinished.
        DatabaseUnavailable: it cannot be opened or written.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            found = state(database)
            found.require_runnable()
            if found.standing in {Standing.CURRENT, Standing.NEWER}:
                return found
            with database.engine.begin() as connection:
                return _upgrade(connection)
        except DBAPIError as error:
            if not (_is_lock_timeout(error) and tries_left):
                raise _unavailable(database, error) from error
        except DatabaseUnavailable as error:
            # Also to look one waits for who migrates, when that one began with a new SQLite file.
            if not (_is_locked(error.__cause__) and tries_left):
                raise
    raise AssertionError  # the last try returns or raises


def _upgrade(connection: Connection) -> Schema:
    if connection.dialect.name == "postgresql":
        # Of the transaction and not of the session: PgBouncer may give that one to others.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{OTHERS_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TABLE_SECONDS}s'")
    found = _state(connection)
    found.require_runnable()
    if found.standing in {Standing.EMPTY, Standing.OLDER}:
        from alembic import command

        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.execute(update(schema_state).values(oldest_program=oldest_program(_scripts())))
    return found


def _state(connection: Connection) -> Schema:
    known, (head,) = revisions(MIGRATIONS / "versions")
    revision = _revision(connection)
    row = None
    if revision is not None and inspect(connection).has_table(schema_state.name):
        row = connection.execute(select(schema_state)).first()
    oldest = row.oldest_program if row is not None else None
    if revision is None:
        standing = Standing.EMPTY
    elif revision == head:
        standing = Standing.CURRENT
    elif revision in known:
        standing = Standing.OLDER
    else:
        standing = Standing.NEWER if oldest in known else Standing.TOO_NEW
    unfinished, since = (row.unfinished, row.since) if row is not None else (None, None)
    return Schema(revision, head, standing, oldest, unfinished, since)


def oldest_program(scripts: ScriptDirectory) -> str:
    """The revision that a program must know to run on the newest schema.

    A migration that takes something away which the release before uses says so by a global of
    that name; the newest one counts.
    """
    for script in scripts.walk_revisions():
        said: str | None = getattr(script.module, "oldest_program", None)
        if said is not None:
            return said
    raise LookupError("no migration names the oldest program")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())


def _is_lock_timeout(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == "55P03"  # lock_not_available


def _is_locked(error: BaseException | None) -> bool:
    return isinstance(error, DBAPIError) and "database is locked" in str(error.orig)


def _unavailable(database: Database, error: DBAPIError) -> DatabaseUnavailable:
    where = database.url.render_as_string(hide_password=True)
    if _is_lock_timeout(error):
        return DatabaseUnavailable(
            f"a table of {where} is in use by a long transaction, so it cannot be migrated now; "
            "try again"
        )
    return DatabaseUnavailable(f"cannot open or write {where}: {error.orig}")


class SchemaCheck:
    """Whether this program may run on a database, asked while it runs.

    A newer program may have migrated it meanwhile: the one before goes on beside it, unless the
    newer one says otherwise.
    """

    def __init__(self) -> None:
        self._seen: object = None
        self._is_runnable = False

    def has_all(self, connection: Connection) -> bool:
        """Whether the schema has all that this program needs."""
        revision = _revision(connection)
        try:
            row = connection.execute(select(schema_state)).first()
        except DBAPIError:  # an older schema has no such table
            return False
        if (seen := (revision, row)) != self._seen:
            found = _state(connection)
            self._is_runnable = found.unfinished is None and found.standing in {
                Standing.CURRENT,
                Standing.NEWER,
            }
            self._seen = seen
        return self._is_runnable
