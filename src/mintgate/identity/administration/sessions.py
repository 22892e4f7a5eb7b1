"""Sign-ins: list and end [END-4, SES-21]."""

from __future__ import annotations

from mintgate.contract.automation import credentials
from mintgate.contract.automation.credentials import Ended, Page, SessionRecord
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.identity.administration import users
from mintgate.identity.administration.call import Call, page_of, place_of
from mintgate.store import listings, refresh, sessions
from mintgate.store import users as stored_users
from mintgate.store.sessions import IdentitySession

BECAUSE = "session_ended"
ALL = 1_000_000
"""More sign-ins than one person has."""


def list_all(call: Call) -> Page[SessionRecord]:
    query = call.given(credentials.SessionQuery)
    after = place_of(query.cursor)
    return page_of(
        lambda: listings.sessions_part(
            call.connection,
            call.instance.id,
            call.now,
            after,
            query.limit,
            user_id=query.user_id,
        ),
        lambda session: shown(call, session),
    )


def end(call: Call) -> Ended:
    call.lock()
    session = named(call)
    if session is None:
        raise NoSuchRecord("There is no sign-in with this sid.")
    return ended(call, session)


def named(call: Call) -> IdentitySession | None:
    """The sign-in that the path names."""
    return sessions.by_sid(call.connection, call.instance.id, call.path["sid"])


def end_of_user(call: Call) -> Ended:
    call.lock()
    return all_ended(call, users.stored(call).id)


def all_ended(call: Call, user_id: str) -> Ended:
    """End every sign-in of a user."""
    found = of_user(call, user_id)
    grants = sum(ended(call, session).grants for session in found)
    return Ended(sessions=len(found), grants=grants)


def ended(call: Call, session: IdentitySession) -> Ended:
    """End one sign-in and note it."""
    grants = _end_sid(call, session.sid)
    call.record("session.ended", session=session.sid, subject_id=session.user_id)
    return Ended(sessions=1, grants=grants)


def of_user(call: Call, user_id: str) -> list[IdentitySession]:
    part = listings.sessions_part(
        call.connection, call.instance.id, call.now, None, ALL, user_id=user_id
    )
    return list(part.rows)


def shown(call: Call, session: IdentitySession) -> SessionRecord:
    user = stored_users.by_id(call.connection, call.instance.id, session.user_id)
    return SessionRecord(
        sid=session.sid,
        user_id=session.user_id,
        login=user.login if user else None,
        auth_time=session.auth_time,
        amr=session.amr,
        idp=session.idp,
        created_at=session.created_at,
        expires_at=session.expires_at,
        last_used_at=session.last_used_at,
        address=session.address,
        user_agent=session.user_agent,
    )


def _end_sid(call: Call, sid: str) -> int:
    """What the end of a `sid` ends [END-4]; returns how many refresh families."""
    tx, instance_id = call.writing, call.instance.id
    families = refresh.revoke_of_session(tx, instance_id, sid, BECAUSE)
    sessions.end(tx, instance_id, sid, BECAUSE)
    return families
