"""The entries of the state feed as a verifier elsewhere reads them.

Each tells the whole state of one subject after a change, so that folding them in order gives the
present. Only what happened within the longest life of an access token can concern a live one.
"""

from __future__ import annotations

import msgspec

from mintgate.contract.users import UserType


class RevokedToken(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="jti"):
    """One access token ended; `exp` is the Unix time at which it ends by itself [REV-4]."""

    jti: str
    exp: int


class ChangedApplication(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="application"
):
    """An application as it is now [API-13].

    Args:
        client_id: its `ApplicationUri`.
        enabled: None when no application has this `client_id` any more.
        not_before: tokens with an earlier `iat` (Unix seconds) are revoked [LIF-18].
    """

    client_id: str
    enabled: bool | None
    not_before: int | None = None


class ChangedUser(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="user"):
    """A user as it is now [API-14]; `active` is None when the user does not exist any more.

    Args:
        sub_id: the user's id, as tokens name it (`sub_id`, `client_system_user_id`).
        is_admin: None when the issuer does not tell.
        locked_until: Unix seconds of a lock set by an administrator, `clock.LAST_MOMENT` at most.
        not_before: as for an application.
    """

    sub_id: str
    active: bool | None
    user_type: UserType | None = None
    is_admin: bool | None = None
    locked_until: float | None = None
    not_before: int | None = None


class ChangedReference(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reference"
):
    """A reference token changed or ended: what was kept of it is to be asked anew [REF-39]."""

    jti: str


class EndedSession(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="sid"):
    """A sign-in session ended: its slot is free. No token is refused for it [LIF-18]."""

    sid: str


class ClosedSession(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="erp_session"):
    """An ERP session was closed before its time: its slot is free, its token as good as before.

    Args:
        session: its key, a `sid` or a `jti`; None when all of the instance were closed [SES-23].
    """

    session: str | None


class ChangedKey(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="key"):
    """A signing key appeared, or `ended`: what it signed is refused from now on."""

    kid: str
    ended: bool


class ChangedInstance(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="instance"):
    """A setting of the instance changed."""


class RestoredInstance(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="restored"):
    """The issuer's database was restored from a backup: what was ended since may live in it again.

    A reader that does not know this type asks about each token, as for every unknown one.

    Args:
        not_before: JWTs with an earlier `iat` (Unix seconds) are revoked, whoever has them.
            Reference tokens are not: their `iat` is that of the record, which is asked about.
    """

    not_before: int


Entry = (
    RevokedToken
    | ChangedApplication
    | ChangedUser
    | ChangedReference
    | EndedSession
    | ClosedSession
    | ChangedKey
    | ChangedInstance
    | RestoredInstance
)


class FeedPage(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of the feed.

    Args:
        position: the number to go on after.
        at: the time of the entry with that number, to be given back with it: after a restore
            from a backup another entry may have the number. None when there is no such entry.
        more: whether entries are waiting behind this page.
        entries: in order. They stay undecoded, so that a reader can meet a type that it does not
            know without losing the others.
    """

    position: int
    at: float | None
    more: bool
    entries: list[msgspec.Raw]


class FeedGap(Exception):
    """What came after this position is not kept any more, or never was: begin anew."""


MAX_PAGE = 500
STATE_FEED_PATH = "/connect/state-feed"
"""Below the issuer; readers find it in the metadata [TOP-2]."""
STATE_FEED_MEMBER = "mintgate_state_feed_endpoint"
