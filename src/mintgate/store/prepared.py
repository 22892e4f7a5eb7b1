"""Statements of the paths that are measured: compiled once an engine, then given to the driver.

SQLAlchemy finds the text of an ordinary statement anew each time, which costs more than SQLite
takes to carry it out. These are made of the same tables and columns; their values must be what
the driver takes: see `json_text` and `from_columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ClauseElement, Connection
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Prepared:
    """A statement whose every value is a named `bindparam`.

    It goes to the driver directly, in the transaction of the connection that it is given; what the
    driver raises comes out as SQLAlchemy would raise it.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None]] = {}

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """The first row; `values` may hold more than the statement names."""
        # All are fetched: until then SQLite would not commit.
        rows = self._run(connection, values, lambda cursor: cursor.fetchall())
        return rows[0] if rows else None

    def changed(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """How many rows it changed."""
        count: int = self._run(connection, values, lambda cursor: cursor.rowcount)
        return count

    def _run(
        self, connection: Connection, values: Mapping[str, Any], outcome: Callable[[Any], T]
    ) -> T:
        dialect = connection.dialect
        known = self._compiled.get(dialect.name)
        if known is None:
            made = self._statement.compile(dialect=dialect)
            order = tuple(made.positiontup) if made.positiontup is not None else None  # type: ignore[attr-defined]
            known = self._compiled[dialect.name] = (made.string, order)
        text, order = known
        given = values if order is None else [values[name] for name in order]
        raw: Any = connection.connection.dbapi_connection
        drivers_error = dialect.loaded_dbapi.Error
        try:
            cursor = raw.execute(text, given)
            try:
                return outcome(cursor)
            finally:
                cursor.close()
        except drivers_error as error:
            raise DBAPIError.instance(
                text, None, error, drivers_error, hide_parameters=True, dialect=dialect
            ) from error


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
