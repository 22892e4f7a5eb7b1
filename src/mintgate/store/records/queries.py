"""Reading entities: one page, one entity, a count, and the targets of references."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from mintgate.store.records.attributes import Attribute, EntitySet, Kind
from mintgate.store.records.filters import Filter
from mintgate.store.records.problems import QueryProblem
from mintgate.store.records.source import Source

MAX_ROWS = 10_000
Row = dict[str, Any]
"""An entity: attribute names and values; an amount is a pair of hundredths and a currency."""


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What rows are asked for.

    Args:
        filter: the parsed `$filter`.
        search: words that must all be found, in any case [API-63].
        order: (path, descending) pairs; the id decides between equals.
        top: at most so many rows; None for all.
        after: only ids after this one, in order of ids: the place that `$skiptoken` keeps [API-65].
        language: the language of the response [API-68].
        now: Unix seconds, for `now()`.
    """

    filter: Any = None
    search: tuple[str, ...] = ()
    order: tuple[tuple[tuple[str, ...], bool], ...] = ()
    top: int | None = None
    skip: int = 0
    after: str | None = None
    count: bool = False
    language: str = "en"
    now: float = 0.0


class Page(msgspec.Struct, frozen=True):
    """Rows in order; `more` says whether others follow, `total` counts without paging."""

    rows: list[Row]
    total: int | None
    more: bool


def page(
    connection: Connection,
    instance_id: str,
    entity_set: EntitySet,
    attributes: Sequence[Attribute],
    query: ListQuery,
) -> Page:
    """The rows that `query` asks for, with the values of `attributes` and always the id.

    Raises:
        QueryProblem: the query is not one for this entity set, or has too many rows.
    """
    source = Source(connection, instance_id, entity_set, query.language)
    conditions = _conditions(source, query)
    order = [_ordered(source, path, descending) for path, descending in query.order]
    columns = _columns(source, attributes)
    total = _count(connection, source, conditions) if query.count else None
    if query.after is not None:
        conditions.append(source.table.c.id > query.after)
    limit = MAX_ROWS if query.top is None else min(query.top, MAX_ROWS)
    statement = (
        select(*columns)
        .select_from(source.rows)
        .where(*conditions)
        .order_by(*order, source.table.c.id)
        .limit(limit + 1)
        .offset(query.skip or None)
    )
    found = connection.execute(statement).mappings().all()
    if query.top is None and len(found) > limit:
        raise QueryProblem(f"more than {MAX_ROWS} entities match: use $top and follow the links")
    rows = [_row(attributes, values) for values in found[:limit]]
    return Page(rows, total, more=len(found) > limit)


def count(connection: Connection, instance_id: str, entity_set: EntitySet, query: ListQuery) -> int:
    """How many entities match, without paging."""
    source = Source(connection, instance_id, entity_set, query.language)
    return _count(connection, source, _conditions(source, query))


def by_ids(
    connection: Connection,
    instance_id: str,
    entity_set: EntitySet,
    attributes: Sequence[Attribute],
    ids: Iterable[str],
    language: str,
) -> dict[str, Row]:
    """Entities by id; those that do not exist are left out."""
    source = Source(connection, instance_id, entity_set, language)
    columns = _columns(source, attributes)
    wanted = sorted(set(ids))
    rows: dict[str, Row] = {}
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        statement = (
            select(*columns)
            .select_from(source.rows)
            .where(source.table.c.instance_id == instance_id, source.table.c.id.in_(some))
        )
        for values in connection.execute(statement).mappings():
            rows[values["id"]] = _row(attributes, values)
    return rows


def _conditions(source: Source, query: ListQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [source.table.c.instance_id == source.instance_id]
    if query.filter is not None:
        conditions.append(Filter(source, query.now).condition(query.filter))
    conditions += [_found(source, word.lower()) for word in query.search]
    return conditions


def _found(source: Source, word: str) -> ColumnElement[bool]:
    """Whether any of the set's search attributes holds the word, in any language."""
    places: list[ColumnElement[bool]] = []
    for path in source.entity_set.search:
        operand = source.resolve(path.split("/"))

        def holds(text: ColumnElement[Any]) -> ColumnElement[bool]:
            return source.position(source.lower(text), word) > 0

        if operand.kind is Kind.TRANSLATED:
            places.append(source.any_translation(operand, holds))
        else:
            places.append(holds(operand.expression))
    return or_(*places)


def _ordered(source: Source, path: tuple[str, ...], descending: bool) -> ColumnElement[Any]:
    # Null comes before every value (OData v4 §11.2.5.2); the databases differ by themselves.
    expression = source.text(source.resolve(path))
    if descending:
        return expression.desc().nulls_last()
    return expression.asc().nulls_first()


def _count(connection: Connection, source: Source, conditions: list[ColumnElement[bool]]) -> int:
    statement: Select[Any] = select(func.count()).select_from(source.rows).where(*conditions)
    return int(connection.execute(statement).scalar_one())


def _columns(source: Source, attributes: Sequence[Attribute]) -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = [source.table.c.id.label("id")]
    for attribute in attributes:
        if attribute.kind is Kind.DISPLAY:
            columns.append(source.resolve((attribute.name,)).expression.label(attribute.name))
        elif attribute.column != "id":
            columns += [source.table.c[name].label(name) for name in attribute.columns]
    return columns


def _row(attributes: Sequence[Attribute], values: Any) -> Row:
    row: Row = {"Id": values["id"]}
    for attribute in attributes:
        if attribute.kind is Kind.AMOUNT:
            value, currency = (values[name] for name in attribute.columns)
            row[attribute.name] = None if value is None else (value, currency)
        elif attribute.kind is Kind.DISPLAY:
            row[attribute.name] = values[attribute.name]
        else:
            row[attribute.name] = values[attribute.column]
    return row
