"""Grouped aggregates over a cube, computed by the database [API-36]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Double, Subquery, cast, func, select

from mintgate.store.records import functions
from mintgate.store.records.cubes import Cube, Dimension, Measure
from mintgate.store.records.filters import Filter
from mintgate.store.records.problems import QueryProblem
from mintgate.store.records.source import Operand, Source

T = TypeVar("T")
MAX_DIMENSIONS = 8
MAX_MEASURES = 16
MAX_GROUPS = 10_000


class CubeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be computed.

    Args:
        dimensions: to group by, in the order of the answer; none gives one group of everything.
        measures: at least one.
        filter: the parsed `$filter` over the facts.
        order: (name of a dimension or measure of this query, descending) pairs; dimensions decide
            between equals.
        top: at most so many groups; None for all.
        language: in which texts of several languages are grouped and shown [API-68].
        now: Unix seconds, for `now()`.
    """

    dimensions: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    filter: Any = None
    order: tuple[tuple[str, bool], ...] = ()
    top: int | None = None
    language: str = "en"
    now: float = 0.0


class Groups(msgspec.Struct, frozen=True):
    """Groups in order, each with its values by name; `more` says whether others follow."""

    rows: list[dict[str, Any]]
    more: bool


def aggregate(connection: Connection, instance_id: str, cube: Cube, query: CubeQuery) -> Groups:
    """Compute the groups.

    Sums and averages are floating point; amounts are in hundredths, times in Unix seconds.

    Raises:
        QueryProblem: the cube has no such dimension or measure, or there is too much of something.
    """
    dimensions = [_found(cube, "dimension", cube.dimensions, n) for n in query.dimensions]
    measures = [_found(cube, "measure", cube.measures, n) for n in query.measures]
    _check(query, measures)
    facts = _facts(connection, instance_id, cube, query, dimensions, measures)
    grouped = [facts.c[f"d{index}"] for index in range(len(dimensions))]
    computed = [_computed(m, facts, index) for index, m in enumerate(measures)]
    by_name: dict[str, ColumnElement[Any]] = dict(
        zip((*query.dimensions, *query.measures), (*grouped, *computed), strict=True)
    )
    limit = MAX_GROUPS if query.top is None else min(query.top, MAX_GROUPS)
    statement = (
        select(*grouped, *(c.label(f"r{index}") for index, c in enumerate(computed)))
        .select_from(facts)
        .group_by(*grouped)
        .order_by(
            *(_ordered(by_name[name], descending) for name, descending in query.order),
            *(_ordered(column, False) for column in grouped),
        )
        .limit(limit + 1)
    )
    found = connection.execute(statement).all()
    if query.top is None and len(found) > limit:
        raise QueryProblem(f"more than {MAX_GROUPS} groups: filter, or ask for the top ones only")
    names = (*query.dimensions, *query.measures)
    rows = [dict(zip(names, row, strict=True)) for row in found[:limit]]
    return Groups(rows, more=len(found) > limit)


def _found(cube: Cube, what: str, known: dict[str, T], name: str) -> T:
    found = known.get(name)
    if found is None:
        raise QueryProblem(
            f"the cube {cube.name} has no {what} {name[:64]!r}; its metadata lists them all"
        )
    return found


def _check(query: CubeQuery, measures: Sequence[Measure]) -> None:
    if not measures:
        raise QueryProblem("at least one measure is needed, such as count")
    if len(query.dimensions) > MAX_DIMENSIONS or len(measures) > MAX_MEASURES:
        raise QueryProblem(f"at most {MAX_DIMENSIONS} dimensions and {MAX_MEASURES} measures")
    names = (*query.dimensions, *query.measures)
    if len(set(names)) < len(names):
        raise QueryProblem("a dimension or a measure is named twice")
    for measure in measures:
        if measure.needs is not None and measure.needs not in query.dimensions:
            raise QueryProblem(
                f"{measure.name} would mix currencies: have {measure.needs} among the dimensions"
            )
    ordered = [name for name, _ in query.order]
    if not set(ordered) <= set(names):
        raise QueryProblem("the order names dimensions and measures of the query only")
    if len(set(ordered)) < len(ordered):  # a database has a limit, which is no reason for a 503
        raise QueryProblem("the order names a dimension or a measure twice")


def _facts(
    connection: Connection,
    instance_id: str,
    cube: Cube,
    query: CubeQuery,
    dimensions: Sequence[Dimension],
    measures: Sequence[Measure],
) -> Subquery:
    """The facts that pass the filter, with what is grouped and measured as plain columns.

    A subquery, as PostgreSQL does not see that two expressions with parameters are the same.
    """
    source = Source(connection, instance_id, cube.facts, query.language)
    columns = [_value_of(source, d).label(f"d{index}") for index, d in enumerate(dimensions)]
    for index, measure in enumerate(measures):
        if measure.attribute is not None:
            column = source.table.c[measure.attribute.columns[0]]
            columns.append(column.label(f"m{index}"))
    conditions: list[ColumnElement[bool]] = [source.table.c.instance_id == instance_id]
    if query.filter is not None:
        conditions.append(Filter(source, query.now).condition(query.filter))
    # Always one column more: a query for the number of all facts has no other.
    one = source.table.c.id.label("id")
    return select(one, *columns).select_from(source.rows).where(*conditions).subquery("facts")


def _value_of(source: Source, dimension: Dimension) -> ColumnElement[Any]:
    operand = source.resolve(dimension.path)
    if dimension.part is None:
        return source.text(operand)

    def resolve(_: Any) -> Operand:
        return operand

    return functions.call(source, resolve, dimension.part, (dimension.path,)).expression


def _computed(measure: Measure, facts: Subquery, index: int) -> ColumnElement[Any]:
    if measure.attribute is None:
        return func.count()
    return _AGGREGATES[measure.aggregate](facts.c[f"m{index}"])


def _sum(column: Column[Any]) -> ColumnElement[Any]:
    # As floating point it cannot overflow, and it is exact as far as JSON's numbers are.
    return func.sum(cast(column, Double))


def _average(column: Column[Any]) -> ColumnElement[Any]:
    return func.avg(cast(column, Double))


_AGGREGATES: dict[str, Callable[[Any], ColumnElement[Any]]] = {
    "sum": _sum,
    "avg": _average,
    "min": func.min,
    "max": func.max,
}


def _ordered(expression: ColumnElement[Any], descending: bool) -> ColumnElement[Any]:
    if descending:
        return expression.desc().nulls_last()
    return expression.asc().nulls_first()
