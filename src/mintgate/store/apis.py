"""The APIs of an instance: settings, and the hash of the secret with which one asks about tokens.

The built-in ones have a row only when something is declared of them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from mintgate.contract.converting import convert
from mintgate.contract.declared_apis import ApiSettings, Limits, settings_of
from mintgate.contract.feed import ChangedInstance
from mintgate.contract.policy import Policy
from mintgate.store.tables import apis
from mintgate.store.transaction import Transaction


class StoredApi(msgspec.Struct, frozen=True, kw_only=True):
    """A declared API.

    Args:
        secret_hash: without one it cannot ask about tokens [ITR-1].
    """

    settings: ApiSettings
    secret_hash: str | None = None

    def __repr__(self) -> str:
        return f"StoredApi({self.settings!r})"  # hashes must reach no log


def all_of(connection: Connection, instance_id: str) -> list[StoredApi]:
    """Every declared API, by name."""
    rows = connection.execute(
        select(apis).where(apis.c.instance_id == instance_id).order_by(apis.c.name)
    )
    # Not as the database sorts, which knows capitals in its own way.
    return sorted(map(_from_row, rows.mappings()), key=lambda api: api.settings.name)


def names_of(connection: Connection, instance_id: str) -> frozenset[str]:
    return frozenset(
        connection.execute(select(apis.c.name).where(apis.c.instance_id == instance_id)).scalars()
    )


def secrets_of(connection: Connection, instance_id: str) -> dict[str, str | None]:
    """Secret hash by audience name of the declared APIs [ITR-1]."""
    rows = connection.execute(
        select(apis.c.name, apis.c.secret_hash).where(apis.c.instance_id == instance_id)
    )
    return {row.name: row.secret_hash for row in rows}


def add(tx: Transaction, instance_id: str, api: StoredApi) -> None:
    tx.connection.execute(insert(apis).values(**_columns(api), instance_id=instance_id))
    tx.changed(instance_id, instance_id, ChangedInstance())


def change(tx: Transaction, instance_id: str, api: StoredApi) -> None:
    tx.connection.execute(
        update(apis)
        .where(apis.c.instance_id == instance_id, apis.c.name == api.settings.name)
        .values(**_columns(api))
    )
    tx.changed(instance_id, instance_id, ChangedInstance())


def set_secret(tx: Transaction, instance_id: str, name: str, secret_hash: str | None) -> None:
    """Give an API another secret; it is added when it is not declared yet."""
    known = {api.settings.name: api for api in all_of(tx.connection, instance_id)}.get(name)
    if known is None:
        add(tx, instance_id, StoredApi(settings=settings_of(name), secret_hash=secret_hash))
    else:
        change(tx, instance_id, msgspec.structs.replace(known, secret_hash=secret_hash))


def remove(tx: Transaction, instance_id: str, name: str) -> None:
    """From now on no token names it as audience [EXT-12]."""
    tx.connection.execute(
        delete(apis).where(apis.c.instance_id == instance_id, apis.c.name == name)
    )
    tx.changed(instance_id, instance_id, ChangedInstance())


def _from_row(row: RowMapping) -> StoredApi:
    policy, limits = row["policy"], row["limits"]
    return StoredApi(
        settings=settings_of(
            row["name"],
            convert(policy, Policy) if policy is not None else None,
            convert(limits, Limits) if limits is not None else None,
            row["basic_client"],
        ),
        secret_hash=row["secret_hash"],
    )


def _columns(api: StoredApi) -> dict[str, Any]:
    settings = api.settings
    return {
        "name": settings.name,
        "secret_hash": api.secret_hash,
        "policy": None if settings.is_built_in else msgspec.to_builtins(settings.policy),
        "limits": msgspec.to_builtins(settings.limits),
        "basic_client": settings.basic_client,
    }
