"""Who is signed in to the instance's own sites; a site session hangs on its sign-in."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from mintgate.store import revocations, sessions
from mintgate.store.purging import delete_some
from mintgate.store.rows import from_row, to_row
from mintgate.store.sessions import IdentitySession
from mintgate.store.tables import site_sessions
from mintgate.store.transaction import Transaction


class SiteSession(msgspec.Struct, frozen=True, kw_only=True):
    """One browser at one site; the cookie's value is stored as a digest. Times in Unix seconds.

    Args:
        application_id: as which the site signs people in.
        sid: of the sign-in that it hangs on.
        draft: what was typed before a page asked for a new sign-in; never a secret.
    """

    cookie_hash: str
    application_id: str
    sid: str
    user_id: str
    created_at: float
    expires_at: float
    draft: dict[str, Any] | None = None


class LiveSession(msgspec.Struct, frozen=True):
    """A site session with its sign-in as it is now."""

    session: SiteSession
    sign_in: IdentitySession


def find(
    connection: Connection, instance_id: str, cookie_hash: str, application_id: str, now: float
) -> LiveSession | None:
    """The session of a cookie, while its sign-in lives and is still that user's."""
    statement = select(site_sessions).where(
        _of(instance_id, cookie_hash),
        site_sessions.c.application_id == application_id,
        site_sessions.c.expires_at > now,
    )
    row = connection.execute(statement).mappings().first()
    if row is None:
        return None
    session = from_row(SiteSession, row)
    sign_in = sessions.by_sid(connection, instance_id, session.sid)
    if sign_in is None or sign_in.user_id != session.user_id or sign_in.expires_at <= now:
        return None
    return LiveSession(session, sign_in)


def start(
    tx: Transaction,
    instance_id: str,
    *,
    cookie_hash: str,
    application_id: str,
    sid: str,
    issued_at: int,
    before: str | None,
) -> bool:
    """Begin a session within a sign-in, in place of the one that this browser had.

    Args:
        issued_at: the `iat` of the ID token that names the sign-in.
        before: the digest of the browser's cookie until now. Its draft goes on when it is the
            same person's.

    Returns:
        Whether the sign-in still lives, and nothing was revoked since.
    """
    if not sessions.hold(tx, instance_id, sid):
        return False
    signed_in = sessions.by_sid(tx.connection, instance_id, sid)
    if signed_in is None or signed_in.expires_at <= tx.now:
        return False
    for subject in (instance_id, application_id, signed_in.user_id):
        if issued_at < (revocations.not_before(tx.connection, instance_id, subject) or 0):
            return False  # [LIF-18]
    draft = None
    if before is not None:
        draft = tx.connection.execute(
            select(site_sessions.c.draft).where(
                _of(instance_id, before),
                site_sessions.c.application_id == application_id,
                site_sessions.c.user_id == signed_in.user_id,
            )
        ).scalar_one_or_none()
        end(tx, instance_id, before)
    session = SiteSession(
        cookie_hash=cookie_hash,
        application_id=application_id,
        sid=sid,
        user_id=signed_in.user_id,
        created_at=tx.now,
        expires_at=signed_in.expires_at,
        draft=draft,
    )
    tx.connection.execute(insert(site_sessions).values(**to_row(session), instance_id=instance_id))
    return True


def end(tx: Transaction, instance_id: str, cookie_hash: str) -> None:
    """End this one, and nothing of its sign-in."""
    tx.connection.execute(delete(site_sessions).where(_of(instance_id, cookie_hash)))


def end_of_application(tx: Transaction, instance_id: str, application_id: str) -> None:
    """End every session at a site."""
    tx.connection.execute(
        delete(site_sessions).where(
            site_sessions.c.instance_id == instance_id,
            site_sessions.c.application_id == application_id,
        )
    )


def keep_draft(
    tx: Transaction, instance_id: str, cookie_hash: str, draft: dict[str, Any] | None
) -> None:
    """Keep what was typed, in place of what was kept; None forgets it."""
    tx.connection.execute(
        update(site_sessions).where(_of(instance_id, cookie_hash)).values(draft=draft)
    )


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some that ended before `before`; returns how many."""
    ended = (site_sessions.c.instance_id == instance_id) & (site_sessions.c.expires_at < before)
    return delete_some(tx.connection, site_sessions, ended, first=site_sessions.c.expires_at)


def _of(instance_id: str, cookie_hash: str) -> ColumnElement[bool]:
    return (site_sessions.c.instance_id == instance_id) & (
        site_sessions.c.cookie_hash == cookie_hash
    )
