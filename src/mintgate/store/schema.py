"""The schema's version: bringing a database to it, and refusing one that is newer."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from mintgate.store.database import Database
from mintgate.store.transaction import DatabaseUnavailable


def upgrade(database: Database) -> None:
    """Create the tables, or migrate them to what this program knows.

    Raises:
        DatabaseUnavailable: it cannot be opened or written, or a newer program has migrated it.
    """
    config = Config()
    scripts = _scripts(config)
    try:
        with database.engine.begin() as connection:
            current = _version_of(connection)
            head = scripts.get_current_head()
            if current == head:
                return
            if current is not None and current not in {
                s.revision for s in scripts.walk_revisions()
            }:
                raise DatabaseUnavailable(
                    f"the database has schema {current}, which this program does not know: "
                    "a newer mintgate has migrated it. Run that version, or restore a backup."
                )
            database.take_time(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        where = database.url.render_as_string(hide_password=True)
        raise DatabaseUnavailable(f"cannot open or write {where}: {error.orig}") from error


class SchemaCheck:
    """Whether a database has all that this program needs, asked while it runs.

    A newer program may have migrated it meanwhile: the one before goes on beside it.
    """

    def __init__(self) -> None:
        self._sufficient: str | None = None
        self._older: frozenset[str] | None = None

    def has_all(self, connection: Connection) -> bool:
        """Whether the schema is no older than this program."""
        version = _version_of(connection)
        if version is None:
            return False
        if version != self._sufficient:
            if self._older is None:
                self._older = _older_versions()
            if version in self._older:
                return False
            self._sufficient = version
        return True


def _older_versions() -> frozenset[str]:
    scripts = _scripts(Config())
    head = scripts.get_current_head()
    return frozenset(s.revision for s in scripts.walk_revisions() if s.revision != head)


def _scripts(config: Config) -> ScriptDirectory:
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config)


def _version_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
