"""Who still uses the legacy schemes, counted from the audit log."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import JSON, Connection, cast, func, select, type_coerce

from mintgate.store.tables import audit_events

EVENT = "legacy.used"
"""Its details have `scheme`, `api`, and `count`: the number of uses that it stands for."""


class Uses(msgspec.Struct, frozen=True, kw_only=True):
    """What one user did with one application over one scheme; times in Unix seconds.

    Args:
        login: None when it was erased.
        user_id: None for an event that names no user.
        addresses: without those that were erased.
    """

    scheme: str
    api: str
    application: str
    login: str | None
    user_id: str | None
    count: int
    first_at: float
    last_at: float
    addresses: tuple[str, ...] = ()


def since(connection: Connection, instance_id: str, at: float) -> list[Uses]:
    """Uses since `at` (Unix seconds), the newest first."""
    table = audit_events.c
    # Texts, as the chain of hashes covers them letter by letter.
    details: Any = (
        cast(table.details, JSON)
        if connection.dialect.name == "postgresql"
        else type_coerce(table.details, JSON)
    )
    scheme, api = details["scheme"].as_string(), details["api"].as_string()
    who = (scheme, api, table.application, table.actor_id, table.address)
    rows = connection.execute(
        select(
            scheme.label("scheme"),
            api.label("api"),
            table.application,
            table.actor_id,
            table.address,
            func.max(table.actor).label("login"),
            func.sum(details["count"].as_integer()).label("uses"),
            func.min(table.at).label("first_at"),
            func.max(table.at).label("last_at"),
        )
        .where(table.instance_id == instance_id, table.event == EVENT, table.at >= at)
        .group_by(*who)
        .order_by(func.max(table.at).desc())
    )
    found: dict[tuple[str, str, str, str | None], Uses] = {}
    for row in rows:
        one = Uses(
            scheme=row.scheme,
            api=row.api,
            application=row.application or "",
            login=row.login,
            user_id=row.actor_id,
            count=int(row.uses),
            first_at=row.first_at,
            last_at=row.last_at,
            addresses=(row.address,) if row.address else (),
        )
        key = (one.scheme, one.api, one.application, one.user_id)
        found[key] = _together(found[key], one) if key in found else one
    return sorted(found.values(), key=lambda uses: -uses.last_at)


def _together(one: Uses, other: Uses) -> Uses:
    return msgspec.structs.replace(
        one,
        login=one.login or other.login,
        count=one.count + other.count,
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
        addresses=(*one.addresses, *other.addresses),
    )
