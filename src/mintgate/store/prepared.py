"""Statements of the paths that are measured: compiled once an engine, then given to the driver.

SQLAlchemy finds the text of an ordinary statement anew each time, which costs more than SQLite
takes to carry it out. These are made of the same tables and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy import ClauseElement, Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from mintgate.store import tallies

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
Process = Callable[[Any], Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
MAX_ROWS = 64
"""Of one statement."""


class _Compiled(NamedTuple):
    """A statement as one engine's driver takes it.

    Args:
        order: the names of the values, where the driver takes them by their places.
        constant: values that stand in the statement itself, by the names that they got.
        given: what makes of a value what the driver takes, where it takes another one.
        taken: the names of the columns, and what makes a value of what the driver gives.
    """

    text: str
    order: tuple[str, ...] | None
    constant: dict[str, Any]
    given: tuple[tuple[str, Process], ...]
    taken: tuple[tuple[str, Process | None], ...]


class Prepared:
    """A statement whose values are constants, or named `bindparam`s.

    It goes to the driver directly, in the transaction of the connection that it is given; what the
    driver raises comes out as SQLAlchemy would raise it.

    Args:
        statement: or what makes it, given the name of an engine, `sqlite` or `postgresql`.
    """

    def __init__(self, statement: ClauseElement | Callable[[str], ClauseElement]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """The first row, as the driver gives it; `values` may hold more than the statement names.

        See `from_columns` for what is JSON; SQLite's booleans are numbers.
        """
        # All are fetched: until then SQLite would not commit.
        rows = self._run(connection, values, _all_rows)
        return rows[0] if rows else None

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All rows by the names of their columns, as SQLAlchemy would give them."""
        rows = self._run(connection, values, _all_rows)
        taken = self._for(connection.dialect).taken
        return [
            {
                name: value if process is None else process(value)
                for (name, process), value in zip(taken, row, strict=True)
            }
            for row in rows
        ]

    def row(self, connection: Connection, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The first of these rows."""
        rows = self.rows(connection, values)
        return rows[0] if rows else None

    def changed(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """How many rows it changed."""
        count: int = self._run(connection, values, lambda cursor: cursor.rowcount)
        return count

    def _run(
        self, connection: Connection, values: Mapping[str, Any], outcome: Callable[[Any], T]
    ) -> T:
        compiled = self._compiled.get(connection.dialect.name) or self._for(connection.dialect)
        if compiled.constant:
            values = {**values, **compiled.constant}
        if compiled.given:
            values = {**values, **{name: make(values[name]) for name, make in compiled.given}}
        order = compiled.order
        given = values if order is None else [values[name] for name in order]
        return run(connection, compiled.text, given, outcome)

    def _for(self, dialect: Dialect) -> _Compiled:
        known = self._compiled.get(dialect.name)
        if known is None:
            statement = self._statement
            if not isinstance(statement, ClauseElement):
                statement = statement(dialect.name)
            known = self._compiled[dialect.name] = _compiled(statement, dialect)
        return known


def _compiled(statement: ClauseElement, dialect: Dialect) -> _Compiled:
    made: Any = statement.compile(dialect=dialect)
    given = (
        (name, _type(bind.type, dialect).bind_processor(dialect))
        for name, bind in made.binds.items()
    )
    columns: Any = getattr(statement, "exported_columns", {})
    return _Compiled(
        text=made.string,
        order=tuple(made.positiontup) if made.positiontup is not None else None,
        constant={name: bind.value for name, bind in made.binds.items() if not bind.required},
        given=tuple((name, process) for name, process in given if process is not None),
        taken=tuple((name, _taking(column.type, dialect)) for name, column in columns.items()),
    )


def _taking(declared: TypeEngine[Any], dialect: Dialect) -> Process | None:
    if dialect.name != "sqlite":
        return None  # psycopg knows booleans and JSON by itself
    return _type(declared, dialect).result_processor(dialect, None)


def _type(declared: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    return declared.dialect_impl(dialect)


def _all_rows(cursor: Any) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = cursor.fetchall()
    return rows


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
        how = "execute" if dialect == "sqlite" else "execute_raw"
        for start in range(0, len(rows), MAX_ROWS):
            some = rows[start : start + MAX_ROWS]
            given = [value for row in some for value in row]
            run(connection, self.text(dialect, len(some)), given, _nothing, how=how)

    def text(self, dialect: str, count: int) -> str:
        """The statement for so many rows; its values are theirs, one row after the other."""
        text = self._texts.get((dialect, count))
        if text is None:
            width = len(self.columns)
            places = range(1, width * count + 1)
            marks = ["?" if dialect == "sqlite" else f"${place}" for place in places]
            rows = (", ".join(marks[at : at + width]) for at in range(0, len(marks), width))
            text = self._texts[dialect, count] = self._head + ", ".join(f"({row})" for row in rows)
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
