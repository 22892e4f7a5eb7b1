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
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
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


def _version_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
