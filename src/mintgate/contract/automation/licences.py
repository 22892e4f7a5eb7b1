"""ERP sessions and licence slots, as the automation API shows and takes them.

Times are Unix seconds.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from mintgate.contract.automation.credentials import PageQuery, Strict

SESSION_ID_LENGTH = 16
"""Half of a `sid` or `jti`: enough to find it again in the audit log, and useless in its place."""


def session_id(key: str) -> str:
    """The `SessionId` of an ERP session, from its key, a `sid` or a `jti` [SES-26].

    The row goes to more eyes than a token does, so that it shows only what is needed to tell
    sessions apart: 64 of 128 random bits. Nothing takes it for a `sid` or a `jti`.
    """
    return key[:SESSION_ID_LENGTH]


class ErpSessionQuery(PageQuery, frozen=True, kw_only=True):
    """`user` is a login."""

    user: str | None = None


class ErpSessionRecord(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "session_id": "SessionId",
        "user_login": "UserLogin",
        "applications": "Applications",
        "device": "Device",
        "kind": "Kind",
        "seat": "Seat",
        "start_time": "StartTime",
        "last_request_time": "LastRequestTime",
        "absolute_expiration_time": "AbsoluteExpirationTime",
        "current_requests_count": "CurrentRequestsCount",
        "total_requests_count": "TotalRequestsCount",
        "upload_mb": "UploadMB",
        "download_mb": "DownloadMB",
    },
):
    """An open ERP session: the monitoring row of ERP.net [SES-26], with its kind and its seat.

    `Applications` are client ids with commas between; `AbsoluteExpirationTime` is null but for
    services; `Seat` is `reserved`, `general` or `none`; a MB has 1,000,000 bytes.
    """

    session_id: str
    user_login: str
    applications: str
    device: str | None
    kind: str
    seat: str
    start_time: float
    last_request_time: float
    absolute_expiration_time: float | None
    current_requests_count: int
    total_requests_count: int
    upload_mb: float
    download_mb: float


class SessionsToClose(Strict, frozen=True, kw_only=True):
    """Those of a user, by login, or `all` [SES-23]: one of them must be said."""

    user: str | None = None
    all: bool = False


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """How many ERP sessions were closed."""

    sessions: int


class Licences(msgspec.Struct, frozen=True, kw_only=True):
    """The licence slots at this moment [SES-30, IMG-5].

    Args:
        total: slots of the instance; `reserved` of them belong to one account each.
        general: the rest, for everybody.
        general_in_use: more than `general` after the pool was made smaller [SES-38].
        free: slots of the general pool that somebody can take now.
        sessions: open ones, also those that take no slot [SES-25].
    """

    total: int
    in_use: int
    reserved: int
    reserved_in_use: int
    general: int
    general_in_use: int
    free: int
    sessions: int


class LicenceTotal(Strict, frozen=True, kw_only=True):
    total: Annotated[int, Meta(ge=0, le=1_000_000, description="Licence slots of the instance.")]


class SeatHolder(Strict, frozen=True, kw_only=True):
    """Upper and lower case of the login are the same [SES-36]."""

    login: str


class ReservedSeat(msgspec.Struct, frozen=True, kw_only=True):
    """A slot that only one account takes; `in_use` when it has a session in it."""

    login: str
    created_at: float
    in_use: bool
