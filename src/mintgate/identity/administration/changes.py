"""The audit event of a changed record: attribute by attribute, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.users import User
from mintgate.identity.administration.attributes import CHANGED, SET, Difference, Record
from mintgate.store import AuditEvent

# Audit rows stay for ever, and a person's data must be erasable: these are told without values.
PERSONAL = frozenset({"Name", "Email", "PhoneNumber"})


def change_event(
    instance_id: str,
    now: float,
    event: str,
    *,
    name: str,
    record: Record | None,
    differences: Sequence[Difference],
    actor: str | None,
) -> AuditEvent:
    """The event of an added, changed or removed record.

    Args:
        event: such as `application.changed`.
        name: the URI or login, as it was before.
        record: as it is afterwards, or was when it is removed; None for an API.
    """
    details: dict[str, Any] = {"name": name}
    if isinstance(record, User | TrustedApplication):
        details["id"] = record.id
    is_user = isinstance(record, User)
    details["attributes"] = {
        told.attribute: [told.before, told.after]
        for difference in differences
        for told in [_without_values(difference) if is_user else difference]
    }
    return AuditEvent(
        instance_id=instance_id,
        at=now,
        event=event,
        actor=actor,
        application=name if isinstance(record, TrustedApplication) else None,
        details=details,
    )


def _without_values(difference: Difference) -> Difference:
    if difference.attribute not in PERSONAL:
        return difference
    before = SET if difference.before else None
    after = (CHANGED if before else SET) if difference.after else None
    return Difference(difference.attribute, before, after)
