"""The schema's version: bringing a database to it, and refusing one that is newer."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from mintgate.store.database import Database
from mintgate.store.revisions import revisions
from mintgate.store.transaction import DatabaseUnavailable


def upgrade(database: Database) -> None:
    """Create the tables, or migrate them to what this program knows.

    Raises:
        DatabaseUnavailable: it cannot be opened or written, or a newer program has migrated it.
    """
    known, heads = revisions()
    try:
        with database.engine.begin() as connection:
            current = _version_of(connection)
            if {current} == heads:
                return
            if current is not None and current not in known:
                raise DatabaseUnavailable(
                    f"the database has schema {current}, which this program does not know: "
                    "a newer mintgate has migrated it. Run that version, or restore a backup."
                )
            _migrate(connection)
    except DBAPIError as error:
        where = database.url.render_as_string(hide_password=True)
        raise DatabaseUnavailable(f"cannot open or write {where}: {error.orig}") from error


def _version_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
