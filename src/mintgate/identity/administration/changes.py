"""The audit event of a changed record: its attributes before and after, never a secret."""

from __future__ import annotations

from msgspec.structs import replace

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.record_changes import before_and_after
from mintgate.contract.users import User
from mintgate.identity.administration.attributes import Record, attributes_of
from mintgate.store import AuditEvent


def change_event(
    instance_id: str,
    now: float,
    event: str,
    *,
    before: Record | None,
    after: Record | None,
    actor: str | None,
    new_password: bool = False,
) -> AuditEvent:
    """The event of an added, changed or removed record.

    Args:
        event: such as `application.changed`.
        before: None for a record that was added.
        after: None for one that was removed.
        new_password: whether a password was set with it.
    """
    told = before_and_after(
        attributes_of(before) if before is not None else None,
        attributes_of(after) if after is not None else None,
        new_password=new_password,
    )
    made = AuditEvent(instance_id=instance_id, at=now, event=event, actor=actor)
    record = after if after is not None else before
    named = before if before is not None else after
    if isinstance(record, User) and isinstance(named, User):
        # A person's data must be erasable: its values are told apart from what stays.
        return replace(
            made,
            subject_id=record.id,
            details={"attributes": told.attributes},
            personal={"name": named.login, "before": told.before, "after": told.after},
        )
    if isinstance(record, TrustedApplication) and isinstance(named, TrustedApplication):
        uri = named.application_uri
        values = {"id": record.id, "name": uri, "before": told.before, "after": told.after}
        return replace(made, application=uri, details=values)
    name = named.name if named is not None else None
    return replace(made, details={"name": name, "before": told.before, "after": told.after})
