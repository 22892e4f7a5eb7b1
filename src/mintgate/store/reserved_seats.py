"""Licence slots reserved for accounts by their logins [SES-30..38]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from mintgate.contract.licences import Seat, login_key
from mintgate.store import instances, licence_pools
from mintgate.store.rows import from_row
from mintgate.store.tables import erp_sessions, reserved_seats, users
from mintgate.store.transaction import Transaction

_sessions = erp_sessions.c


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """A seat that only one account takes; `created_at` in Unix seconds."""

    login: str
    created_at: float


class ReservationRefused(ValueError):
    """The seat cannot be reserved; the message says why."""


def all_of(connection: Connection, instance_id: str) -> list[Reservation]:
    """Every reservation, by login."""
    rows = connection.execute(
        select(reserved_seats)
        .where(reserved_seats.c.instance_id == instance_id)
        .order_by(reserved_seats.c.login_key)
    ).mappings()
    return [from_row(Reservation, row) for row in rows]


def of(connection: Connection, instance_id: str, login: str) -> Reservation | None:
    """The reservation of an account."""
    statement = select(reserved_seats).where(
        reserved_seats.c.instance_id == instance_id, reserved_seats.c.login_key == login_key(login)
    )
    row = connection.execute(statement).mappings().first()
    return from_row(Reservation, row) if row else None


def taken(connection: Connection, instance_id: str, now: float, process: str | None) -> set[str]:
    """The login keys of accounts with a session in their own seat.

    Args:
        now: Unix seconds.
        process: as for `licence_pools.is_over`.
    """
    statement = select(_sessions.login_key).where(
        _sessions.instance_id == instance_id,
        _sessions.seat == Seat.RESERVED,
        licence_pools.is_open(now, process),
    )
    return set(connection.execute(statement).scalars())


def add(tx: Transaction, instance_id: str, login: str) -> bool:
    """Reserve a seat; False when the account has one already.

    A session that the account has open moves to it: the general pool has one slot less from now
    on, and one session less as well.

    Raises:
        ReservationRefused: no user has this login, or every slot is reserved [SES-36].
    """
    _lock(tx, instance_id)
    key = login_key(login)
    here = reserved_seats.c.instance_id == instance_id
    if tx.connection.execute(
        select(reserved_seats.c.login).where(here, reserved_seats.c.login_key == key)
    ).first():
        return False
    known = select(users.c.login).where(
        users.c.instance_id == instance_id, users.c.login_key == key
    )
    user = tx.connection.execute(known).first()
    if user is None:
        raise ReservationRefused("There is no user with this login.")
    instance = instances.by_id(tx.connection, instance_id)
    total = instance.licences if instance else 0
    taken = tx.connection.execute(select(func.count()).where(here)).scalar_one()
    if taken >= total:
        raise ReservationRefused(f"All {total} licence slots are reserved; free one first.")
    tx.connection.execute(
        insert(reserved_seats).values(
            instance_id=instance_id, login_key=key, login=user.login, created_at=tx.now
        )
    )
    first = (
        select(_sessions.key)
        .where(*_of(instance_id, key, Seat.GENERAL), licence_pools.is_open(tx.now))
        .order_by(_sessions.started_at, _sessions.key)
        .limit(1)
    )
    _move(tx, instance_id, first, Seat.RESERVED)
    return True


def remove(tx: Transaction, instance_id: str, login: str) -> bool:
    """Give the seat back to the general pool; False when the account has none.

    A session in it goes on, in a slot of the general pool [SES-38].
    """
    _lock(tx, instance_id)
    key = login_key(login)
    removed = tx.connection.execute(
        delete(reserved_seats).where(
            reserved_seats.c.instance_id == instance_id, reserved_seats.c.login_key == key
        )
    ).rowcount
    if removed:
        held = select(_sessions.key).where(*_of(instance_id, key, Seat.RESERVED))
        _move(tx, instance_id, held, Seat.GENERAL)
    return removed == 1


def rename(tx: Transaction, instance_id: str, before: str, after: str) -> None:
    """Take a reservation along with its user, who gets another login.

    Their open sessions go along, as else one in the reserved seat would not count for it.
    """
    _lock(tx, instance_id)
    names = {"login": after, "login_key": login_key(after)}
    key = login_key(before)
    tx.connection.execute(
        update(reserved_seats)
        .where(reserved_seats.c.instance_id == instance_id, reserved_seats.c.login_key == key)
        .values(names)
    )
    chosen = select(_sessions.key).where(
        _sessions.instance_id == instance_id, _sessions.login_key == key
    )
    _change(tx, instance_id, chosen, names)


def _lock(tx: Transaction, instance_id: str) -> None:
    instances.lock(tx, instance_id)
    licence_pools.lock(tx, instance_id)


def _of(instance_id: str, key: str, seat: Seat) -> Iterable[ColumnElement[bool]]:
    return (
        _sessions.instance_id == instance_id,
        _sessions.login_key == key,
        _sessions.seat == seat,
    )


def _move(tx: Transaction, instance_id: str, chosen: Select[tuple[str]], seat: Seat) -> None:
    _change(tx, instance_id, chosen, {"seat": seat})


def _change(
    tx: Transaction, instance_id: str, chosen: Select[tuple[str]], values: Mapping[str, str]
) -> None:
    # A row that is locked is just being closed.
    keys = tx.connection.execute(chosen.with_for_update(skip_locked=True)).scalars().all()
    if keys:
        tx.connection.execute(
            update(erp_sessions)
            .where(_sessions.instance_id == instance_id, _sessions.key.in_(keys))
            .values(values)
        )
