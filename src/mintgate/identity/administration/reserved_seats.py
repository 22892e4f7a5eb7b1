"""Licence slots reserved for accounts: list, add, remove [SES-30..38, IMG-5]."""

from __future__ import annotations

from mintgate.contract.automation.credentials import Page, PageQuery
from mintgate.contract.automation.licences import Licences, ReservedSeat, SeatHolder
from mintgate.contract.automation.problems import Conflict, InvalidInput, NoSuchRecord
from mintgate.contract.licences import login_key
from mintgate.contract.users import User
from mintgate.identity.administration import licences
from mintgate.identity.administration.call import Call, page_of, place_of
from mintgate.store import listings, reserved_seats, users
from mintgate.store.reserved_seats import Reservation, ReservationRefused

ADDED, REMOVED = "reserved_seat.added", "reserved_seat.removed"


def list_all(call: Call) -> Page[ReservedSeat]:
    query = call.given(PageQuery)
    after = place_of(query.cursor)
    taken = _taken(call)
    return page_of(
        lambda: listings.reserved_seats_part(call.connection, call.instance.id, after, query.limit),
        lambda reservation: _shown(reservation, taken),
    )


def add(call: Call) -> ReservedSeat:
    """Reserve a slot; an account that has one keeps it, and nothing is noted.

    Raises:
        InvalidInput: no user has this login.
        Conflict: every slot is reserved [SES-36].
    """
    tx, login = call.lock(), call.given(SeatHolder).login
    user = users.by_login(call.connection, call.instance.id, login)
    if user is None:
        raise InvalidInput(problems=[("login", f"names no user: there is no login {login!r}")])
    try:
        is_new = reserved_seats.add(tx, call.instance.id, login)
    except ReservationRefused as refused:
        raise Conflict(str(refused)) from None
    if is_new:
        _record(call, ADDED, login, user)
    reservation = reserved_seats.of(call.connection, call.instance.id, login)
    if reservation is None:
        raise NoSuchRecord
    return _shown(reservation, _taken(call))


def remove(call: Call) -> Licences:
    """Give a slot back to the general pool; a session in it goes on [SES-38].

    Raises:
        NoSuchRecord: the account has no reservation.
    """
    tx, login = call.lock(), call.given(SeatHolder).login
    if not reserved_seats.remove(tx, call.instance.id, login):
        raise NoSuchRecord("This login has no reserved slot.")
    _record(call, REMOVED, login, users.by_login(call.connection, call.instance.id, login))
    return licences.show(call)


def _record(call: Call, event: str, login: str, user: User | None) -> None:
    # A login is a person's datum and must be erasable, so that it is told apart from what stays.
    shown = user.login if user else login
    call.record(event, subject_id=user.id if user else None, personal={"login": shown})


def _taken(call: Call) -> frozenset[str]:
    """Logins (compared as `login_key`) whose own slot has a session in it."""
    found = reserved_seats.taken(call.connection, call.instance.id, call.now, call.process)
    return frozenset(found)


def _shown(reservation: Reservation, taken: frozenset[str]) -> ReservedSeat:
    return ReservedSeat(
        login=reservation.login,
        created_at=reservation.created_at,
        in_use=login_key(reservation.login) in taken,
    )
