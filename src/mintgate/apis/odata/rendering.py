"""Entities as JSON [API-61, API-62, API-67]."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from mintgate.apis.odata.shape import Shape
from mintgate.contract.clock import LAST_MOMENT
from mintgate.store.records import ENTITY_SETS, Attribute, EntitySet, Kind
from mintgate.store.records.queries import Row

Targets = Mapping[str, Mapping[str, Row]]
"""Of each expanded path such as `Party`, the entities that it leads to, by id."""


def entity(
    entity_set: EntitySet, shape: Shape, row: Row, targets: Targets, path: str, skip_nulls: bool
) -> dict[str, Any]:
    """One entity; references are links, or whole entities where `$expand` opens them."""
    body: dict[str, Any] = {"@odata.id": f"{entity_set.name}({row['Id']})"}
    for attribute in shape.attributes:
        value = row[attribute.name]
        inner = shape.expanded.get(attribute.name)
        if inner is not None and value is not None:
            body[attribute.name] = _opened(attribute, inner, value, targets, path, skip_nulls)
        elif value is not None or not skip_nulls:
            body[attribute.name] = plain(attribute, value)
    return body


def _opened(
    attribute: Attribute, shape: Shape, key: str, targets: Targets, path: str, skip_nulls: bool
) -> dict[str, Any]:
    target_set = ENTITY_SETS[attribute.target or ""]
    inner_path = f"{path}/{attribute.name}"
    row = targets[inner_path].get(key)
    if row is None:  # the table has no foreign key: the entity is gone
        return {"@odata.id": f"{target_set.name}({key})"}
    return entity(target_set, shape, row, targets, inner_path, skip_nulls)


def plain(attribute: Attribute, value: Any) -> Any:
    """The value of one attribute as JSON."""
    if value is None:
        return None
    match attribute.kind:
        case Kind.REFERENCE:
            return {"@odata.id": f"{attribute.target}({value})"}
        case Kind.AMOUNT:
            hundredths, currency = value
            return {"Value": hundredths / 100, "Currency": currency}
        case kind:
            return of_kind(kind, value)


def of_kind(kind: Kind, value: Any) -> Any:
    """A value of a kind whose JSON form needs no more than the value; null for None."""
    if value is None:
        return None
    match kind:
        case Kind.DECIMAL:
            return value / 100
        case Kind.DATE:
            return f"{value.isoformat()}T00:00:00Z"
        case Kind.TIME:
            return _moment(value)
        case _:
            return value


def moment_of(seconds: float) -> datetime.datetime:
    """The moment of Unix seconds; the last one that can be written for a lock without an end."""
    return datetime.datetime.fromtimestamp(min(seconds, LAST_MOMENT), datetime.UTC)


def _moment(seconds: float) -> str:
    moment = moment_of(seconds)
    timespec = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
