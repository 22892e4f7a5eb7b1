"""ERP sessions: opened by the first permitted use of a token, with a licence slot [SES-11].

Several processes open and touch the same sessions. What may be done under which lock is written
in `licence_pools`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Double,
    RowMapping,
    bindparam,
    case,
    insert,
    select,
    update,
)

from mintgate.contract import licences
from mintgate.contract.licences import Occupancy, Seat, Touch
from mintgate.store import erp_session_ends, licence_pools
from mintgate.store.audit import AuditEvent
from mintgate.store.rows import from_row
from mintgate.store.tables import erp_sessions
from mintgate.store.transaction import Transaction

_column = erp_sessions.c
MAX_TOUCHES = 500
"""So many are written by one statement: some ten milliseconds of the one writer."""
MAX_RUNNING = 1_000_000_000
MAX_SUM = 2**61
"""Of requests and bytes: what adapters elsewhere add must not overflow a column of 63 bits."""


class ErpSession(msgspec.Struct, frozen=True, kw_only=True):
    """An open session; times in Unix seconds, sizes in bytes [SES-26].

    Args:
        key: `sid` of a person, `jti` of a service [SES-1..4].
        kind: `interactive`, `service` or `legacy`.
        absolute_end: when it closes even when busy; None for people.
        toucher: the only process that touched it; None once there was another one.
    """

    key: str
    kind: str
    user_id: str | None
    login: str
    client_ids: tuple[str, ...]
    device: str | None
    started_at: float
    last_request_at: float
    absolute_end: float | None
    seat: Seat
    toucher: str | None
    current_requests: int
    total_requests: int
    uploaded: int
    downloaded: int


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is opened for.

    Args:
        key: at most 64 characters.
        process: names the process that asks, at most 32 characters.
        takes_slot: see `licences.takes_slot`.
        lifetime: seconds after which it closes even when busy; None for people.
        touches: what that process has not told of yet; those of sessions that would seem idle
            must be among them [SES-27].
        only_join: whether a session that is not open stays so; none is opened by the use of a
            legacy session's id [LEG-12].
        login_nonce, language: of a legacy login; see `legacy_sessions`.
    """

    key: str
    kind: str
    user_id: str | None
    login: str
    client_id: str
    process: str
    takes_slot: bool = True
    lifetime: float | None = None
    device: str | None = None
    touches: Sequence[Touch] = ()
    only_join: bool = False
    login_nonce: str | None = None
    language: str | None = None


class Opened(msgspec.Struct, frozen=True):
    """What came of it.

    Args:
        session: None when it must be refused, or when it is just being closed.
        refused: the slots as they were found, when all are taken [SES-33].
        gone: keys of `touches` whose sessions do not exist any more.
        is_over: whether the session is not open and none may be opened.
    """

    session: ErpSession | None
    refused: Occupancy | None = None
    gone: tuple[str, ...] = ()
    is_over: bool = False


def open_or_join(tx: Transaction, instance_id: str, opening: Opening) -> Opened:
    """Give the session of a key, opening it in a free slot when it is not open [SES-11..20].

    To be committed in `licence_pools.lane`, or alone.
    """
    licence_pools.lock(tx, instance_id)
    now = tx.later()
    gone = tuple(_write(tx, instance_id, opening.process, opening.touches, now))
    over = erp_session_ends.close_over(tx, instance_id, now, opening.process, key=opening.key)
    row = _claim(tx, instance_id, opening.key)
    if row is not None:
        return Opened(_join(tx, instance_id, opening, from_row(ErpSession, row), now), gone=gone)
    if by_key(tx.connection, instance_id, opening.key) is not None:
        return Opened(None, gone=gone)  # who closes it will be done in a moment
    if opening.only_join:
        return Opened(None, gone=gone, is_over=True)
    seat = Seat.NONE
    if opening.takes_slot:
        key = licences.login_key(opening.login)
        found = licence_pools.occupancy(tx.connection, instance_id, key)
        free = licences.seat_for(found)
        if (free is None or found.holds_reserved) and erp_session_ends.make_room(
            tx, instance_id, now, opening.process
        ):
            found = licence_pools.occupancy(tx.connection, instance_id, key)
            free = licences.seat_for(found)
        if free is None:
            return Opened(None, found, gone)
        seat = free
    return Opened(_insert(tx, instance_id, opening, seat, now, again=over), gone=gone)


def flush(tx: Transaction, instance_id: str, process: str, touches: Sequence[Touch]) -> list[str]:
    """Store touches of a process; returns the keys whose sessions do not exist any more.

    None of those comes to life by it [SES-27]. To be committed in `licence_pools.lane`, or alone.
    """
    licence_pools.lock(tx, instance_id)
    return _write(tx, instance_id, process, touches, tx.later())


def by_key(connection: Connection, instance_id: str, key: str) -> ErpSession | None:
    statement = select(erp_sessions).where(_column.instance_id == instance_id, _column.key == key)
    row = connection.execute(statement).mappings().first()
    return from_row(ErpSession, row) if row else None


def is_still_open(
    connection: Connection, instance_id: str, key: str, opened_at: float, now: float
) -> bool:
    """Whether the session that was opened then has not been closed."""
    found = by_key(connection, instance_id, key)
    ended = found is None or (found.absolute_end is not None and found.absolute_end <= now)
    return not ended and found is not None and found.started_at == opened_at


def opened_at(connection: Connection, instance_id: str, key: str, now: float) -> float | None:
    """When the session that is open at `now` began (both Unix seconds); None: there is none."""
    statement = select(_column.started_at).where(
        _column.instance_id == instance_id, _column.key == key, licence_pools.is_open(now)
    )
    found: float | None = connection.execute(statement).scalar()
    return found


def listing(
    connection: Connection,
    instance_id: str,
    now: float,
    after: str | None,
    limit: int,
    *,
    process: str | None = None,
) -> list[ErpSession]:
    """Open sessions by their keys, for monitoring [SES-26].

    Args:
        now: Unix seconds.
        after: the last key that was seen, None for the first part.
        process: as for `licence_pools.is_over`.
    """
    conditions = [_column.instance_id == instance_id, licence_pools.is_open(now, process)]
    if after is not None:
        conditions.append(_column.key > after)
    rows = connection.execute(
        select(erp_sessions).where(*conditions).order_by(_column.key).limit(limit)
    )
    return [from_row(ErpSession, row) for row in rows.mappings()]


def _claim(tx: Transaction, instance_id: str, key: str) -> RowMapping | None:
    statement = select(erp_sessions).where(_column.instance_id == instance_id, _column.key == key)
    return tx.connection.execute(statement.with_for_update(skip_locked=True)).mappings().first()


def _join(
    tx: Transaction, instance_id: str, opening: Opening, session: ErpSession, now: float
) -> ErpSession:
    names = session.client_ids
    if opening.client_id not in names:
        names = (*names, opening.client_id)  # [SES-20]
    joined = msgspec.structs.replace(
        session,
        client_ids=names,
        last_request_at=max(now, session.last_request_at),
        toucher=session.toucher if session.toucher == opening.process else None,
    )
    tx.connection.execute(
        update(erp_sessions)
        .where(_column.instance_id == instance_id, _column.key == opening.key)
        .values(
            client_ids=joined.client_ids,
            last_request_at=joined.last_request_at,
            toucher=joined.toucher,
        )
    )
    return joined


def _insert(
    tx: Transaction, instance_id: str, opening: Opening, seat: Seat, now: float, *, again: bool
) -> ErpSession:
    session = ErpSession(
        key=opening.key,
        kind=opening.kind,
        user_id=opening.user_id,
        login=opening.login,
        client_ids=(opening.client_id,),
        device=opening.device,
        started_at=now,
        last_request_at=now,
        absolute_end=None if opening.lifetime is None else now + opening.lifetime,
        seat=seat,
        toucher=opening.process,
        current_requests=0,
        total_requests=0,
        uploaded=0,
        downloaded=0,
    )
    values: dict[str, Any] = msgspec.structs.asdict(session)
    tx.connection.execute(
        insert(erp_sessions).values(
            values
            | {
                "instance_id": instance_id,
                "login_key": licences.login_key(opening.login),
                "seat": str(seat),
                "login_nonce": opening.login_nonce,
                "language": opening.language,
            }
        )
    )
    details: dict[str, Any] = {"kind": opening.kind, "seat": str(seat)}
    if again:
        details["again"] = True
    tx.record(
        AuditEvent(
            instance_id=instance_id,
            at=now,
            event="erp_session.opened",
            actor=opening.login,
            actor_id=opening.user_id,
            application=opening.client_id,
            session=erp_session_ends.audited_key(opening.key),
            details=details,
        )
    )
    return session


def _write(
    tx: Transaction, instance_id: str, process: str, touches: Sequence[Touch], now: float
) -> list[str]:
    gone: list[str] = []
    for start in range(0, len(touches), MAX_TOUCHES):
        gone += _write_some(tx, instance_id, process, touches[start : start + MAX_TOUCHES], now)
    return gone


def _sum(column: Column[int], more: BindParameter[int]) -> ColumnElement[int]:
    return case((column >= MAX_SUM, MAX_SUM), else_=column + more)


def _running(count: ColumnElement[int]) -> ColumnElement[int]:
    """Within what the column holds, whatever an adapter elsewhere says."""
    return case((count < 0, 0), (count > MAX_RUNNING, MAX_RUNNING), else_=count)


def _write_some(
    tx: Transaction, instance_id: str, process: str, touches: Sequence[Touch], now: float
) -> list[str]:
    here: ColumnElement[bool] = _column.instance_id == instance_id
    # One that others may take for idle already has perhaps given its slot to somebody else.
    stored = tx.connection.execute(
        select(_column.key, _column.started_at)
        .where(here, _column.key.in_([t.key for t in touches]), licence_pools.is_open(now))
        .with_for_update(skip_locked=True)
    )
    opened_at = {row.key: row.started_at for row in stored}
    alive = [t for t in touches if opened_at.get(t.key) == t.opened_at]
    if alive:
        at: BindParameter[float] = bindparam("touched_at", type_=Double())
        tx.connection.execute(
            update(erp_sessions)
            .where(here, _column.key == bindparam("touched_key"))
            .values(
                last_request_at=case(
                    (_column.last_request_at < at, at), else_=_column.last_request_at
                ),
                toucher=case((_column.toucher == process, process), else_=None),
                current_requests=_running(_column.current_requests + bindparam("more_current")),
                total_requests=_sum(_column.total_requests, bindparam("more_requests")),
                uploaded=_sum(_column.uploaded, bindparam("more_uploaded")),
                downloaded=_sum(_column.downloaded, bindparam("more_downloaded")),
            ),
            [
                {
                    "touched_key": touch.key,
                    "touched_at": touch.at,
                    "more_current": touch.current,
                    "more_requests": touch.requests,
                    "more_uploaded": touch.uploaded,
                    "more_downloaded": touch.downloaded,
                }
                for touch in alive
            ],
        )
    return [t.key for t in touches if opened_at.get(t.key) != t.opened_at]
