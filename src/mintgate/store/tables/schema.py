"""What the database says of itself: which programs may run on it, and whether it is whole."""

from __future__ import annotations

from sqlalchemy import Column, Double, Integer, String, Table

from mintgate.store.tables.common import metadata

# One row. It belongs to the database and to no instance, and is never copied.
schema_state = Table(
    "schema_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # The oldest program, by the newest migration that it knows, that may run on this schema.
    Column("oldest_program", String(32), nullable=False),
    # `copy` or `restore` while one fills this database, `backup` in the file of one: no program
    # runs on it. `run` says which one fills it, `since` (Unix seconds) when it began.
    Column("unfinished", String(16)),
    Column("run", String(32)),
    Column("since", Double),
)
