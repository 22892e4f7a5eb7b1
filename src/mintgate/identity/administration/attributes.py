"""Records told attribute by attribute; secrets and hashes are never part of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from mintgate.contract.appearance import logo_summary
from mintgate.contract.applications import TrustedApplication
from mintgate.contract.instance import Instance
from mintgate.contract.users import ATTRIBUTES, User

Record = Instance | TrustedApplication | User
SET, CHANGED = "(set)", "(changed)"
SECRET_TIMES = (
    "ApplicationSecretMadeUtc",
    "ApplicationSecretEndUtc",
    "SecondSecretMadeUtc",
    "SecondSecretEndUtc",
)
UNTOLD = frozenset(
    {"Id", "id", "CreationTimeUtc", "ApplicationSecretMadeUtc", "SecondSecretMadeUtc"}
)
SECRETS = frozenset({"ApplicationSecretHash", "SecondSecretHash"})
TIMES = frozenset({"CreationTimeUtc", "LockoutEndUtc", *SECRET_TIMES})


class Difference(msgspec.Struct, frozen=True):
    """One attribute; None is no value."""

    attribute: str
    before: str | None
    after: str | None


def between(before: Record | None, after: Record, logins: Mapping[str, str]) -> list[Difference]:
    """What becomes another attribute by attribute; secrets only as set or changed."""
    old = attributes_of(before) if before is not None else defaults_of(after)
    found = []
    for attribute, value in attributes_of(after).items():
        if attribute in UNTOLD or value == old.get(attribute):
            continue
        if attribute in SECRETS:
            found.append(_secret(attribute, old.get(attribute), value))
            continue
        old_text = text_of(attribute, old.get(attribute), logins) if before is not None else None
        found.append(Difference(attribute, old_text, text_of(attribute, value, logins)))
    return found


def _secret(attribute: str, before: object, after: object) -> Difference:
    if after is None:
        return Difference(attribute, SET, None)
    return Difference(attribute, SET if before else None, CHANGED if before else SET)


def attributes_of(record: Record) -> dict[str, object]:
    """The attributes of a record by the names of the file, with the hash of a secret."""
    return {key: getattr(record, field) for field, key in _attribute_names(record).items()}


def defaults_of(record: Record) -> dict[str, object]:
    """What the attributes are when nobody says anything, by the names of the file."""
    by_field = {
        field.name: field.default
        for field in msgspec.structs.fields(record)
        if field.default is not msgspec.NODEFAULT
    }
    names = _attribute_names(record)
    return {names[field]: default for field, default in by_field.items()}


def _attribute_names(record: Record) -> dict[str, str]:
    if isinstance(record, User):
        return {field: key for key, field in ATTRIBUTES.items()}
    return dict(zip(record.__struct_fields__, record.__struct_encode_fields__, strict=True))


def text_of(attribute: str, value: object, logins: Mapping[str, str] | None = None) -> str | None:
    """The value of an attribute for people; a user's id becomes the login in `logins`."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        only_english = value.keys() == {"en"}
        return value["en"] if only_english else ", ".join(f"{k}: {v}" for k, v in value.items())
    if attribute == "logo":
        return logo_summary(str(value))
    if attribute == "SystemUser":
        return (logins or {}).get(str(value), str(value))
    if attribute in TIMES and isinstance(value, int | float):
        return "for ever" if math.isinf(value) else datetime.fromtimestamp(value, UTC).isoformat()
    return str(value)
