"""Devices where people signed in, by the cookie that each keeps [SGN-6, PRF-8]."""

from __future__ import annotations

import msgspec
from sqlalchemy import ClauseElement, ColumnElement, Connection, delete, or_, select, update

from mintgate.contract import lifetimes
from mintgate.contract.identifiers import new_guid
from mintgate.store.conflicts import insert_at
from mintgate.store.prepared import Prepared
from mintgate.store.purging import delete_some
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import user_devices
from mintgate.store.transaction import Transaction

_columns = user_devices.c


class UserDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A browser where a person signed in; times in Unix seconds.

    Args:
        device_hash: of the random name in its cookie.
        info: what the browser said of itself at the last sign-in.
        removed_at: when the person removed it last; a later sign-in brings it back.
    """

    id: str
    user_id: str
    device_hash: str
    info: str | None
    created_at: float
    last_sign_in_at: float
    removed_at: float | None = None


def _noting(engine: str) -> ClauseElement:
    statement = insert_at(engine, user_devices)
    seen = {name: statement.excluded[name] for name in ("info", "last_sign_in_at")}
    key = ["instance_id", "user_id", "device_hash"]
    return statement.on_conflict_do_update(index_elements=key, set_=seen)


_NOTE = Prepared(_noting)


def note(
    tx: Transaction, instance_id: str, user_id: str, device_hash: str, info: str | None
) -> None:
    """Note a sign-in; the device is a new one or known already."""
    device = UserDevice(
        id=new_guid(),
        user_id=user_id,
        device_hash=device_hash,
        info=info[:256] if info else None,
        created_at=tx.now,
        last_sign_in_at=tx.now,
    )
    _NOTE.changed(tx.connection, to_row(device) | {"instance_id": instance_id})


def of_user(connection: Connection, instance_id: str, user_id: str, now: float) -> list[UserDevice]:
    """Those that count at `now` (Unix seconds), the last used first."""
    rows = connection.execute(
        select(user_devices)
        .where(
            _of(instance_id, user_id),
            or_(_columns.removed_at.is_(None), _columns.last_sign_in_at > _columns.removed_at),
            _columns.last_sign_in_at > now - lifetimes.KNOWN_DEVICE,
        )
        .order_by(_columns.last_sign_in_at.desc(), _columns.id)
    )
    return [from_row(UserDevice, row) for row in rows.mappings()]


def removed_at(
    connection: Connection, instance_id: str, user_id: str, device_hash: str
) -> float | None:
    """When the person removed this device last, Unix seconds; None for never."""
    statement = select(_columns.removed_at).where(
        _of(instance_id, user_id), _columns.device_hash == device_hash
    )
    return connection.execute(statement).scalar_one_or_none()


def remove(tx: Transaction, instance_id: str, device: UserDevice) -> None:
    """From now on it is as unknown as any other, until somebody signs in there again."""
    tx.connection.execute(
        update(user_devices)
        .where(_of(instance_id, device.user_id), _columns.id == device.id)
        .values(removed_at=tx.now)
    )


def remove_rows(tx: Transaction, instance_id: str, user_id: str) -> None:
    """For a user who is removed as well."""
    tx.connection.execute(delete(user_devices).where(_of(instance_id, user_id)))


def purge(tx: Transaction, instance_id: str, now: float) -> int:
    """Remove some whose cookie counts no more, removed or not; returns how many."""
    ended = (_columns.instance_id == instance_id) & (
        _columns.last_sign_in_at < now - lifetimes.KNOWN_DEVICE
    )
    return delete_some(tx.connection, user_devices, ended, first=_columns.last_sign_in_at)


def _of(instance_id: str, user_id: str) -> ColumnElement[bool]:
    return (_columns.instance_id == instance_id) & (_columns.user_id == user_id)
