"""An INSERT that says what happens when the row is there already, on either engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Table

from mintgate.store.transaction import Transaction

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def insert_into(tx: Transaction, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows `ON CONFLICT`: standard SQL does not, and the engines agree on it."""
    return insert_at(tx.connection.dialect.name, table)


def insert_at(engine: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """The same for an engine by its name."""
    # Imported here: a dialect takes part in every start, and one of them is never used.
    if engine == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
