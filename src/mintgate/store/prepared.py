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

from mintgate.store import tallies

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_MARKS = {"sqlite": "?", "postgresql": "%s"}
MAX_ROWS = 64
"""Of one statement."""


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
        return run(connection, text, given, outcome)


class ManyRows:
    """An INSERT of many rows at once: each statement costs PostgreSQL a way there and back.

    Outside of a transaction it is one statement on SQLite, too, which commits by itself.

    Args:
        table: its name.
        columns: of the values of a row, in their order.
    """

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608 - constants
        self._texts: dict[tuple[str, int], str] = {}

    def insert(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, as many as they are."""
        dialect = connection.dialect.name
        raw: Any = connection.connection.dbapi_connection
        if dialect == "sqlite" and raw.in_transaction:
            # SQLite is faster with one row after the other than with hundreds of values.
            run(connection, self.text(dialect, 1), rows, _nothing, how="executemany")
            return
        for start in range(0, len(rows), MAX_ROWS):
            some = rows[start : start + MAX_ROWS]
            given = [value for row in some for value in row]
            run(connection, self.text(dialect, len(some)), given, _nothing)

    def text(self, dialect: str, count: int) -> str:
        """The statement for so many rows; its values are theirs, one row after the other."""
        text = self._texts.get((dialect, count))
        if text is None:
            row = f"({', '.join([_MARKS[dialect]] * len(self.columns))})"
            text = self._texts[dialect, count] = self._head + ", ".join([row] * count)
        return text


def run(
    connection: Connection,
    text: str,
    given: Any,
    outcome: Callable[[Any], T],
    *,
    how: str = "execute",
) -> T:
    """Have the driver carry out a statement, and take the outcome from its cursor.

    Args:
        given: the values, as `how` takes them.
        how: the driver's method.

    Raises:
        DBAPIError: of the kind that SQLAlchemy would raise; it names no values.
    """
    dialect = connection.dialect
    raw: Any = connection.connection.dbapi_connection
    drivers_error = dialect.loaded_dbapi.Error
    try:
        cursor = getattr(raw, how)(text, given)
        try:
            return outcome(cursor)
        finally:
            cursor.close()
    except drivers_error as error:
        is_lost = dialect.is_disconnect(error, raw, None)
        raised = DBAPIError.instance(
            text,
            None,
            error,
            drivers_error,
            hide_parameters=True,
            connection_invalidated=is_lost,
            dialect=dialect,
        )
        tallies.count_failure(raised, is_disconnect=is_lost)  # SQLAlchemy has not seen it
        raise raised from error


def _nothing(_cursor: object) -> None:
    """The outcome of a statement that has none."""


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
