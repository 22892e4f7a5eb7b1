"""A change told attribute by attribute; secrets and hashes are never part of it."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate.contract.applications import TrustedApplication
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
from mintgate.server.declaration.plan import (
    ApiChange,
    ApplicationChange,
    Change,
    InstanceChange,
    UserChange,
)

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
    if isinstance(change, ApiChange):
        return "added" if change.is_new else "removed" if change.is_removed else "changed"
    if change.before is None:
        return "added"
    return "removed" if change.after is None else "changed"


def kind_of(change: Change) -> str:
    """`instance`, `api`, `application` or `user`."""
    return _KINDS[type(change)]


_KINDS: dict[type, str] = {
    InstanceChange: "instance",
    ApiChange: "api",
    ApplicationChange: "application",
    UserChange: "user",
}


def name_of(change: Change) -> str:
    """The name, the URI or the login, as it was before."""
    if isinstance(change, ApiChange):
        return change.name
    record = change.before or change.after
    if isinstance(record, User):
        return record.login
    if isinstance(record, TrustedApplication):
        return record.application_uri
    return record.name if record else ""


def differences_of(change: Change, logins: Mapping[str, str]) -> list[Difference]:
    """What a change does; a removal has no differences.

    Args:
        logins: by user id, so that `SystemUser` shows a login.
    """
    if isinstance(change, ApiChange):
        if change.is_removed:
            return []
        told = SET if change.is_new else CHANGED
        return [Difference("SecretHash", None, told if change.secret_hash else None)]
    if change.after is None:
        return []
    found = between(change.before, change.after, logins)
    if isinstance(change, UserChange) and change.password_hash:
        found.append(Difference("Password", None, CHANGED if change.before else SET))
    return found
