"""ERP sessions: list and close [SES-23, SES-26, OPQ-32]."""

from __future__ import annotations

from mintgate.contract.automation.credentials import Page
from mintgate.contract.automation.licences import (
    SESSION_ID_LENGTH,
    Closed,
    ErpSessionQuery,
    ErpSessionRecord,
    SessionsToClose,
    session_id,
)
from mintgate.contract.automation.problems import Conflict, InvalidInput, NoSuchRecord
from mintgate.identity.administration.call import Call, page_of, place_of
from mintgate.store import erp_session_ends, erp_sessions, listings, users
from mintgate.store.erp_session_ends import Closer
from mintgate.store.erp_sessions import ErpSession

MB = 1_000_000
NOT_OPEN = "No ERP session with this SessionId is open."


def list_all(call: Call) -> Page[ErpSessionRecord]:
    """Newest first. A cursor shows no more of a session than its row does."""
    query = call.given(ErpSessionQuery)
    after = place_of(query.cursor)
    return page_of(
        lambda: listings.erp_sessions_part(
            call.connection,
            call.instance.id,
            call.now,
            after,
            query.limit,
            shown=SESSION_ID_LENGTH,
            user=None if query.user is None else (_user_id(call, query.user), query.user),
            process=call.process,
        ),
        _shown,
    )


def login_of(call: Call) -> str:
    """Whose session this `SessionId` is, as a question names it. Raises NoSuchRecord."""
    instance_id, named = call.instance.id, call.path["session_id"]
    for key in erp_session_ends.keys_named(call.connection, instance_id, named, SESSION_ID_LENGTH):
        found = erp_sessions.by_key(call.connection, instance_id, key)
        if found is not None:
            return found.login
    raise NoSuchRecord(NOT_OPEN)


def close(call: Call) -> Closed:
    """Close the session with this `SessionId`, or with this `sid` or `jti`.

    Raises:
        NoSuchRecord: none is open.
        Conflict: two have this `SessionId`.
    """
    tx, instance_id = call.lock(), call.instance.id
    named = call.path["session_id"]
    keys = erp_session_ends.keys_named(call.connection, instance_id, named, SESSION_ID_LENGTH)
    if len(keys) > 1:
        raise Conflict("Two sessions have this SessionId; name the one by its whole sid or jti.")
    if not keys or not erp_session_ends.close(tx, instance_id, keys[0], _closer(call)):
        raise NoSuchRecord(NOT_OPEN)
    return Closed(sessions=1)


def close_many(call: Call) -> Closed:
    """Close those of one user, or all. Raises InvalidInput unless exactly one is said."""
    given = call.given(SessionsToClose)
    if given.all == (given.user is not None):
        raise InvalidInput('Say whose sessions: either {"user": "LOGIN"}, or {"all": true}.')
    tx, instance_id = call.lock(), call.instance.id
    if given.user is None:
        return Closed(sessions=erp_session_ends.close_all(tx, instance_id, _closer(call)))
    user_id = _user_id(call, given.user)
    closed = erp_session_ends.close_of_user(tx, instance_id, user_id, given.user, _closer(call))
    if not closed and user_id is None:
        raise NoSuchRecord("There is no user with this login.")
    return Closed(sessions=closed)


def _user_id(call: Call, login: str) -> str | None:
    """None for a user who has been removed: sessions of service tokens may still be open."""
    user = users.by_login(call.connection, call.instance.id, login)
    return user.id if user else None


def _closer(call: Call) -> Closer:
    return Closer(
        name=call.acting.name[:64],
        user_id=call.acting.user.id or None,
        address=call.acting.address,
        carried=call.carried_by,
    )


def _shown(session: ErpSession) -> ErpSessionRecord:
    return ErpSessionRecord(
        session_id=session_id(session.key),
        user_login=session.login,
        applications=",".join(session.client_ids),
        device=session.device,
        kind=session.kind,
        seat=session.seat,
        start_time=session.started_at,
        last_request_time=session.last_request_at,
        absolute_expiration_time=session.absolute_end,
        current_requests_count=session.current_requests,
        total_requests_count=session.total_requests,
        upload_mb=session.uploaded / MB,
        download_mb=session.downloaded / MB,
    )
