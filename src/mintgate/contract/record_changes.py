"""What a change of a record did, for the audit log: values before and after, never a secret."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from mintgate.contract.appearance import logo_summary

SET, CHANGED = "(set)", "(changed)"
SECRETS = frozenset({"ApplicationSecretHash", "SecondSecretHash", "SecretHash", "Password"})
UNTOLD = frozenset({"Id", "id", "CreationTimeUtc"})


class BeforeAndAfter(NamedTuple):
    """The attributes that differ, with their values; secrets say only that they are set."""

    before: dict[str, object]
    after: dict[str, object]

    @property
    def attributes(self) -> list[str]:
        return sorted(self.before.keys() | self.after.keys())


def before_and_after(
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
    *,
    new_password: bool = False,
) -> BeforeAndAfter:
    """Compare two states of a record, by the names of its attributes.

    Args:
        before: None when the record was added.
        after: None when it was removed.
        new_password: whether a password was set with it.
    """
    old, new = before or {}, after or {}
    told = BeforeAndAfter({}, {})
    for name in [*old, *(name for name in new if name not in old)]:
        was, becomes = old.get(name), new.get(name)
        if name in UNTOLD or was == becomes:
            continue
        if was is not None:
            told.before[name] = SET if name in SECRETS else _plain(name, was)
        if becomes is not None:
            secret = CHANGED if was is not None else SET
            told.after[name] = secret if name in SECRETS else _plain(name, becomes)
    if new_password:
        told.after["Password"] = SET if before is None else CHANGED
    return told


def _plain(name: str, value: object) -> object:
    if name == "logo":
        return logo_summary(str(value))
    # JSON has no infinity.
    return "for ever" if isinstance(value, float) and math.isinf(value) else value
