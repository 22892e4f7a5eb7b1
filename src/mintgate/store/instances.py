"""Instances and the APIs that may introspect tokens."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from mintgate.contract.instance import Instance
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import apis, instances
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
    tx.changed(instance.id, "instance", instance.id)


def change(tx: Transaction, instance: Instance) -> None:
    tx.connection.execute(
        update(instances).where(instances.c.id == instance.id).values(to_row(instance))
    )
    tx.changed(instance.id, "instance", instance.id)


def lock(tx: Transaction, instance_id: str) -> None:
    """Hold the instance's row until the commit: what is read from here on is not changed by
    anyone who writes to the state feed. SQLite has one writer anyway.
    """
    if tx.connection.dialect.name == "postgresql":
        statement = select(instances.c.id).where(instances.c.id == instance_id)
        tx.connection.execute(statement.with_for_update())


def api_secrets(connection: Connection, instance_id: str) -> dict[str, str | None]:
    """Secret hash by audience name of the declared APIs [ITR-1]."""
    rows = connection.execute(select(apis).where(apis.c.instance_id == instance_id))
    return {row.name: row.secret_hash for row in rows}


def set_api_secret(tx: Transaction, instance_id: str, name: str, secret_hash: str | None) -> None:
    where = (apis.c.instance_id == instance_id, apis.c.name == name)
    if tx.connection.execute(update(apis).where(*where).values(secret_hash=secret_hash)).rowcount:
        return
    tx.connection.execute(
        insert(apis).values(instance_id=instance_id, name=name, secret_hash=secret_hash)
    )


def remove_api(tx: Transaction, instance_id: str, name: str) -> None:
    tx.connection.execute(
        delete(apis).where(apis.c.instance_id == instance_id, apis.c.name == name)
    )
