"""All that is stored of one user: telling it, and removing it for good.

Tables are found by their columns, so that a new one with a `user_id` is not forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, func, or_, select, tuple_, update

from mintgate.contract.users import User
from mintgate.store import applications, instances, reference_tokens, reserved_seats, users
from mintgate.store.audit import rows
from mintgate.store.audit.event import AuditEvent
from mintgate.store.records.catalog import DATA_SETS
from mintgate.store.tables import (
    application_authorizations,
    audit_events,
    interactions,
    logout_notices,
    metadata,
    refresh_families,
    refresh_tokens,
)
from mintgate.store.tables import users as user_table
from mintgate.store.transaction import Transaction

assert DATA_SETS  # noqa: S101 - their tables belong to the metadata
BATCH = 500
ERASED = "(erased)"
"""Stands where the login of somebody else's record was."""
_NAMING = ("created_by", "revoked_by", "creation_user", "update_user")
_SECRET = re.compile(r"hash|_key$|secret|nonce|challenge|^sealed|^instance_id$")


class StillNeeded(Exception):
    """The user cannot be removed; the message says why."""


def everything_of(connection: Connection, instance_id: str, user: User) -> dict[str, Any]:
    """What is stored of a user, without hashes and keys; times in Unix seconds."""
    record = connection.execute(
        select(user_table).where(
            user_table.c.instance_id == instance_id, user_table.c.id == user.id
        )
    )
    found: dict[str, Any] = {"user": _told(record.mappings().one())}
    for table, condition in _tables_of(user.id):
        stored = connection.execute(
            select(table).where(table.c.instance_id == instance_id, condition)
        )
        found[table.name] = [_told(row) for row in stored.mappings()]
    seat = reserved_seats.of(connection, instance_id, user.login)
    found["reserved_seats"] = [] if seat is None else [msgspec.structs.asdict(seat)]
    found["audit_events"] = [
        msgspec.to_builtins(row.told) for row in rows.of_person(connection, instance_id, user.id)
    ]
    return found


def start_erasure(tx: Transaction, instance_id: str, user: User, actor: str | None) -> None:
    """Lock the user out, and note that personal values of the audit log are going to go.

    Raises:
        StillNeeded: an application runs as this user.
    """
    instances.lock(tx, instance_id)
    # As it is now: what was changed since it was asked for must not come back.
    stored = users.by_id(tx.connection, instance_id, user.id) or user
    for application in applications.all_of(tx.connection, instance_id):
        if application.system_user == user.id:
            raise StillNeeded(
                f"{application.application_uri} runs as this user; give it another one first"
            )
    users.change(tx, instance_id, msgspec.structs.replace(stored, active=False))
    _record(tx, instance_id, "user.erasure_started", user.id, actor)


def erase_events(tx: Transaction, instance_id: str, user_id: str) -> int:
    """Erase personal values from a batch of audit rows; 0 when none has any."""
    table = audit_events.c
    whose = func.coalesce(table.subject_id, table.actor_id)
    by_actor = _erase(
        tx,
        instance_id,
        (table.actor_id == user_id) & table.actor_salt.is_not(None),
        ("actor", "address", "actor_salt"),
    )
    of_person = _erase(
        tx,
        instance_id,
        or_(table.actor_id == user_id, table.subject_id == user_id)
        & (whose == user_id)
        & table.personal_salt.is_not(None),
        ("personal", "personal_salt"),
    )
    return by_actor + of_person


def names_of(connection: Connection, instance_id: str, user: User) -> list[str]:
    """The logins that the user ever acted with, without those that somebody else has now."""
    acted = connection.execute(
        select(audit_events.c.actor)
        .where(audit_events.c.instance_id == instance_id, audit_events.c.actor_id == user.id)
        .distinct()
    ).scalars()
    others = {
        other.login.casefold()
        for other in users.all_of(connection, instance_id)
        if other.id != user.id
    }
    return sorted(
        {
            user.login,
            *(name for name in acted if name is not None and name.casefold() not in others),
        }
    )


def erase(
    tx: Transaction, instance_id: str, user: User, names: list[str], actor: str | None
) -> None:
    """Remove the user, everything of it, and its name from other records; all of it ends.

    Args:
        names: see `names_of`; asked for before the audit rows are erased.
    """
    for token in reference_tokens.of_user(tx.connection, instance_id, user.id):
        reference_tokens.revoke(tx, instance_id, token.id, None)
    _erase_interactions(tx, instance_id, user)
    users.remove(tx, instance_id, user.id)
    families = select(refresh_families.c.id).where(
        refresh_families.c.instance_id == instance_id, refresh_families.c.user_id == user.id
    )
    tx.connection.execute(
        delete(refresh_tokens).where(
            refresh_tokens.c.instance_id == instance_id, refresh_tokens.c.family_id.in_(families)
        )
    )
    erase_rows(tx, instance_id, user.id)
    # Applications are still told of the end of the sessions, by the `sid` alone.
    tx.connection.execute(
        update(logout_notices)
        .where(logout_notices.c.instance_id == instance_id, logout_notices.c.sub.in_(names))
        .values(sub=None)
    )
    for table in metadata.sorted_tables:
        for column in (table.c[name] for name in _NAMING if name in table.c):
            tx.connection.execute(
                update(table)
                .where(table.c.instance_id == instance_id, column.in_(names))
                .values({column.name: ERASED})
            )
    _record(tx, instance_id, "user.erased", user.id, actor)


def erase_rows(tx: Transaction, instance_id: str, user_id: str) -> None:
    """Remove what names the user by id, but for audit events."""
    for table, condition in _tables_of(user_id):
        tx.connection.execute(delete(table).where(table.c.instance_id == instance_id, condition))


def _tables_of(user_id: str) -> Iterator[tuple[Table, Any]]:
    for table in metadata.sorted_tables:
        if "user_id" in table.c:
            yield table, table.c.user_id == user_id
    yield application_authorizations, application_authorizations.c.context_user == user_id


def _erase_interactions(tx: Transaction, instance_id: str, user: User) -> None:
    """Requests that wait for this person, or that an application made with the login as a hint."""
    known = {text.casefold() for text in (user.login, user.email) if text}
    sids = {
        sid
        for table in metadata.sorted_tables
        if "user_id" in table.c and "sid" in table.c
        for sid in tx.connection.execute(
            select(table.c.sid).where(
                table.c.instance_id == instance_id, table.c.user_id == user.id
            )
        ).scalars()
    }
    waiting = tx.connection.execute(
        select(interactions).where(interactions.c.instance_id == instance_id)
    ).all()
    for row in waiting:
        if (
            row.consented_by == user.id
            or row.authenticated_sid in sids
            or str(row.parameters.get("login_hint", "")).casefold() in known
        ):
            tx.connection.execute(
                delete(interactions).where(
                    interactions.c.instance_id == instance_id,
                    interactions.c.id_hash == row.id_hash,
                )
            )


def _erase(tx: Transaction, instance_id: str, condition: Any, columns: tuple[str, ...]) -> int:
    key = (audit_events.c.instance_id, audit_events.c.writer_id, audit_events.c.sequence)
    batch = select(*key).where(audit_events.c.instance_id == instance_id, condition).limit(BATCH)
    result = tx.connection.execute(
        update(audit_events).where(tuple_(*key).in_(batch)).values(dict.fromkeys(columns))
    )
    return result.rowcount


def _record(tx: Transaction, instance_id: str, event: str, user_id: str, actor: str | None) -> None:
    tx.record(
        AuditEvent(instance_id=instance_id, at=tx.now, event=event, actor=actor, subject_id=user_id)
    )


def _told(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not _SECRET.search(name)}
