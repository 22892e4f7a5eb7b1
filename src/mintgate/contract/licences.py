"""Licence slots and the timers of ERP sessions (specification §9). Pure."""

from __future__ import annotations

import enum

import msgspec

from mintgate.contract.users import UserType

IDLE_SECONDS = 1200.0
"""[SES-14]"""
SERVICE_SECONDS = 3600.0
"""A service's session closes so long after its opening, busy or not [SES-15]."""
BUFFERED_SECONDS = 15.0
"""How long a process keeps touches to itself at most [SES-27]."""
IDLE_ELSEWHERE_SECONDS = IDLE_SECONDS + BUFFERED_SECONDS
"""After so long, a session that another process may have touched is idle for certain."""
_SYSTEM_LOGIN = "system"


class Seat(enum.StrEnum):
    """Which slot a session has.

    `RESERVED` is the account's own [SES-31], `GENERAL` one of the pool [SES-32], `NONE` none,
    for the SYSTEM user [SES-25].
    """

    RESERVED = "reserved"
    GENERAL = "general"
    NONE = "none"


class Occupancy(msgspec.Struct, frozen=True, kw_only=True):
    """The slots as one account finds them.

    Args:
        total: licences of the instance.
        reserved: how many accounts have a seat of their own.
        general: sessions with a seat of the general pool.
        has_reservation: whether this account is one of those.
        holds_reserved: whether it has a session in that seat.
    """

    total: int
    reserved: int
    general: int
    has_reservation: bool = False
    holds_reserved: bool = False


def login_key(login: str) -> str:
    """The form in which logins are compared [SES-36]."""
    return login.casefold()


def takes_slot(login: str, user_type: str) -> bool:
    """Whether a session of this user takes a slot: all do but those of SYSTEM [USR-25]."""
    return not (user_type == UserType.SYSTEM and login_key(login) == _SYSTEM_LOGIN)


def seat_for(found: Occupancy) -> Seat | None:
    """The seat of a new session; None when it must be refused [SES-33]."""
    if found.has_reservation and not found.holds_reserved:
        return Seat.RESERVED  # [SES-31] always, whatever else is taken
    if found.general < found.total - found.reserved:  # [SES-30, SES-32]
        return Seat.GENERAL
    return None


class Touch(msgspec.Struct, frozen=True, kw_only=True):
    """What a process has noted of one session since it last told the store [SES-26, SES-27].

    Args:
        key: the session's.
        opened_at: Unix seconds; tells it from a later session with the same key.
        at: Unix seconds of its last request.
        requests: how many there were.
        current: by how many more (or, when negative, fewer) run than were told of before.
        uploaded: bytes, as is `downloaded`.
    """

    key: str
    opened_at: float
    at: float
    requests: int = 0
    current: int = 0
    uploaded: int = 0
    downloaded: int = 0
