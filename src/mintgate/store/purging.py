"""Deleting many rows a few at a time, so that nobody waits long behind it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, delete, select, tuple_

BATCH = 1000
"""Rows of one table that one transaction deletes: some ten milliseconds of the one writer."""


def delete_some(
    connection: Connection, table: Table, condition: ColumnElement[bool], limit: int = BATCH
) -> int:
    """Delete up to `limit` rows that meet `condition`; returns how many.

    A caller that gets `limit` back comes again, in another transaction.
    """
    key = tuple_(*table.primary_key.columns)
    some = select(*table.primary_key.columns).where(condition).limit(limit)
    return connection.execute(delete(table).where(key.in_(some))).rowcount
