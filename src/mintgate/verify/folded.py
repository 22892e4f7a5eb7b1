"""The state feed folded into what holds now: pure, and bounded by its reader."""

from __future__ import annotations

from typing import Any

import msgspec

from mintgate.contract.feed import (
    ChangedApplication,
    ChangedInstance,
    ChangedKey,
    ChangedReference,
    ChangedUser,
    ClosedSession,
    EndedSession,
    Entry,
    RestoredInstance,
    RevokedToken,
)
from mintgate.contract.key_life import LONGEST_TOKEN
from mintgate.contract.reference_tokens import is_reference
from mintgate.contract.users import UserType
from mintgate.verify.state import TokenState, UserState

_decode = msgspec.json.Decoder(Entry).decode
MARGIN = 3600.0
"""Seconds for leeways and for clocks that differ."""


class UnknownEntry(Exception):
    """An entry of a type that this version does not know: a newer issuer ends something by it."""


class _Time(msgspec.Struct, frozen=True):
    at: float


_decode_time = msgspec.json.Decoder(_Time).decode


class Folded:
    """What the feed has told since the longest token's life; the rest concerns no live token."""

    def __init__(self) -> None:
        self._revoked: dict[str, tuple[RevokedToken, float]] = {}
        self._applications: dict[str, tuple[ChangedApplication, float]] = {}
        self._users: dict[str, tuple[ChangedUser, float]] = {}
        self._restored: dict[str, tuple[RestoredInstance, float]] = {}

    def __len__(self) -> int:
        kinds = (self._revoked, self._applications, self._users, self._restored)
        return sum(len(kind) for kind in kinds)

    def add(self, raw: bytes | msgspec.Raw) -> Entry:
        """Take one entry in; the newest of a subject replaces the older ones.

        Raises:
            UnknownEntry: it cannot be read by this version.
        """
        try:
            entry: Entry = _decode(raw)
            at = _decode_time(raw).at
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UnknownEntry(str(error)) from error
        match entry:
            case RevokedToken():
                self._revoked[entry.jti] = (entry, at)
            case ChangedApplication():
                self._applications[entry.client_id] = (entry, at)
            case ChangedUser():
                self._users[entry.sub_id] = (entry, at)
            case RestoredInstance():
                self._restored[""] = (entry, at)
            case ChangedReference() | ChangedKey() | ChangedInstance():
                pass  # whoever keeps copies of these is told by the follower
            case EndedSession() | ClosedSession():
                pass  # no token ends by it [LIF-18, SES-22]
        return entry

    def prune(self, now: float) -> None:
        """Forget what no live token can meet any more.

        Args:
            now: Unix seconds.
        """
        for jti, (revoked, _) in list(self._revoked.items()):
            if revoked.exp + MARGIN < now:
                del self._revoked[jti]
        kinds: tuple[dict[str, Any], ...] = (self._applications, self._users, self._restored)
        for kept in kinds:
            for key, (_, at) in list(kept.items()):
                if at + LONGEST_TOKEN + MARGIN < now:
                    del kept[key]

    def state_of(self, claims: dict[str, Any], token: str, now: float) -> TokenState | None:
        """The state of a token's subjects; None when its user is not named by id [TOK-42].

        What the feed has not mentioned is as it was when the token was issued: good.
        """
        is_service = "client_system_user" in claims
        user_id = claims.get("client_system_user_id" if is_service else "sub_id")
        if not isinstance(user_id, str):
            return None
        application = self._applications.get(claims["client_id"])
        user = self._users.get(user_id)
        is_revoked = claims["jti"] in self._revoked
        if application is None and user is None and not (is_revoked or self._restored):
            # Nearly always. One object for all, by which a verifier sees that nothing is new.
            known = _UNTOUCHED.get(type_in(claims))
            if known is not None:
                return known
        issued = claims["iat"]
        for changed in (application, user):
            if changed is not None and changed[0].not_before is not None:
                is_revoked = is_revoked or issued < changed[0].not_before
        for restored, _ in self._restored.values():
            if not is_reference(token):
                is_revoked = is_revoked or issued < restored.not_before
        return TokenState(
            revoked=is_revoked,
            application_enabled=True if application is None else application[0].enabled,
            user=user_state(user[0] if user is not None else None, type_in(claims), now),
        )


def type_in(claims: dict[str, Any]) -> str:
    """The type of the acting user, as the token names it."""
    is_service = "client_system_user" in claims
    name: str = claims["client_system_user_type" if is_service else "user_type"]
    return name


def user_state(user: ChangedUser | None, type_in_token: str, now: float) -> UserState | None:
    """The user as the feed last told; without a word of it, as the token says.

    Args:
        now: Unix seconds.
    """
    if user is not None and user.active is None:
        return None
    try:
        user_type = UserType(type_in_token) if user is None else user.user_type
    except ValueError:
        user_type = None
    if user_type is None:
        return None  # a type that we do not know may do nothing
    if user is None:
        return UserState(active=True, locked=False, user_type=user_type)
    locked = user.locked_until is not None and now < user.locked_until
    return UserState(bool(user.active), locked, user_type, user.is_admin)


_UNTOUCHED = {
    kind.value: TokenState(
        revoked=False, application_enabled=True, user=user_state(None, kind.value, 0.0)
    )
    for kind in UserType
}
