"""Identity sessions: who is signed in at a browser."""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Connection,
    Table,
    bindparam,
    delete,
    select,
    update,
)

from mintgate.contract.feed import EndedSession
from mintgate.store import (
    codes,
    erp_session_ends,
    logout_notices,
    refresh,
    session_applications,
)
from mintgate.store.conflicts import insert_at
from mintgate.store.prepared import Prepared
from mintgate.store.purging import delete_some
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import identity_sessions, interactions, site_sessions
from mintgate.store.transaction import Transaction

SIGNED_OUT = "signed_out"
"""The reason of an end by the person's own wish."""


class IdentitySession(msgspec.Struct, frozen=True, kw_only=True):
    """A browser's sign-in; the cookie's value is stored as a digest. Times in Unix seconds.

    Args:
        last_used_at, address, user_agent: of the last use that was noted; see `note_use`.
        device_hash: of the device where it was made; see `user_devices`.
    """

    sid: str
    cookie_hash: str
    user_id: str
    auth_time: int
    amr: tuple[str, ...]
    idp: str
    tid: str | None
    created_at: float
    expires_at: float
    last_used_at: float | None = None
    address: str | None = None
    user_agent: str | None = None
    device_hash: str | None = None


_INSTANCE: BindParameter[str] = bindparam("instance")
_SID: BindParameter[str] = bindparam("sid")
_of_instance = identity_sessions.c.instance_id == _INSTANCE
_BY_COOKIE = Prepared(
    select(identity_sessions).where(
        _of_instance, identity_sessions.c.cookie_hash == bindparam("cookie")
    )
)
_BY_SID = Prepared(select(identity_sessions).where(_of_instance, identity_sessions.c.sid == _SID))
_HOLD = Prepared(
    # FOR SHARE is PostgreSQL's; SQLite, which is given nothing of it, has one writer anyway.
    select(identity_sessions.c.sid)
    .where(_of_instance, identity_sessions.c.sid == _SID)
    .with_for_update(read=True)
)


def _putting(engine: str) -> ClauseElement:
    statement, key = insert_at(engine, identity_sessions), {"instance_id", "sid"}
    # In one statement: two windows may sign in at once, at two servers.
    return statement.on_conflict_do_update(
        index_elements=sorted(key),
        set_={c.name: statement.excluded[c.name] for c in identity_sessions.c if c.name not in key},
    )


_PUT = Prepared(_putting)


def by_cookie(connection: Connection, instance_id: str, cookie_hash: str) -> IdentitySession | None:
    row = _BY_COOKIE.row(connection, {"instance": instance_id, "cookie": cookie_hash})
    return from_row(IdentitySession, row) if row else None


def by_sid(connection: Connection, instance_id: str, sid: str) -> IdentitySession | None:
    row = _BY_SID.row(connection, {"instance": instance_id, "sid": sid})
    return from_row(IdentitySession, row) if row else None


def put(tx: Transaction, instance_id: str, session: IdentitySession) -> None:
    """Store a session; one with the same `sid` is replaced, its old cookie with it [SES-51].

    What hangs on the `sid` goes on: the same person has signed in once more.
    """
    row = to_row(session) | _used_by(session.address, session.user_agent)
    _PUT.changed(tx.connection, row | {"instance_id": instance_id})


def note_use(
    tx: Transaction, instance_id: str, sid: str, *, address: str | None, user_agent: str | None
) -> None:
    """Note where a sign-in was used, for the person to recognise it."""
    tx.connection.execute(
        update(identity_sessions)
        .where(identity_sessions.c.instance_id == instance_id, identity_sessions.c.sid == sid)
        .values(last_used_at=tx.now, **_used_by(address, user_agent))
    )


def _used_by(address: str | None, user_agent: str | None) -> dict[str, str | None]:
    """As much of what a request said as its columns hold."""
    return {
        "address": address[:64] if address else None,
        "user_agent": user_agent[:256] if user_agent else None,
    }


def hold(tx: Transaction, instance_id: str, sid: str) -> bool:
    """Whether the session is there; if so, one that ends it waits until this is committed.

    So that a code that is written now is either seen by the end of its session or not written.
    """
    values = {"instance": instance_id, "sid": sid}
    # A second look: a sign-in in another window replaces the row [SES-51], which the first look
    # sees vanish and not come back.
    return any(_HOLD.first(tx.connection, values) is not None for _ in range(2))


def wait_for_codes(tx: Transaction, instance_id: str, user_id: str) -> None:
    """Wait for codes that are just written in a user's sessions, and let no others begin."""
    if tx.connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        tx.connection.execute(
            select(identity_sessions.c.sid)
            .where(
                identity_sessions.c.instance_id == instance_id,
                identity_sessions.c.user_id == user_id,
            )
            .order_by(identity_sessions.c.sid)
            .with_for_update()
        )


def forget(tx: Transaction, instance_id: str, sid: str) -> None:
    """Remove a browser's sign-in and nothing that applications got by it [SES-53].

    The sites of the instance itself live on the sign-in alone, so they end with it.
    """
    _delete(tx, identity_sessions, instance_id, sid)
    _delete(tx, site_sessions, instance_id, sid)


def end(tx: Transaction, instance_id: str, sid: str, because: str) -> list[str]:
    """End a session for everyone: the one way for sign-out and administrators [END-4, EXT-3].

    The sign-in, its refresh tokens, its open codes and its ERP session end [SES-21], the state
    feed says so, and every application that it was used for is told: by a notice that is delivered
    later, and by the addresses that this returns.

    Args:
        because: why, at most 32 characters, kept with the refresh tokens.

    Returns:
        The `FrontChannelLogoutUrl`s that a page can load, when there is a browser.
    """
    forget(tx, instance_id, sid)  # first, for it waits for codes that are just written
    codes.end_of_session(tx, instance_id, sid)
    # Last, for the codes wait for those that are just redeemed for a family.
    refresh.revoke_of_session(tx, instance_id, sid, because)
    by: erp_session_ends.Cause = "sign_out" if because == SIGNED_OUT else "administrator"
    erp_session_ends.close_of_sign_in(tx, instance_id, sid, by)
    return _tell(tx, instance_id, sid)


def end_of_user(tx: Transaction, instance_id: str, user_id: str) -> None:
    """The same for every session of a user, whose refresh tokens and codes end elsewhere.

    ERP sessions of personal tokens are not of these and go on [SES-22, REF-51].
    """
    signed_in = tx.connection.execute(
        select(identity_sessions.c.sid).where(
            identity_sessions.c.instance_id == instance_id,
            identity_sessions.c.user_id == user_id,
        )
    ).scalars()
    used = session_applications.sids_of_user(tx.connection, instance_id, user_id)
    sids = sorted(used.union(signed_in))
    for sid in sids:
        forget(tx, instance_id, sid)
    for sid in sids:  # last, as these take the lock of the instance
        erp_session_ends.close_of_sign_in(tx, instance_id, sid, "administrator")
        _tell(tx, instance_id, sid)


def end_all(tx: Transaction, instance_id: str) -> int:
    """The same for every session of an instance whose database was restored; returns how many.

    The state feed begins anew, so it is not told of each.
    """
    for sid, told in session_applications.take_all(tx, instance_id):
        if told.back_channel_url is not None:
            logout_notices.add(
                tx, instance_id, application_id=told.application_id, sid=sid, sub=told.sub
            )
    ended, _ = (
        tx.connection.execute(delete(table).where(table.c.instance_id == instance_id)).rowcount
        for table in (identity_sessions, interactions)
    )
    tx.connection.execute(delete(site_sessions).where(site_sessions.c.instance_id == instance_id))
    return ended


def _tell(tx: Transaction, instance_id: str, sid: str) -> list[str]:
    told = session_applications.take(tx, instance_id, sid)
    for application in told:
        if application.back_channel_url is not None:
            logout_notices.add(
                tx,
                instance_id,
                application_id=application.application_id,
                sid=sid,
                sub=application.sub,
            )
    tx.changed(instance_id, sid, EndedSession(sid=sid))
    return [a.front_channel_url for a in told if a.front_channel_url is not None]


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some sessions and interactions that ended before `before`; returns how many."""
    return sum(
        delete_some(
            tx.connection,
            table,
            (table.c.instance_id == instance_id) & (table.c.expires_at < before),
            first=table.c.expires_at,
        )
        for table in (identity_sessions, interactions)
    )


def _delete(tx: Transaction, table: Table, instance_id: str, sid: str) -> None:
    tx.connection.execute(
        delete(table).where(table.c.instance_id == instance_id, table.c.sid == sid)
    )
