"""A release that does not exist yet: this one's migrations and one more."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from alembic import command

from mintgate.store import Database, schema

EXPAND = """
import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("favourite_colour", sa.String(20)))
"""


def with_migration(folder: Path, text: str) -> Path:
    """A copy of the migrations with one more; returns the folder for `schema.MIGRATIONS`."""
    head = schema._scripts().get_current_head()
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9001_next.py").write_text(text.replace("{head}", str(head)))
    return folder


def migrate_to(url: str, revision: str) -> None:
    """Make the tables as an older release did."""
    database, config = Database(url), schema._config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    database.close()


def migrate(url: str, *options: str) -> None:
    """Migrate as that release would; with `--contract` so that this one cannot go on."""
    contract = '\noldest_program = "9001"\n' if "--contract" in options else ""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as newer:
        migrations = with_migration(Path(folder) / "migrations", EXPAND + contract)
        newer.setattr(schema, "MIGRATIONS", migrations)
        database = Database(url)
        schema.upgrade(database)
        database.close()
