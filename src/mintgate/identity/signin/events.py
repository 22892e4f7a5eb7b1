"""The audit events of second factors and passkeys."""

from __future__ import annotations

from typing import Any

from mintgate.contract.clock import Clock
from mintgate.contract.users import User
from mintgate.store import AuditEvent


def factor_event(
    instance_id: str,
    clock: Clock,
    name: str,
    user: User | None,
    address: str | None,
    cause: str | None = None,
    details: dict[str, Any] | None = None,
) -> AuditEvent:
    """An event of a person at the sign-in.

    Args:
        clock: Unix seconds.
        user: whom it concerns, None when nobody knows.
        address: the peer's.
    """
    return AuditEvent(
        instance_id=instance_id,
        at=clock(),
        event=name,
        actor=user.login if user else None,
        actor_id=user.id if user else None,
        address=address,
        cause=cause,
        details=details,
    )
