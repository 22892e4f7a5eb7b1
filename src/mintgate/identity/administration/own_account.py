"""What a person changes of the own account: details, picture, password; and what happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from mintgate.contract import lifetimes
from mintgate.contract.automation.credentials import AuditRecord, Ended, Page
from mintgate.contract.automation.problems import Conflict, InvalidInput
from mintgate.contract.identifiers import new_hex128, new_token, token_digest
from mintgate.contract.users import problems_of
from mintgate.identity.administration import audit, sessions, users
from mintgate.identity.administration.call import Call, page_of, place_of
from mintgate.store import listings, pictures
from mintgate.store import sessions as stored_sessions
from mintgate.store import users as stored_users
from mintgate.store.sessions import IdentitySession

HISTORY_PAGE = 25


class OwnDetails(msgspec.Struct, frozen=True, kw_only=True):
    """`name` by language; an empty text takes that language away."""

    name: Mapping[str, str]
    default_language: str | None


class DrawnPicture(msgspec.Struct, frozen=True, kw_only=True):
    media_type: str
    small: bytes
    large: bytes


class ChosenPassword(NamedTuple):
    """Args:
    proved: the hash that the current password was found to fit.
    new: the hash of the new one.
    """

    proved: str
    new: str

    def __repr__(self) -> str:
        return "ChosenPassword(…)"


class AnewSignedIn(NamedTuple):
    """The sign-in that goes on in place of those that a changed password has ended.

    Args:
        cookie: its value, for the browser.
        remembered: whether the browser keeps it when it closes.
    """

    sid: str
    cookie: str
    remembered: bool

    def __repr__(self) -> str:
        return f"AnewSignedIn({self.sid})"


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`events`: the names of those that are told."""

    events: tuple[str, ...]
    cursor: str | None = None


def change_details(call: Call) -> None:
    """Raises InvalidInput with every problem."""
    call.lock()
    given = call.given(OwnDetails)
    before = call.acting.user
    after = replace(
        before,
        name={language: text for language, text in given.name.items() if text},
        default_language=given.default_language,
    )
    if problems := problems_of(after):
        raise InvalidInput(problems=problems)
    users.changed(call, before, after)


def set_picture(call: Call) -> None:
    drawn: DrawnPicture = call.prepared
    user_id = call.acting.user.id
    pictures.put(
        call.writing,
        call.instance.id,
        user_id,
        media_type=drawn.media_type,
        small=drawn.small,
        large=drawn.large,
    )
    call.record("user.picture_changed", subject_id=user_id)


def remove_picture(call: Call) -> None:
    """There may be none."""
    user_id = call.acting.user.id
    if pictures.remove(call.writing, call.instance.id, user_id):
        call.record("user.picture_removed", subject_id=user_id)


def change_password(call: Call) -> AnewSignedIn:
    """Every sign-in ends with the old password [USR-22], and one of this browser begins.

    Raises:
        Conflict: it was changed a moment ago, so that what was proved does not hold any more.
    """
    call.lock()
    chosen: ChosenPassword = call.prepared
    tx, instance_id, user = call.writing, call.instance.id, call.acting.user
    if stored_users.hold_password_hash(tx, instance_id, user.id) != chosen.proved:
        raise Conflict("The password was changed meanwhile.")
    own = stored_sessions.by_sid(tx.connection, instance_id, call.acting.sid or "")
    if own is None:
        raise Conflict("The sign-in has ended meanwhile.")
    stored_users.set_password(tx, instance_id, user.id, chosen.new)
    users.record(call, "user.changed", user, user, has_new_password=True)
    users.tell_of_password(call, user)
    anew, cookie = _anew(own, tx.now)
    stored_sessions.put(tx, instance_id, anew)
    call.record("user.signed_in", session=anew.sid, details={"amr": list(anew.amr)})
    remembered = own.expires_at - own.created_at > lifetimes.BROWSER_SESSION
    return AnewSignedIn(anew.sid, cookie, remembered)


def end_other_sessions(call: Call) -> Ended:
    """Sign out every other browser of this person [END-4]."""
    call.lock()
    found = sessions.of_user(call, call.acting.user.id)
    others = [session for session in found if session.sid != call.acting.sid]
    grants = sum(sessions.ended(call, session).grants for session in others)
    return Ended(sessions=len(others), grants=grants)


def history(call: Call) -> Page[AuditRecord]:
    """What the audit log tells of this person, newest first."""
    query = call.given(HistoryQuery)
    after = place_of(query.cursor)
    return page_of(
        lambda: listings.audit_part(
            call.connection,
            call.instance.id,
            after,
            HISTORY_PAGE,
            person_id=call.acting.user.id,
            events=query.events,
        ),
        audit.shown,
    )


def _anew(own: IdentitySession, now: float) -> tuple[IdentitySession, str]:
    """A sign-in like this one, under another name and with another cookie."""
    cookie = new_token()
    anew = replace(
        own,
        sid=new_hex128(),
        cookie_hash=token_digest(cookie),
        # The current password was asked for a moment ago.
        auth_time=int(now),
        created_at=now,
        expires_at=now + (own.expires_at - own.created_at),
    )
    return anew, cookie
