"""Deleting many rows a few at a time, so that nobody waits long behind it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, select, tuple_

BATCH = 50
"""Rows that one transaction deletes: some five milliseconds of the one writer.

Their keys are random, so that each row is another page of the index that is read, written to the
journal and synced: a batch of 1,000 takes a tenth of a second and is no faster by the row.
"""


def delete_some(
    connection: Connection,
    table: Table,
    condition: ColumnElement[bool],
    limit: int = BATCH,
    *,
    first: Column[Any] | None = None,
) -> int:
    """Delete up to `limit` rows that meet `condition`; returns how many.

    A caller that gets `limit` back comes again, in another transaction.

    Args:
        first: a column whose smallest values go first. It has PostgreSQL take the index on it;
            by itself it would read the table from its beginning, past all rows that are gone.
    """
    some = select(*table.primary_key.columns).where(condition).limit(limit)
    if first is not None:
        some = some.order_by(first)
    # Rows that another process is deleting are its own; waiting for it would hold up the writer.
    # A common table expression, because PostgreSQL may run a subquery again and again.
    chosen = some.with_for_update(skip_locked=True).cte("chosen", nesting=True)
    key = tuple_(*table.primary_key.columns)
    return connection.execute(delete(table).where(key.in_(select(chosen)))).rowcount
