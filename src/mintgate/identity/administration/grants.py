"""Families of refresh tokens: list and revoke [LIF-11, LIF-15]."""

from __future__ import annotations

from mintgate.contract.automation import credentials
from mintgate.contract.automation.credentials import GrantRecord, Page, Revoked
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.identity.administration.call import Call, page_of, place_of
from mintgate.store import applications, listings, refresh, users
from mintgate.store.listings import ListedFamily
from mintgate.store.refresh import Family


def list_all(call: Call) -> Page[GrantRecord]:
    query = call.given(credentials.GrantQuery)
    after = place_of(query.cursor)
    return page_of(
        lambda: listings.families_part(
            call.connection,
            call.instance.id,
            after,
            query.limit,
            application_id=query.application_id,
            user_id=query.user_id,
        ),
        lambda listed: shown(call, listed),
    )


def revoke(call: Call) -> Revoked:
    """The family dies, its access tokens live on [REV-3, REV-7]."""
    call.lock()
    family = listings.family(call.connection, call.instance.id, call.path["grant_id"])
    if family is None:
        raise NoSuchRecord("There is no grant with this id.")
    return revoked(call, family)


def revoked(call: Call, family: Family) -> Revoked:
    """End this family and note it."""
    was_live = family.revoked_at is None and family.expires_at > call.now
    if refresh.revoke(call.writing, call.instance.id, family.id, "revoked"):
        application = applications.by_id(call.connection, call.instance.id, family.application_id)
        call.record(
            "token.revoked",
            application=application.application_uri if application else None,
            session=family.sid,
            details={"kind": "refresh_token", "id": family.id},
        )
    return Revoked(kind="refresh_token", was_live=was_live)


def login_of(call: Call) -> str:
    """Whose grant the path names. Raises NoSuchRecord."""
    family = listings.family(call.connection, call.instance.id, call.path["grant_id"])
    if family is None:
        raise NoSuchRecord("There is no grant with this id.")
    user = users.by_id(call.connection, call.instance.id, family.user_id)
    return user.login if user else family.user_id


def shown(call: Call, listed: ListedFamily) -> GrantRecord:
    family = listed.family
    application = applications.by_id(call.connection, call.instance.id, family.application_id)
    user = users.by_id(call.connection, call.instance.id, family.user_id)
    return GrantRecord(
        id=family.id,
        application_id=family.application_id,
        application=application.application_uri if application else None,
        user_id=family.user_id,
        login=user.login if user else None,
        sid=family.sid,
        scopes=family.scopes,
        created_at=family.created_at,
        expires_at=family.expires_at,
        last_used_at=listed.last_used_at,
        revoked_at=family.revoked_at,
        revoked_because=listed.revoked_because,
        state=state_of(family, call.now),
    )


def state_of(family: Family, now: float) -> str:
    """`live`, `ended` by its expiry, or `revoked`."""
    if family.revoked_at is not None:
        return "revoked"
    return "live" if now < family.expires_at else "ended"
