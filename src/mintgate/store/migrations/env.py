"""Alembic's entry point: it runs on the connection that `schema` hands over."""

from __future__ import annotations

from alembic import context

from mintgate.store import records  # noqa: F401 - adds its tables to the metadata
from mintgate.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
