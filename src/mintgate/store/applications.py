"""Trusted applications, and the consents to them that are remembered [EXT-2]."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, update

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.feed import ChangedApplication
from mintgate.contract.users import User
from mintgate.store import (
    codes,
    legacy_sessions,
    lifecycle_events,
    reference_tokens,
    refresh,
    revocations,
    site_sessions,
)
from mintgate.store.application_secrets import secret_times
from mintgate.store.audit import AuditEvent
from mintgate.store.conflicts import insert_into
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import (
    application_authorizations,
    applications,
    consents,
    session_applications,
)
from mintgate.store.transaction import Transaction


def _key(uri: str) -> str:
    # [TAP-3] unique without regard to case, while client_id is compared exactly [AUT-1].
    return uri.casefold()


def _of(instance_id: str, application_id: str) -> ColumnElement[bool]:
    return (applications.c.instance_id == instance_id) & (applications.c.id == application_id)


def by_uri(connection: Connection, instance_id: str, client_id: str) -> TrustedApplication | None:
    """The application whose `ApplicationUri` is exactly `client_id`."""
    found = by_uri_in_any_case(connection, instance_id, client_id)
    return found if found and found.application_uri == client_id else None


def by_uri_in_any_case(
    connection: Connection, instance_id: str, uri: str
) -> TrustedApplication | None:
    """The application that stands in the way of registering `uri` [TAP-3]."""
    statement = select(applications).where(
        applications.c.instance_id == instance_id, applications.c.application_uri_key == _key(uri)
    )
    row = connection.execute(statement).mappings().first()
    return from_row(TrustedApplication, row) if row else None


def by_id(
    connection: Connection, instance_id: str, application_id: str
) -> TrustedApplication | None:
    statement = select(applications).where(_of(instance_id, application_id))
    row = connection.execute(statement).mappings().first()
    return from_row(TrustedApplication, row) if row else None


def all_of(connection: Connection, instance_id: str) -> list[TrustedApplication]:
    rows = connection.execute(
        select(applications)
        .where(applications.c.instance_id == instance_id)
        .order_by(applications.c.application_uri_key)
    ).mappings()
    return [from_row(TrustedApplication, row) for row in rows]


def add(tx: Transaction, instance_id: str, application: TrustedApplication) -> None:
    values = _columns(application)
    values["creation_time_utc"] = application.creation_time_utc or int(tx.now)  # [TAP-17]
    values |= secret_times(application, None, tx.now)
    tx.connection.execute(insert(applications).values(**values, instance_id=instance_id))
    revocations.inherit_end(tx, instance_id, application.application_uri, application.id)
    _tell(tx, instance_id, application.id)


def change(tx: Transaction, instance_id: str, application: TrustedApplication) -> None:
    """Store a changed record; disabling it ends its refresh tokens [LIF-15]."""
    values = _columns(application)
    del values["creation_time_utc"]
    stored = by_id(tx.connection, instance_id, application.id)
    values |= secret_times(application, stored, tx.now)
    statement = update(applications).where(_of(instance_id, application.id)).values(**values)
    tx.connection.execute(statement)
    if stored is not None and stored.application_uri != application.application_uri:
        revocations.end_name(tx, instance_id, stored.application_uri)
        revocations.inherit_end(tx, instance_id, application.application_uri, application.id)
        gone = ChangedApplication(client_id=stored.application_uri, enabled=None)
        tx.changed(instance_id, application.id, gone)
    if not application.is_enabled:
        # Codes first, here and below: see `withdraw_consent`.
        codes.end_of_application(tx, instance_id, application.id)
        refresh.revoke_of_application(tx, instance_id, application.id, "application_disabled")
    _tell(tx, instance_id, application.id)


def remove(tx: Transaction, instance_id: str, application_id: str) -> None:
    """Delete the record; its refresh tokens die with it [TAP-33]."""
    removed = by_id(tx.connection, instance_id, application_id)
    codes.end_of_application(tx, instance_id, application_id)
    refresh.revoke_of_application(tx, instance_id, application_id, "application_removed")
    reference_tokens.revoke_of_application(tx, instance_id, application_id, None)
    lifecycle_events.supersede(tx, instance_id, application_id, "the application was removed")
    for table in (application_authorizations, consents, session_applications):
        tx.connection.execute(
            delete(table).where(
                table.c.instance_id == instance_id, table.c.application_id == application_id
            )
        )
    tx.connection.execute(delete(applications).where(_of(instance_id, application_id)))
    if removed is not None:
        revocations.end_name(tx, instance_id, removed.application_uri)
        gone = ChangedApplication(client_id=removed.application_uri, enabled=None)
        tx.changed(instance_id, application_id, gone)


def revoke_everything(tx: Transaction, instance_id: str, application_id: str, by: str) -> bool:
    """End every token, legacy session and site session of an application [LIF-18].

    Returns:
        False without such an application.
    """
    application = by_id(tx.connection, instance_id, application_id)
    if application is None:
        return False
    codes.end_of_application(tx, instance_id, application_id)
    refresh.revoke_of_application(tx, instance_id, application_id, "everything_revoked")
    reference_tokens.revoke_of_application(tx, instance_id, application_id, by)
    revocations.add_before(tx, instance_id, application_id)
    site_sessions.end_of_application(tx, instance_id, application_id)
    _tell(tx, instance_id, application_id)
    legacy_sessions.end_of_application(tx, instance_id, application.application_uri)
    return True


def consented_scopes(
    connection: Connection, instance_id: str, user_id: str, application_id: str
) -> frozenset[str]:
    """What the user allowed the application, remembered [EXT-2]."""
    statement = select(consents.c.scopes).where(
        consents.c.instance_id == instance_id,
        consents.c.user_id == user_id,
        consents.c.application_id == application_id,
    )
    return frozenset(connection.execute(statement).scalar_one_or_none() or ())


def hold_consent(
    tx: Transaction, instance_id: str, user_id: str, application_id: str
) -> frozenset[str]:
    """The same; who withdraws it waits until this is committed, as with `sessions.hold`."""
    statement = select(consents.c.scopes).where(
        consents.c.instance_id == instance_id,
        consents.c.user_id == user_id,
        consents.c.application_id == application_id,
    )
    if tx.connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        statement = statement.with_for_update(read=True)
    return frozenset(tx.connection.execute(statement).scalar_one_or_none() or ())


def remember_consent(
    tx: Transaction, instance_id: str, user_id: str, application_id: str, scopes: frozenset[str]
) -> None:
    """Add to what the user allowed; two windows at once add up, and neither fails [EXT-2]."""
    statement = insert_into(tx, consents).values(
        instance_id=instance_id,
        user_id=user_id,
        application_id=application_id,
        scopes=sorted(scopes),
        given_at=tx.now,
    )
    # The row is there from here on, and nobody else changes it until this is committed.
    known = tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["instance_id", "user_id", "application_id"],
            set_={"given_at": statement.excluded.given_at},
        ).returning(consents.c.scopes)
    ).scalar_one()
    if not scopes.issubset(known):
        where = (
            consents.c.instance_id == instance_id,
            consents.c.user_id == user_id,
            consents.c.application_id == application_id,
        )
        tx.connection.execute(
            update(consents).where(*where).values(scopes=sorted(scopes.union(known)))
        )


def _tell(tx: Transaction, instance_id: str, application_id: str) -> None:
    """Append what the row says now to the state feed."""
    application = by_id(tx.connection, instance_id, application_id)
    if application is None:
        return
    entry = ChangedApplication(
        client_id=application.application_uri,
        enabled=application.is_enabled,
        not_before=revocations.not_before(tx.connection, instance_id, application_id),
    )
    tx.changed(instance_id, application_id, entry)


def withdraw_consent(
    tx: Transaction,
    instance_id: str,
    user: User,
    application: TrustedApplication,
    *,
    actor: str,
    address: str | None,
) -> bool:
    """Forget what the user allowed the application, and end what renews itself by it [EXT-2].

    Its codes and refresh tokens of this user end; access tokens live to their `exp`.

    Args:
        actor: the login that withdraws it, the user's own or an administrator's.
        address: where the request came from, for the audit log.

    Returns:
        False when no consent was remembered; what there was of refresh tokens ends all the same.
    """
    forgotten = tx.connection.execute(
        delete(consents).where(
            consents.c.instance_id == instance_id,
            consents.c.user_id == user.id,
            consents.c.application_id == application.id,
        )
    ).rowcount
    # Codes first: a redemption under way holds its row until its family is there to be revoked.
    codes.end_of_user_at(tx, instance_id, user.id, application.id)
    revoked = refresh.revoke_of_user_at(
        tx, instance_id, user.id, application.id, "consent_withdrawn"
    )
    if forgotten or revoked:
        tx.record(
            AuditEvent(
                instance_id=instance_id,
                at=tx.now,
                event="consent.withdrawn",
                actor=actor,
                actor_id=user.id if actor == user.login else None,
                subject_id=user.id,
                application=application.application_uri,
                address=address,
                details={"refresh_families": revoked},
            )
        )
    return forgotten > 0


def some_requires_consent(connection: Connection, instance_id: str) -> bool:
    """Whether some enabled application asks for consent [EXT-2]."""
    statement = select(
        exists().where(
            applications.c.instance_id == instance_id,
            applications.c.is_enabled.is_(True),
            applications.c.require_consent.is_(True),
        )
    )
    return bool(connection.execute(statement).scalar_one())


def some_allows_basic(connection: Connection, instance_id: str) -> bool:
    """Whether some enabled application may use the legacy schemes [LEG-8]."""
    statement = select(
        exists().where(
            applications.c.instance_id == instance_id,
            applications.c.is_enabled.is_(True),
            applications.c.basic_authentication_allowed.is_(True),
        )
    )
    return bool(connection.execute(statement).scalar_one())


def _columns(application: TrustedApplication) -> dict[str, object]:
    return {**to_row(application), "application_uri_key": _key(application.application_uri)}
