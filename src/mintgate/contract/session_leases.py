"""What an adapter in another process and the issuer say to each other about ERP sessions.

Each message is one JSON object, told apart by `type`. Clocks of two machines differ, so a time
that is compared with "now" is told as seconds before or after it. `opened_at` is the issuer's own
number: it tells a session from a later one with the same key, and is only given back.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from mintgate.contract.errors import Forbidden, InvalidToken, ResourceRefusal
from mintgate.contract.licences import Touch

SESSION_LEASE_PATH = "/connect/session_leases"
"""Below the issuer; adapters find it in the metadata [TOP-2]."""
SESSION_LEASE_MEMBER = "mintgate_session_lease_endpoint"
MAX_TOLD = 250
"""Touches in one message."""
MAX_REQUEST_BYTES = 128 * 1024

Process = Annotated[str, Meta(pattern="^[0-9A-F]{32}$")]
Token = Annotated[str, Meta(min_length=1, max_length=16_384)]
# Far more than happens in a quarter of a minute, and too little to overflow a column.
_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Change = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
_Bytes = Annotated[int, Meta(ge=0, le=2**42)]
_Ago = Annotated[float, Meta(ge=0, le=86_400)]


class LeasedTouch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an adapter has noted of a session since it last told of it; see `licences.Touch`.

    Args:
        ago: seconds since the last request.
    """

    key: Annotated[str, Meta(min_length=1, max_length=64)]
    opened_at: float
    ago: _Ago
    requests: _Count = 0
    current: _Change = 0
    uploaded: _Bytes = 0
    downloaded: _Bytes = 0


Touches = Annotated[list[LeasedTouch], Meta(max_length=MAX_TOLD)]


class OpenSessionOf(
    msgspec.Struct, frozen=True, kw_only=True, tag="open", forbid_unknown_fields=True
):
    """Open or join the session of a token.

    Args:
        process: 128 random bits as hex digits; names the process that asks.
        token: the credential as it came; the issuer believes nothing else.
        touches: what was not told of yet, of sessions that could seem idle [SES-27].
    """

    process: Process
    token: Token
    touches: Touches = []

    def __repr__(self) -> str:
        return "OpenSessionOf(…)"  # a token must not get into a log


class TellTouches(
    msgspec.Struct, frozen=True, kw_only=True, tag="touch", forbid_unknown_fields=True
):
    """Requests of known sessions, at most 15 seconds late [SES-27]."""

    process: Process
    touches: Touches


class SeeSessionOf(
    msgspec.Struct, frozen=True, kw_only=True, tag="see", forbid_unknown_fields=True
):
    """Is the session of a token open, or is there a slot for it? Nothing changes by it."""

    token: Token

    def __repr__(self) -> str:
        return "SeeSessionOf(…)"


LeaseRequest = OpenSessionOf | TellTouches | SeeSessionOf


class LeaseOpened(msgspec.Struct, frozen=True, kw_only=True, tag="opened"):
    """The session is open; times in Unix seconds of the issuer's clock.

    Args:
        now: of the issuer.
        absolute_end: when it closes even when busy; None for people [SES-15].
        gone: keys of the touches whose sessions do not exist any more.
    """

    opened_at: float
    now: float
    last_request: float
    absolute_end: float | None
    client_ids: tuple[str, ...]
    gone: tuple[str, ...] = ()


class LeaseRefused(msgspec.Struct, frozen=True, kw_only=True, tag="no_free_slot"):
    """All licence slots are taken [SES-33]; `description` is for the caller."""

    description: str
    gone: tuple[str, ...] = ()


class LeaseOfNoToken(msgspec.Struct, frozen=True, kw_only=True, tag="token_refused"):
    """The issuer does not accept the token for this API.

    Args:
        forbidden: with 403, else with 401.
        description: for the caller, as the issuer's own APIs would tell; empty from older issuers.
    """

    forbidden: bool = False
    description: str = ""

    @property
    def refusal(self) -> ResourceRefusal:
        """The issuer's refusal, to be raised where the token was sent."""
        made = Forbidden if self.forbidden else InvalidToken
        cause = f"the issuer does not accept the token for this API: {self.description}"
        return made(self.description or None, cause=cause.rstrip(": "))


class TouchesTold(msgspec.Struct, frozen=True, kw_only=True, tag="told"):
    gone: tuple[str, ...] = ()


class SessionSeen(msgspec.Struct, frozen=True, kw_only=True, tag="seen"):
    """`opened_at` is None when no session is open."""

    opened_at: float | None
    slot_is_free: bool


LeaseAnswer = LeaseOpened | LeaseRefused | LeaseOfNoToken | TouchesTold | SessionSeen


def told(touch: Touch, now: float) -> LeasedTouch:
    """A touch as it is told.

    Args:
        now: Unix seconds of the clock that `touch.at` was read from.
    """
    return LeasedTouch(
        key=touch.key,
        opened_at=touch.opened_at,
        ago=min(max(0.0, now - touch.at), 86_400.0),
        requests=min(touch.requests, 2**31 - 1),
        current=max(-1_000_000, min(touch.current, 1_000_000)),
        uploaded=min(touch.uploaded, 2**42),
        downloaded=min(touch.downloaded, 2**42),
    )


def heard(touch: LeasedTouch, now: float) -> Touch:
    """The touch behind what was told; no request is later than `now` (Unix seconds)."""
    return Touch(
        key=touch.key,
        opened_at=touch.opened_at,
        at=now - touch.ago,
        requests=touch.requests,
        current=touch.current,
        uploaded=touch.uploaded,
        downloaded=touch.downloaded,
    )
