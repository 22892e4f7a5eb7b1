"""A release that does not exist yet: this one's migrations and one more.

`python -m tests.newer_release DATABASE_URL [--contract]` migrates as that release would.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

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


def main(url: str, *options: str) -> None:
    contract = '\noldest_program = "9001"\n' if "--contract" in options else ""
    with tempfile.TemporaryDirectory() as folder:
        schema.MIGRATIONS = with_migration(Path(folder) / "migrations", EXPAND + contract)
        database = Database(url)
        schema.upgrade(database)
        database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
