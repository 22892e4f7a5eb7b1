"""Applications and users, as the automation API shows and takes them.

The shapes follow from the records of the contract, so that a new attribute is in all of them.
Hashes of secrets are in none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import FieldInfo

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.users import ATTRIBUTES, User

Field = tuple[str, Any] | tuple[str, Any, Any]
Texts = dict[str, str]


def _is_shown(field: FieldInfo) -> bool:
    return "secret" not in field.name


def _shape(
    name: str,
    fields: Iterable[Field],
    rename: Literal["pascal"] | Mapping[str, str],
    documentation: str,
    *,
    strict: bool = False,
) -> type[msgspec.Struct]:
    return msgspec.defstruct(
        name,
        fields,
        # A new record may come with a secret, which must reach no log.
        namespace={"__doc__": documentation, "__repr__": lambda self: f"{name}(…)"},
        module=__name__,
        frozen=True,
        kw_only=True,
        rename=rename,
        forbid_unknown_fields=strict,
    )


def _shown(fields: Iterable[FieldInfo], types: Mapping[str, Any]) -> list[Field]:
    return [(f.name, types.get(f.name, f.type)) for f in fields if _is_shown(f)]


def _new(fields: Iterable[FieldInfo], types: Mapping[str, Any], left: set[str]) -> list[Field]:
    """Fields for a record that is to be made: what has a default may be left out."""
    found: list[Field] = []
    for field in fields:
        if not _is_shown(field) or field.name in left:
            continue
        kind = types.get(field.name, field.type)
        if field.default is msgspec.NODEFAULT:
            found.append((field.name, kind))
        else:
            found.append((field.name, kind, field.default))
    return found


def _changed(fields: Iterable[FieldInfo], types: Mapping[str, Any], left: set[str]) -> list[Field]:
    """Fields for a change (RFC 7396): absent is unchanged, null is no value."""
    return [
        (f.name, types.get(f.name, f.type) | UnsetType, UNSET)
        for f in fields
        if _is_shown(f) and f.name not in left
    ]


_APPLICATION = msgspec.structs.fields(TrustedApplication)
_USER = msgspec.structs.fields(User)
_USER_NAMES = {field: attribute for attribute, field in ATTRIBUTES.items()}
_NAME = {"name": Texts | str}
_CHANGED_NAME = {"name": dict[str, str | None] | str}

Application = _shape(
    "Application",
    [
        *_shown(_APPLICATION, {"creation_time_utc": str | None}),
        ("has_secret", bool),
        ("is_built_in", bool),
    ],
    "pascal",
    "A trusted application. `SystemUser` is a login; `IsBuiltIn` says that it cannot be changed.",
)
NewApplication = _shape(
    "NewApplication",
    [
        *_new(_APPLICATION, _NAME, {"id", "creation_time_utc"}),
        ("secret", str | None, None),
    ],
    "pascal",
    "An application to be made. `Name` is a text, or texts by language; `SystemUser` a login.",
    strict=True,
)
ApplicationChanges = _shape(
    "ApplicationChanges",
    _changed(_APPLICATION, _CHANGED_NAME, {"id", "creation_time_utc"}),
    "pascal",
    "Attributes to be changed; null takes a value away (RFC 7396).",
    strict=True,
)
UserRecord = _shape(
    "User",
    _shown(_USER, {"locked_until": str | None}),
    _USER_NAMES,
    "A user. `LockoutEndUtc` is the end of a lock set by an administrator, or `for ever`.",
)
NewUser = _shape(
    "NewUser",
    [
        *_new(_USER, _NAME, {"id", "locked_until", "default_language"}),
        ("default_language", str | None | UnsetType, UNSET),
        ("password", str | None, None),
    ],
    _USER_NAMES | {"password": "Password"},
    "A user to be made; one who may sign in needs a password. Without `DefaultLanguage` it gets "
    "the language of its creator, with null none.",
    strict=True,
)
UserChanges = _shape(
    "UserChanges",
    _changed(_USER, _CHANGED_NAME, {"id", "locked_until"}),
    _USER_NAMES,
    "Attributes to be changed; null takes a value away (RFC 7396).",
    strict=True,
)
