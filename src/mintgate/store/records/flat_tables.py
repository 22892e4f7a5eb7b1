"""The tables of the TableAPI: every entity set again, as the rows and columns that it is stored in.

A table has one plain value in each column: a reference is the id that it leads to, and an amount
is two columns [API-71].
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mintgate.store.records.attributes import Attribute, EntitySet, Kind
from mintgate.store.records.catalog import ENTITY_SETS
from mintgate.store.records.security_sets import APPLICATIONS, USERS

# [API-34] Their prefix is what the policy asks `sec` for.
_SECURITY_TABLES = {APPLICATIONS: "Sec_Trusted_Applications", USERS: "Sec_Users"}


def _flat(entity_set: EntitySet) -> EntitySet:
    name = _SECURITY_TABLES.get(entity_set.name) or _named(entity_set.table.name)
    columns = tuple(column for a in entity_set.attributes for column in _columns_of(a))
    return EntitySet(
        name=name, type_name=f"{name}_Row", table=entity_set.table, attributes=columns, search=()
    )


def _columns_of(attribute: Attribute) -> Iterator[Attribute]:
    for column, kind in zip(attribute.columns, _kinds_of(attribute), strict=True):
        yield msgspec.structs.replace(
            attribute,
            name=_named(column),
            kind=kind,
            column=column,
            max_length=attribute.max_length if kind is attribute.kind else None,
            is_default=not attribute.is_secret,  # [API-72]
            target=None,
        )


def _kinds_of(attribute: Attribute) -> tuple[Kind, ...]:
    match attribute.kind:
        case Kind.AMOUNT:
            return (Kind.DECIMAL, Kind.STRING)
        case Kind.REFERENCE:
            return (Kind.GUID,)
        case Kind.DISPLAY:
            return ()
        case kind:
            return (kind,)


def _named(name: str) -> str:
    """`crm_sales_orders` as `Crm_Sales_Orders`."""
    return "_".join(word.capitalize() for word in name.split("_"))


TABLES: dict[str, EntitySet] = {table.name: table for table in map(_flat, ENTITY_SETS.values())}
"""By name, in the order of the service document."""
