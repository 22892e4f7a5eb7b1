"""The lock under which slots of an instance are counted, and the counts.

The order of locks on PostgreSQL, so that nobody waits in a circle (SQLite has one writer anyway):

1. the row of `instances`, which the state feed takes;
2. the row of `licence_pools`;
3. rows of `erp_sessions`.

Opening sessions, flushing touches and sweeping take 2 and 3 only, in transactions of their own
(`lane`), and never wait for 3: a row that is locked there is just being closed. So whoever has 2
never waits for anybody, but for an administrator who closes sessions or reserves seats: these take
1 before 2. The end of a sign-in locks its session's row and then 1, and never waits for 2.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, not_, or_, select, true

from mintgate.contract.licences import IDLE_ELSEWHERE_SECONDS, IDLE_SECONDS, Occupancy, Seat
from mintgate.store.conflicts import insert_into
from mintgate.store.tables import erp_sessions, instances, licence_pools, reserved_seats
from mintgate.store.transaction import Transaction

_column = erp_sessions.c


class SlotCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Slots of an instance at one moment.

    Args:
        total: licences.
        reserved: how many accounts have a reservation; their seats are not in the general pool.
        reserved_in_use: of these seats.
        general_in_use: of the general pool; more than there are after an administrator made the
            pool smaller [SES-38].
        sessions: open sessions, also those that take no slot.
    """

    total: int
    reserved: int
    reserved_in_use: int
    general_in_use: int
    sessions: int

    @property
    def in_use(self) -> int:
        return self.reserved_in_use + self.general_in_use


def lane(instance_id: str) -> str:
    """The writer's lane for work that takes the lock without the one of the state feed.

    One for each instance: a transaction that took the locks of two would wait in a circle with one
    of another process that takes them the other way round.
    """
    return f"licences of {instance_id}"


def lock(tx: Transaction, instance_id: str) -> None:
    """Keep everybody else from counting slots until this is committed."""
    if tx.connection.dialect.name != "postgresql":
        return
    row = select(licence_pools.c.instance_id).where(licence_pools.c.instance_id == instance_id)
    if tx.connection.execute(row.with_for_update()).first() is None:
        added = insert_into(tx, licence_pools).values(instance_id=instance_id)
        tx.connection.execute(added.on_conflict_do_nothing())
        tx.connection.execute(row.with_for_update())


def is_over(now: float, process: str | None = None) -> ColumnElement[bool]:
    """Which sessions have ended by themselves [SES-14, SES-15].

    Args:
        now: Unix seconds.
        process: whose touches are all stored; it knows earlier when a session that only it has
            touched is idle [SES-27].
    """
    # None of these is ever NULL, so that `is_open` is their exact opposite.
    ended = [
        and_(_column.absolute_end.is_not(None), _column.absolute_end <= now),
        _column.last_request_at <= now - IDLE_ELSEWHERE_SECONDS,
    ]
    if process is not None:
        mine = and_(_column.toucher.is_not(None), _column.toucher == process)
        ended.append(and_(mine, _column.last_request_at <= now - IDLE_SECONDS))
    return or_(*ended)


def is_open(now: float, process: str | None = None) -> ColumnElement[bool]:
    return not_(is_over(now, process))


def counts(
    connection: Connection, instance_id: str, now: float, process: str | None = None
) -> SlotCounts:
    """The slots at `now` (Unix seconds); `process` as for `is_over`."""
    seats = connection.execute(
        select(_column.seat, func.count())
        .where(_column.instance_id == instance_id, is_open(now, process))
        .group_by(_column.seat)
    )
    by_seat: dict[str, int] = {row[0]: row[1] for row in seats}
    total, reserved = _sizes(connection, instance_id)
    return SlotCounts(
        total=total,
        reserved=reserved,
        reserved_in_use=by_seat.get(Seat.RESERVED, 0),
        general_in_use=by_seat.get(Seat.GENERAL, 0),
        sessions=sum(by_seat.values()),
    )


def occupancy(
    connection: Connection, instance_id: str, login_key: str, now: float | None = None
) -> Occupancy:
    """The slots as the account `login_key` finds them.

    Args:
        now: Unix seconds, at which a session must be open to be counted. None counts every one
            that nobody has closed, whatever a clock says: so slots are given, under `lock`.
    """
    general = _column.seat == Seat.GENERAL
    own = (_column.seat == Seat.RESERVED) & (_column.login_key == login_key)
    taken = connection.execute(
        select(func.count().filter(general), func.count().filter(own)).where(
            _column.instance_id == instance_id, is_open(now) if now is not None else true()
        )
    ).one()
    total, reserved = _sizes(connection, instance_id)
    reservation = select(reserved_seats.c.login_key).where(
        reserved_seats.c.instance_id == instance_id, reserved_seats.c.login_key == login_key
    )
    return Occupancy(
        total=total,
        reserved=reserved,
        general=taken[0],
        has_reservation=bool(reserved) and connection.execute(reservation).first() is not None,
        holds_reserved=taken[1] > 0,
    )


def _sizes(connection: Connection, instance_id: str) -> tuple[int, int]:
    """How many licences and reservations there are."""
    reservations = (
        select(func.count())
        .select_from(reserved_seats)
        .where(reserved_seats.c.instance_id == instance_id)
        .scalar_subquery()
    )
    row = connection.execute(
        select(instances.c.licences, reservations).where(instances.c.id == instance_id)
    ).one()
    return int(row[0]), int(row[1])
