"""POST, PATCH, PUT and DELETE of the DomainAPI, inside a transaction [API-31, API-66]."""

from __future__ import annotations

from mintgate.apis import security_records
from mintgate.apis.change import Change
from mintgate.store import Transaction
from mintgate.store.records import DATA_SETS, writes


def insert(tx: Transaction, change: Change) -> None:
    """Add the entity; see `store.records.writes` for what can be wrong."""
    if change.entity_set.name in DATA_SETS:
        writes.add(
            tx,
            change.instance_id,
            change.entity_set,
            change.key,
            change.values,
            change.principal.login,
        )
    else:
        security_records.add(tx, change)


def update(tx: Transaction, change: Change) -> None:
    """Set the given attributes of the entity."""
    if change.entity_set.name in DATA_SETS:
        writes.change(
            tx,
            change.instance_id,
            change.entity_set,
            change.key,
            change.values,
            change.principal.login,
        )
    else:
        security_records.update(tx, change)


def delete(tx: Transaction, change: Change) -> None:
    """Remove the entity."""
    if change.entity_set.name in DATA_SETS:
        writes.remove(tx, change.instance_id, change.entity_set, change.key)
    else:
        security_records.remove(tx, change)
