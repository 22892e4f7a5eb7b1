"""Statements of the paths that are measured: compiled once an engine, then given to the driver.

SQLAlchemy finds the text of an ordinary statement anew each time, which costs more than SQLite
takes to carry it out. These are made of the same tables and columns; their values must be what
the driver takes: see `json_text` and `from_columns`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ClauseElement, Connection, CursorResult

S = TypeVar("S", bound=msgspec.Struct)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Prepared:
    """A statement whose every value is a named `bindparam`."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None]] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        """Execute it; `values` may hold more than it names."""
        dialect = connection.dialect
        known = self._compiled.get(dialect.name)
        if known is None:
            made = self._statement.compile(dialect=dialect)
            order = tuple(made.positiontup) if made.positiontup is not None else None  # type: ignore[attr-defined]
            known = self._compiled[dialect.name] = (made.string, order)
        text, order = known
        given = dict(values) if order is None else tuple([values[name] for name in order])
        return connection.exec_driver_sql(text, given)


def json_text(value: object) -> str:
    """A value for a JSON column."""
    return _encode(value).decode()


def from_columns(struct: type[S], lists: Collection[str], row: Sequence[Any]) -> S:
    """The struct whose fields a row begins with, in their order.

    Args:
        lists: fields in JSON columns. psycopg decodes those, SQLite gives their text.
    """
    values: dict[str, Any] = {}
    for name, value in zip(struct.__struct_fields__, row, strict=False):
        if name in lists:
            value = tuple(_decode(value) if isinstance(value, str) else value)
        values[name] = value
    return struct(**values)
