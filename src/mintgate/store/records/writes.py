"""Changing data entities: insert, update, delete, with the rules that the tables cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from mintgate.store.records.attributes import EntitySet, Kind
from mintgate.store.records.catalog import ENTITY_SETS
from mintgate.store.records.problems import NoSuchRecord, RuleViolation, ValueProblem
from mintgate.store.transaction import Transaction

_PERIODS = {
    "Crm_Sales_Customers": ("FromDate", "ThruDate"),
    "Crm_SalesPersons": ("ContractStartDate", "ContractEndDate"),
}


def add(
    tx: Transaction,
    instance_id: str,
    entity_set: EntitySet,
    entity_id: str,
    values: Mapping[str, Any],
    login: str,
) -> None:
    """Insert an entity.

    Args:
        values: by attribute name, complete.
        login: the acting login, kept as `CreationUser` [API-24].

    Raises:
        RuleViolation: a rule of the data forbids it.
        ValueProblem: a reference to an entity that does not exist.
    """
    columns = columns_of(entity_set, values)
    _check(tx.connection, instance_id, entity_set, columns, values)
    columns |= {
        "instance_id": instance_id,
        "id": entity_id,
        "creation_time": tx.now,
        "creation_user": login,
    }
    try:
        tx.connection.execute(insert(entity_set.table).values(columns))
    except IntegrityError:
        raise RuleViolation(_taken(entity_set)) from None


def change(
    tx: Transaction,
    instance_id: str,
    entity_set: EntitySet,
    entity_id: str,
    values: Mapping[str, Any],
    login: str,
) -> None:
    """Set the given attributes of an entity; see `add` for the arguments.

    Raises:
        NoSuchRecord: there is no such entity.
        RuleViolation: a rule of the data forbids it.
        ValueProblem: a reference to an entity that does not exist.
    """
    where = _is(instance_id, entity_set, entity_id)
    stored = tx.connection.execute(select(entity_set.table).where(*where)).mappings().first()
    if stored is None:
        raise NoSuchRecord
    columns = columns_of(entity_set, values)
    _check(tx.connection, instance_id, entity_set, {**stored, **columns}, values)
    columns |= {"update_time": tx.now, "update_user": login}
    try:
        tx.connection.execute(update(entity_set.table).where(*where).values(columns))
    except IntegrityError:
        raise RuleViolation(_taken(entity_set)) from None


def remove(tx: Transaction, instance_id: str, entity_set: EntitySet, entity_id: str) -> None:
    """Delete an entity.

    Raises:
        NoSuchRecord: there is no such entity.
        RuleViolation: others refer to it.
    """
    statement = delete(entity_set.table).where(*_is(instance_id, entity_set, entity_id))
    try:
        deleted = tx.connection.execute(statement).rowcount
    except IntegrityError:
        raise RuleViolation("Other entities refer to this one.") from None
    if not deleted:
        raise NoSuchRecord


def columns_of(entity_set: EntitySet, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by attribute as values by column."""
    columns: dict[str, Any] = {}
    for attribute in entity_set.attributes:
        if attribute.name not in values:
            continue
        value = values[attribute.name]
        parts = value or (None, None) if attribute.kind is Kind.AMOUNT else (value,)
        columns.update(zip(attribute.columns, parts, strict=True))
    return columns


def _is(instance_id: str, entity_set: EntitySet, entity_id: str) -> list[ColumnElement[bool]]:
    table = entity_set.table
    return [table.c.instance_id == instance_id, table.c.id == entity_id]


def _check(
    connection: Connection,
    instance_id: str,
    entity_set: EntitySet,
    columns: Mapping[str, Any],
    changed: Mapping[str, Any],
) -> None:
    for attribute in entity_set.attributes:
        target = changed.get(attribute.name) if attribute.target is not None else None
        if target is not None:
            require_target(connection, instance_id, attribute.target or "", target)
    period = _PERIODS.get(entity_set.name)
    if period is not None:
        start, end = (next(iter(columns_of(entity_set, {name: None}))) for name in period)
        if columns.get(start) and columns.get(end) and columns[end] < columns[start]:
            raise RuleViolation(f"{period[1]} must not be before {period[0]}.")


def require_target(connection: Connection, instance_id: str, set_name: str, target: str) -> None:
    """Refuse a reference to an entity that does not exist, before the database does.

    Raises:
        ValueProblem: it does not exist.
    """
    entity_set = ENTITY_SETS[set_name]
    found = select(entity_set.table.c.id).where(*_is(instance_id, entity_set, target))
    if connection.execute(found).first() is None:
        raise ValueProblem(f"{set_name}({target}) does not exist.")


def _taken(entity_set: EntitySet) -> str:
    unique = next(a.name for a in entity_set.attributes if a.required and a.kind is Kind.STRING)
    return f"Another entity of {entity_set.name} has this {unique} or this Id."
