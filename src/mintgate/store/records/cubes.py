"""The cubes of the OLAP API: facts, what they can be grouped by, and what can be measured [API-36].

Both are derived from the attributes of the facts and of what they refer to, so that a cube never
has an attribute that the DomainAPI keeps secret [API-72].
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mintgate.store.records.attributes import TRACKING, Attribute, EntitySet, Kind
from mintgate.store.records.catalog import DATA_SETS, ENTITY_SETS

COUNT = "count"
_DEPTH = 2
"""How many references a dimension may follow, such as `Customer/Party/PartyName`."""
_PARTS_OF = {
    Kind.DATE: ("year", "month"),
    Kind.TIME: ("date", "year", "month"),
}
_AGGREGATES_OF = {
    Kind.INTEGER: ("sum", "avg", "min", "max"),
    Kind.AMOUNT: ("sum", "avg", "min", "max"),
    Kind.DATE: ("min", "max"),
    Kind.TIME: ("min", "max"),
}
_WHOLE = frozenset(
    {Kind.STRING, Kind.BOOLEAN, Kind.INTEGER, Kind.DATE, Kind.TRANSLATED, Kind.ENUM, Kind.DISPLAY}
)
_LONG_TEXT = 254


class Dimension(msgspec.Struct, frozen=True, kw_only=True):
    """Something to group by.

    Args:
        name: such as `Customer/Number` or `year(DocumentDate)`.
        path: the attributes that lead to its value.
        part: the function that takes a part of a date; None for the value itself.
        kind: of its values.
    """

    name: str
    path: tuple[str, ...]
    part: str | None
    kind: Kind


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A number over the facts of a group.

    Args:
        name: `count`, or such as `sum(TotalAmount)`.
        aggregate: the function.
        attribute: what it is taken of; None for `count`.
        needs: the dimension without which it would mix currencies.
    """

    name: str
    aggregate: str
    attribute: Attribute | None = None
    needs: str | None = None


class Cube(msgspec.Struct, frozen=True, kw_only=True):
    """Facts with their dimensions and measures, by name."""

    name: str
    facts: EntitySet
    dimensions: dict[str, Dimension]
    measures: dict[str, Measure]


def _cube(name: str, set_name: str) -> Cube:
    facts = ENTITY_SETS[set_name]
    return Cube(
        name=name,
        facts=facts,
        dimensions={d.name: d for d in _dimensions(facts, ())},
        measures={m.name: m for m in _measures(facts)},
    )


def _dimensions(entity_set: EntitySet, path: tuple[str, ...]) -> Iterator[Dimension]:
    for attribute in entity_set.visible:
        if path and attribute in TRACKING:
            continue  # of interest for the facts themselves only
        here = (*path, attribute.name)
        if attribute.kind is Kind.AMOUNT:
            yield _dimension((*here, "Currency"), Kind.STRING)
        if attribute.kind in _WHOLE and (attribute.max_length or 0) <= _LONG_TEXT:
            yield _dimension(here, attribute.kind)
        for part in _PARTS_OF.get(attribute.kind, ()):
            yield _dimension(here, Kind.DATE if part == "date" else Kind.INTEGER, part)
        # Nobody sees security records through a cube, as OLAP does not ask for `sec` [API-33].
        if attribute.target in DATA_SETS and len(path) < _DEPTH:
            yield from _dimensions(ENTITY_SETS[attribute.target or ""], here)


def _dimension(path: tuple[str, ...], kind: Kind, part: str | None = None) -> Dimension:
    text = "/".join(path)
    return Dimension(name=f"{part}({text})" if part else text, path=path, part=part, kind=kind)


def _measures(entity_set: EntitySet) -> Iterator[Measure]:
    yield Measure(name=COUNT, aggregate=COUNT)
    for attribute in entity_set.visible:
        needs = f"{attribute.name}/Currency" if attribute.kind is Kind.AMOUNT else None
        for aggregate in _AGGREGATES_OF.get(attribute.kind, ()):
            yield Measure(
                name=f"{aggregate}({attribute.name})",
                aggregate=aggregate,
                attribute=attribute,
                needs=needs,
            )


CUBES: dict[str, Cube] = {
    cube.name: cube
    for cube in (
        _cube("SalesOrders", "Crm_Sales_SalesOrders"),
        _cube("Customers", "Crm_Sales_Customers"),
    )
}
"""By name."""
