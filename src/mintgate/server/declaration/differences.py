"""A change told attribute by attribute; secrets and hashes are never part of it."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.record_changes import before_and_after
from mintgate.contract.users import User
from mintgate.identity.administration.attributes import (
    CHANGED,
    SET,
    Difference,
    attributes_of,
    between,
    defaults_of,
    text_of,
)
from mintgate.server.declaration import api_attributes
from mintgate.server.declaration.plan import (
    ApiChange,
    ApplicationChange,
    Change,
    InstanceChange,
    SeatChange,
    UserChange,
)
from mintgate.store.apis import StoredApi

__all__ = [
    "CHANGED",
    "SET",
    "Difference",
    "action_of",
    "attributes_of",
    "defaults_of",
    "differences_of",
    "kind_of",
    "name_of",
    "text_of",
]


def action_of(change: Change) -> str:
    """`added`, `changed` or `removed`."""
    if change.before is None:
        return "added"
    return "removed" if change.after is None else "changed"


def kind_of(change: Change) -> str:
    """`instance`, `api`, `application`, `user` or `reserved_seat`."""
    return _KINDS[type(change)]


_KINDS: dict[type, str] = {
    InstanceChange: "instance",
    ApiChange: "api",
    ApplicationChange: "application",
    UserChange: "user",
    SeatChange: "reserved_seat",
}


def name_of(change: Change) -> str:
    """The name, the URI or the login, as it was before."""
    record = change.before or change.after
    if isinstance(record, str):
        return record
    if isinstance(record, StoredApi):
        return record.settings.name
    if isinstance(record, User):
        return record.login
    if isinstance(record, TrustedApplication):
        return record.application_uri
    return record.name if record else ""


def differences_of(change: Change, logins: Mapping[str, str]) -> list[Difference]:
    """What a change does; a removal has no differences, nor has a reserved seat.

    Args:
        logins: by user id, so that `SystemUser` shows a login.
    """
    if change.after is None or isinstance(change, SeatChange):
        return []
    if isinstance(change, ApiChange):
        return _differences_of_api(change)
    found = between(change.before, change.after, logins)
    if isinstance(change, UserChange) and change.password_hash:
        found.append(Difference("Password", None, CHANGED if change.before else SET))
    return found


def _differences_of_api(change: ApiChange) -> list[Difference]:
    told = before_and_after(
        api_attributes.attributes_of(change.before) if change.before else None,
        api_attributes.attributes_of(change.after),
    )
    return [
        Difference(name, _text(told.before.get(name)), _text(told.after.get(name)))
        for name in dict.fromkeys([*told.before, *told.after])
    ]


def _text(value: object) -> str | None:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "(none)"
    return text_of("", value)
