"""Lists in parts: each part starts after the last row of the one before (keyset paging)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    String,
    Table,
    func,
    select,
)

from mintgate.contract.applications import TrustedApplication
from mintgate.store import erp_session_ends, licence_pools
from mintgate.store.applications import all_of as all_applications
from mintgate.store.audit.rows import matching
from mintgate.store.erp_sessions import ErpSession
from mintgate.store.keyset import Order, Part, Place, is_after, merged, part_of
from mintgate.store.reference_tokens import ReferenceToken
from mintgate.store.refresh import Family
from mintgate.store.reserved_seats import Reservation
from mintgate.store.rows import from_row
from mintgate.store.sessions import IdentitySession
from mintgate.store.tables import (
    applications,
    audit_events,
    consents,
    erp_sessions,
    identity_sessions,
    reference_tokens,
    refresh_families,
    refresh_tokens,
    reserved_seats,
)


class ListedFamily(msgspec.Struct, frozen=True):
    family: Family
    revoked_because: str | None
    last_used_at: float | None


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    application_id: str
    scopes: tuple[str, ...]
    given_at: float


def applications_part(
    connection: Connection,
    instance_id: str,
    after: Place | None,
    limit: int,
    uri: str | None,
    search: str | None = None,
) -> Part:
    """By URI.

    Args:
        search: a part of the URI or of a name, in any case: applications are few.
    """
    table = applications.c
    conditions: list[ColumnElement[bool]] = [table.application_uri == uri] if uri else []
    if search is not None:
        wanted = search.casefold()
        found = [
            a.id
            for a in all_applications(connection, instance_id)
            if any(wanted in text.casefold() for text in (a.application_uri, *a.name.values()))
        ]
        conditions.append(table.id.in_(found))
    order = [(table.application_uri_key, False)]
    part = part_of(connection, applications, instance_id, conditions, order, after, limit)
    return Part([from_row(TrustedApplication, row) for row in part.rows], part.following)


def reference_tokens_part(
    connection: Connection,
    instance_id: str,
    after: Place | None,
    limit: int,
    *,
    application_id: str | None = None,
    user_id: str | None = None,
) -> Part:
    """Newest first; of an application, or the personal ones of a user."""
    table = reference_tokens
    conditions = _equal(table, application_id=application_id, user_id=user_id)
    order = [(table.c.created_at, True), (table.c.id, False)]
    part = part_of(connection, table, instance_id, conditions, order, after, limit)
    return Part([from_row(ReferenceToken, row) for row in part.rows], part.following)


def families_part(
    connection: Connection,
    instance_id: str,
    after: Place | None,
    limit: int,
    *,
    application_id: str | None = None,
    user_id: str | None = None,
) -> Part:
    """Newest first."""
    table = refresh_families
    conditions = _equal(table, application_id=application_id, user_id=user_id)
    order = [(table.c.created_at, True), (table.c.id, False)]
    last_used = (
        select(func.max(refresh_tokens.c.consumed_at))
        .where(
            refresh_tokens.c.instance_id == table.c.instance_id,
            refresh_tokens.c.family_id == table.c.id,
        )
        .scalar_subquery()
        .label("last_used_at")
    )
    statement = select(table, last_used)
    part = part_of(connection, table, instance_id, conditions, order, after, limit, statement)
    return Part([_family(row) for row in part.rows], part.following)


def family(connection: Connection, instance_id: str, family_id: str) -> Family | None:
    statement = select(refresh_families).where(
        refresh_families.c.instance_id == instance_id, refresh_families.c.id == family_id
    )
    row = connection.execute(statement).mappings().first()
    return from_row(Family, row) if row else None


def sessions_part(
    connection: Connection,
    instance_id: str,
    now: float,
    after: Place | None,
    limit: int,
    *,
    user_id: str | None = None,
) -> Part:
    """Sign-ins that have not ended, newest first."""
    table = identity_sessions
    # Those that have ended are removed soon, and few: by the index of the ends, all others would
    # be read and sorted for each page.
    conditions = [*_equal(table, user_id=user_id), table.c.expires_at + 0 > now]
    order = [(table.c.created_at, True), (table.c.sid, False)]
    part = part_of(connection, table, instance_id, conditions, order, after, limit)
    return Part([from_row(IdentitySession, row) for row in part.rows], part.following)


def erp_sessions_part(
    connection: Connection,
    instance_id: str,
    now: float,
    after: Place | None,
    limit: int,
    *,
    shown: int,
    user: tuple[str | None, str] | None = None,
    process: str | None = None,
) -> Part:
    """Open ERP sessions, newest first [SES-26].

    Args:
        shown: so many characters of a key may be in a place.
        user: id and login of the only user that is asked for.
        process: as for `licence_pools.is_over`.
    """
    table = erp_sessions
    conditions = [licence_pools.is_open(now, process)]
    if user is not None:
        conditions.append(erp_session_ends.of_user(*user))
    beginning = func.substr(table.c.key, 1, shown, type_=String).label("beginning")
    order: Order = [(table.c.started_at, True), (beginning, False)]
    statement = select(table, beginning)
    part = part_of(connection, table, instance_id, conditions, order, after, limit, statement)
    return Part([from_row(ErpSession, row) for row in part.rows], part.following)


def reserved_seats_part(
    connection: Connection, instance_id: str, after: Place | None, limit: int
) -> Part:
    """Who has a licence slot reserved, by login [SES-36]."""
    table = reserved_seats
    order = [(table.c.login_key, False)]
    part = part_of(connection, table, instance_id, [], order, after, limit)
    return Part([from_row(Reservation, row) for row in part.rows], part.following)


def audit_part(
    connection: Connection,
    instance_id: str,
    after: Place | None,
    limit: int,
    *,
    since: float | None = None,
    until: float | None = None,
    event: str | None = None,
    actor: str | None = None,
    application: str | None = None,
    request_id: str | None = None,
    looks_through: int | None = None,
    person_id: str | None = None,
    events: Sequence[str] | None = None,
) -> Part:
    """Audit rows as mappings, newest first.

    Args:
        since, until: Unix seconds; the first is included, the second not.
        event, actor, application: see `audit.rows.latest`; an event that begins with a dot is
            the end of a name.
        request_id: of the refusal that is looked for; every other condition narrows the search.
        looks_through: so many rows are looked at; what is asked for may be rare.
        person_id: of the user who acted, or to whom it happened.
        events: the only names that are looked for.
    """
    table = audit_events
    is_ending = event is not None and event.startswith(".")
    conditions = matching(None if is_ending else event, actor, application)
    if is_ending:
        conditions.append(table.c.event.endswith(event, autoescape=True))
    if request_id is not None:
        told = msgspec.json.encode({"request_id": request_id}).decode()[1:-1]
        conditions.append(table.c.details.contains(told, autoescape=True))
    if events is not None:
        conditions.append(table.c.event.in_(events))
    if since is not None:
        conditions.append(table.c.at >= since)
    if until is not None:
        conditions.append(table.c.at < until)
    order = [(table.c.at, True), (table.c.writer_id, True), (table.c.sequence, True)]
    if person_id is not None:
        acted, was_meant = (
            part_of(connection, table, instance_id, [*conditions, whose == person_id], order, after,
                  limit)
            for whose in (table.c.actor_id, table.c.subject_id)
        )  # fmt: skip
        return merged(acted, was_meant, order, limit)
    if looks_through is None:
        return part_of(connection, table, instance_id, conditions, order, after, limit)
    last = _last_of(connection, table, instance_id, order, after, looks_through, until)
    if last is not None:
        conditions.append(table.c.at >= last[0])
    part = part_of(connection, table, instance_id, conditions, order, after, limit)
    return part if part.following is not None else Part(part.rows, last)


def _last_of(
    connection: Connection,
    table: Table,
    instance_id: str,
    order: Order,
    after: Place | None,
    number: int,
    until: float | None,
) -> Place | None:
    """The place of the row that comes so many rows later; None when there are not so many."""
    wanted = select(*(column for column, _ in order)).where(table.c.instance_id == instance_id)
    if until is not None:
        wanted = wanted.where(table.c.at < until)
    if after is not None:
        wanted = wanted.where(is_after(order, after))
    wanted = wanted.order_by(*(c.desc() if descends else c.asc() for c, descends in order))
    row = connection.execute(wanted.offset(number - 1).limit(1)).first()
    return list(row) if row is not None else None


def consents_of(connection: Connection, instance_id: str, user_id: str) -> list[Consent]:
    """What a person allowed, newest first [EXT-2]."""
    statement = (
        select(consents)
        .where(consents.c.instance_id == instance_id, consents.c.user_id == user_id)
        .order_by(consents.c.given_at.desc(), consents.c.application_id)
    )
    return [from_row(Consent, row) for row in connection.execute(statement).mappings()]


def consents_part(
    connection: Connection,
    instance_id: str,
    after: Place | None,
    limit: int,
    *,
    user_id: str | None = None,
) -> Part:
    """What people allowed, by user and application [EXT-2]."""
    table = consents
    order = [(table.c.user_id, False), (table.c.application_id, False)]
    conditions = _equal(table, user_id=user_id)
    part = part_of(connection, table, instance_id, conditions, order, after, limit)
    return Part([from_row(Consent, row) for row in part.rows], part.following)


def _family(row: RowMapping) -> ListedFamily:
    return ListedFamily(from_row(Family, row), row["revoked_because"], row["last_used_at"])


def _equal(table: Table, **values: str | None) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in values.items() if value is not None]
