"""Carries out changes in one transaction, each with its audit event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.record_changes import before_and_after
from mintgate.contract.users import User
from mintgate.identity.administration.changes import change_event
from mintgate.identity.lifecycle import telling
from mintgate.server.declaration import api_attributes
from mintgate.server.declaration.differences import (
    action_of,
    kind_of,
    name_of,
)
from mintgate.server.declaration.plan import (
    ApiChange,
    ApplicationChange,
    Change,
    InstanceChange,
    SeatChange,
    UserChange,
)
from mintgate.server.declaration.stored import key_of
from mintgate.store import (
    AuditEvent,
    Transaction,
    apis,
    applications,
    instances,
    reserved_seats,
    users,
)


def carry_out(
    tx: Transaction,
    instance_id: str,
    changes: Iterable[Change],
    *,
    actor: str | None,
) -> None:
    """Write changes and record an audit event for each.

    Args:
        actor: who did it, for the audit log.
    """
    changes = list(changes)
    _step_aside(tx, instance_id, changes)
    for change in changes:
        if isinstance(change, InstanceChange):
            (instances.change if change.before else instances.add)(tx, change.after)
        elif isinstance(change, ApiChange):
            _write_api(tx, instance_id, change)
        elif isinstance(change, ApplicationChange):
            _write_application(tx, instance_id, change)
        elif isinstance(change, SeatChange):
            _write_seat(tx, instance_id, change)
        else:
            _write_user(tx, instance_id, change)
        tx.record(_event(tx, instance_id, change, actor))


def _write_api(tx: Transaction, instance_id: str, change: ApiChange) -> None:
    if change.after is None:
        apis.remove(tx, instance_id, name_of(change))
    else:
        (apis.change if change.before else apis.add)(tx, instance_id, change.after)


def _write_application(tx: Transaction, instance_id: str, change: ApplicationChange) -> None:
    if change.after is None:
        if change.before is not None:
            telling.remove_application(tx, instance_id, change.before, None)
    elif change.before is None:
        applications.add(tx, instance_id, change.after)
    else:
        applications.change(tx, instance_id, change.after)


def _write_seat(tx: Transaction, instance_id: str, change: SeatChange) -> None:
    if change.after is not None:
        reserved_seats.add(tx, instance_id, change.after)
    else:
        reserved_seats.remove(tx, instance_id, name_of(change))


def _write_user(tx: Transaction, instance_id: str, change: UserChange) -> None:
    if change.after is None:
        if change.before is not None:
            users.remove(tx, instance_id, change.before.id)
    elif change.before is None:
        users.add(tx, instance_id, change.after, change.password_hash)
    else:
        if change.before != change.after:
            users.change(tx, instance_id, change.after)
        if change.password_hash:
            users.set_password(tx, instance_id, change.after.id, change.password_hash)


def _step_aside(tx: Transaction, instance_id: str, changes: list[Change]) -> None:
    """Free names that one record gives up and another takes, such as two logins swapped."""
    users_moved = [c for c in changes if isinstance(c, UserChange)]
    logins = [(_login(c.before), _login(c.after)) for c in users_moved]
    emails = [(_email(c.before), _email(c.after)) for c in users_moved]
    for index in sorted(_handed_over(logins) | _handed_over(emails)):
        user = users_moved[index].before
        if user is not None and users_moved[index].after is not None:
            users.change(tx, instance_id, replace(user, login=f"~{user.id}", email=None))
    applications_moved = [c for c in changes if isinstance(c, ApplicationChange)]
    uris = [(_uri(c.before), _uri(c.after)) for c in applications_moved]
    for index in sorted(_handed_over(uris)):
        application = applications_moved[index].before
        if application is not None and applications_moved[index].after is not None:
            aside = replace(application, application_uri=f"~{application.id}")
            applications.change(tx, instance_id, aside)


def _login(user: User | None) -> str | None:
    return user.login if user else None


def _email(user: User | None) -> str | None:
    return user.email if user else None


def _uri(application: TrustedApplication | None) -> str | None:
    return application.application_uri if application else None


def _handed_over(names: Sequence[tuple[str | None, str | None]]) -> set[int]:
    """Where a name before is not the one after, and another record gets it."""
    wanted = {key_of(after) for _, after in names if after}
    return {
        index
        for index, (before, after) in enumerate(names)
        if before and key_of(before) != key_of(after or "") and key_of(before) in wanted
    }


def _event(tx: Transaction, instance_id: str, change: Change, actor: str | None) -> AuditEvent:
    event, now = f"{kind_of(change)}.{action_of(change)}", tx.now
    if isinstance(change, SeatChange):
        user = users.by_login(tx.connection, instance_id, name_of(change))
        return AuditEvent(
            instance_id=instance_id,
            at=now,
            event=event,
            actor=actor,
            subject_id=user.id if user else None,
            personal={"login": name_of(change)},
        )
    if not isinstance(change, ApiChange):
        return change_event(
            instance_id,
            now,
            event,
            before=change.before,
            after=change.after,
            actor=actor,
            new_password=isinstance(change, UserChange) and bool(change.password_hash),
        )
    told = before_and_after(
        api_attributes.attributes_of(change.before), api_attributes.attributes_of(change.after)
    )
    return AuditEvent(
        instance_id=instance_id,
        at=now,
        event=event,
        actor=actor,
        details={"name": name_of(change), "before": told.before, "after": told.after},
    )
