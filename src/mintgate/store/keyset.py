"""Keyset paging: a part of a list starts after the last row of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Label,
    RowMapping,
    Select,
    Table,
    and_,
    or_,
    select,
)

Place = Sequence[str | int | float]
"""The values of the order columns of the last row that was seen."""
Order = Sequence[tuple[Column[Any] | Label[Any], bool]]
"""Columns (or what is selected beside them), and whether each descends."""


class BadPlace(ValueError):
    """This is no place in that list."""


class Part(msgspec.Struct, frozen=True):
    """Rows, and where the next part starts; None at the end."""

    rows: list[Any]
    following: Place | None


def merged(first: Part, second: Part, order: Order, limit: int) -> Part:
    """The beginning of two parts of one list in its order, which descends; each row once.

    Both are read by an index of their own. By one condition for both, SQLite walks the whole log.
    """

    def place(row: RowMapping) -> tuple[Any, ...]:
        return tuple(row[column.name] for column, _ in order)

    found = {place(row): row for part in (first, second) for row in part.rows}
    places = sorted(found, reverse=True)
    # A part that goes on says nothing of what comes after its last row.
    is_all = first.following is None and second.following is None and len(places) <= limit
    places = places[:limit]
    return Part([found[one] for one in places], None if is_all else list(places[-1]))


def part_of(
    connection: Connection,
    table: Table,
    instance_id: str,
    conditions: Sequence[ColumnElement[bool]],
    order: Order,
    after: Place | None,
    limit: int,
    statement: Select[Any] | None = None,
) -> Part:
    """The rows of an instance that come after a place.

    Args:
        statement: selects them; the whole table without.

    Raises:
        BadPlace: `after` is no place in this order.
    """
    wanted = select(table) if statement is None else statement
    wanted = wanted.where(table.c.instance_id == instance_id, *conditions)
    if after is not None:
        wanted = wanted.where(is_after(order, after))
    wanted = wanted.order_by(*(c.desc() if descends else c.asc() for c, descends in order))
    rows = list(connection.execute(wanted.limit(limit + 1)).mappings())
    if len(rows) <= limit:
        return Part(rows, None)
    rows = rows[:limit]
    return Part(rows, [rows[-1][column.name] for column, _ in order])


def is_after(order: Order, place: Place) -> ColumnElement[bool]:
    """Raises BadPlace."""
    _require_fitting(order, place)
    alternatives = []
    for index, (column, descends) in enumerate(order):
        equal = [earlier == place[i] for i, (earlier, _) in enumerate(order[:index])]
        beyond = column < place[index] if descends else column > place[index]
        alternatives.append(and_(*equal, beyond))
    (first, descends), value = order[0], place[0]
    # Follows from the rest; an index is entered there, and not at its beginning.
    return and_(first <= value if descends else first >= value, or_(*alternatives))


def _require_fitting(order: Order, place: Place) -> None:
    if len(place) != len(order) or not all(
        _fits(column, value) for (column, _), value in zip(order, place, strict=True)
    ):
        raise BadPlace


def _fits(column: Column[Any] | Label[Any], value: object) -> bool:
    if column.type.python_type is str:
        return isinstance(value, str) and "\0" not in value  # PostgreSQL takes no NUL
    # Beyond 64 bits is nothing that a driver takes.
    return isinstance(value, int | float) and abs(value) < 2**63
