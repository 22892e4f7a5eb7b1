"""Which tables are copied, in which order, and their values as both engines have them.

JSON is copied as the text that is stored, so that not a letter of it changes. Every other value is
what SQLAlchemy makes of it, which is the same on both engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Dialect,
    Select,
    String,
    Table,
    TableClause,
    Text,
    cast,
    collate,
    column,
    select,
    table,
    type_coerce,
)

from mintgate.store import records
from mintgate.store.tables import instances, metadata, schema_state

assert records  # noqa: S101 - its tables belong to the metadata

# What is named comes before what names it. Instances come last, so that no server which looks at
# the target answers for one that is not whole yet.
TABLES: tuple[Table, ...] = (
    *(t for t in metadata.sorted_tables if t not in {instances, schema_state}),
    instances,
)
Row = Sequence[Any]


def reading(of: Table, dialect: Dialect, *, in_order: bool = False) -> Select[Any]:
    """All rows of a table.

    Args:
        in_order: by key, in an order that is the same on both engines.
    """
    statement = select(*(_as_copied(c, dialect) for c in of.columns))
    if in_order:
        statement = statement.order_by(*(_in_order(c, dialect) for c in of.primary_key.columns))
    return statement


def writing(of: Table) -> TableClause:
    """The same table for those who write copied values: its JSON is text."""
    return table(of.name, *(column(c.name, _type(c)) for c in of.columns))


def key_of(of: Table, row: Row) -> str:
    """How a message names a row."""
    values = zip(of.columns, row, strict=True)
    return ", ".join(f"{c.name} {value!r}" for c, value in values if c.primary_key)


def sort_key(of: Table, row: Row) -> tuple[Any, ...]:
    """By which rows compare as `reading(in_order=True)` orders them."""
    # Code points, as Python compares texts, are in the order of the bytes of UTF-8.
    return tuple(value for c, value in zip(of.columns, row, strict=True) if c.primary_key)


def _as_copied(of: ColumnElement[Any], dialect: Dialect) -> ColumnElement[Any]:
    if not isinstance(of.type, JSON):
        return of
    return cast(of, Text) if dialect.name == "postgresql" else type_coerce(of, Text)


def _in_order(of: ColumnElement[Any], dialect: Dialect) -> ColumnElement[Any]:
    # PostgreSQL orders texts by the language of the database, SQLite by their bytes.
    if dialect.name == "postgresql" and isinstance(of.type, String):
        return collate(of, "C")
    return of


def _type(of: ColumnElement[Any]) -> Any:
    return Text() if isinstance(of.type, JSON) else of.type
