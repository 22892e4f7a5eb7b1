"""A change of one entity by one caller, decided and not yet made."""

from __future__ import annotations

from typing import Any

import msgspec

from mintgate.store.records import EntitySet
from mintgate.verify.principal import Principal


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written.

    Args:
        values: by attribute name, each of the right type; of an update only what is set.
        principal: the caller, whose login is recorded [API-24].
        hashed_password: the hash of a `Password` that the body had.
    """

    instance_id: str
    entity_set: EntitySet
    key: str
    principal: Principal
    values: dict[str, Any] = {}
    hashed_password: str | None = None
