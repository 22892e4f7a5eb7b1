"""Instances."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from mintgate.contract.feed import ChangedInstance
from mintgate.contract.instance import Instance
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import instances
from mintgate.store.transaction import Transaction


def all_of(connection: Connection) -> list[Instance]:
    """Every instance of the database, by name."""
    rows = connection.execute(select(instances).order_by(instances.c.name)).mappings()
    return [from_row(Instance, row) for row in rows]


def by_name(connection: Connection, name: str) -> Instance | None:
    row = connection.execute(select(instances).where(instances.c.name == name)).mappings().first()
    return from_row(Instance, row) if row else None


def add(tx: Transaction, instance: Instance) -> None:
    tx.connection.execute(insert(instances).values(to_row(instance)))
    tx.changed(instance.id, instance.id, ChangedInstance())


def change(tx: Transaction, instance: Instance) -> None:
    tx.connection.execute(
        update(instances).where(instances.c.id == instance.id).values(to_row(instance))
    )
    tx.changed(instance.id, instance.id, ChangedInstance())


def lock(tx: Transaction, instance_id: str) -> None:
    """Wait for others that change something of the instance, and keep them waiting.

    The state feed takes the same lock; on SQLite every writing transaction is alone anyway.
    """
    tx.connection.execute(
        select(instances.c.id).where(instances.c.id == instance_id).with_for_update()
    )


def by_id(connection: Connection, instance_id: str) -> Instance | None:
    row = connection.execute(select(instances).where(instances.c.id == instance_id)).mappings()
    found = row.first()
    return from_row(Instance, found) if found else None
