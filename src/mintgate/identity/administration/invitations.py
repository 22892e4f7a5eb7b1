"""Inviting users [IMG-6]."""

from __future__ import annotations

from mintgate.contract import lifetimes
from mintgate.contract.automation.invitations import InvitationAgain, Invited, NewInvitation
from mintgate.contract.automation.problems import Conflict, InvalidInput
from mintgate.contract.identifiers import new_guid
from mintgate.contract.users import User, UserType, problems_of
from mintgate.identity.accounts.invitation import BECOMES, invite
from mintgate.identity.administration import users
from mintgate.identity.administration.call import Call
from mintgate.identity.administration.names import texts_of
from mintgate.identity.mail.settings import is_address
from mintgate.store import users as users_store

_TYPES = {"internal": UserType.INVITED_INTERNAL, "community": UserType.INVITED_EXTERNAL}
NO_MAIL = (
    "This server sends no mail. Ask for the link instead (send: false) and pass it on, or have the "
    "server started with --smtp-host."
)


def create(call: Call) -> Invited:
    """Raises InvalidInput with every problem of the record, Conflict where no mail is sent."""
    call.lock()
    wanted = call.given(NewInvitation)
    login = wanted.login or wanted.email
    user = User(
        id=new_guid(),
        login=login,
        name=texts_of(wanted.name or login),
        user_type=_TYPES[wanted.user_type],
        email=wanted.email,
        default_language=wanted.default_language,
    )
    problems = problems_of(user) + users.conflicts(call, user)
    if not is_address(wanted.email) and "Email" not in dict(problems):
        problems.append(("Email", "must be an address that mail can be sent to"))
    if problems:
        raise InvalidInput(problems=problems)
    users_store.add(call.writing, call.instance.id, user)
    users.record(call, "user.added", None, user)
    return _invited(call, user, wanted.send)


def again(call: Call) -> Invited:
    """Raises NoSuchRecord, Conflict: the user is not waiting, or no mail is sent."""
    call.lock()
    user = users.stored(call)
    if user.user_type not in BECOMES:
        raise Conflict("The user is no invited one, or has completed the invitation.")
    if not user.active:
        raise Conflict("The user is not active.")
    return _invited(call, user, call.given(InvitationAgain).send)


def _invited(call: Call, user: User, send: bool) -> Invited:
    if user.email is None:
        raise Conflict("The user has no address.")
    if send and not call.can_mail:
        raise Conflict(NO_MAIL)
    link = invite(call.writing, call.outbox(), user, by_mail=send)
    call.record("user.invited", subject_id=user.id, details={"mailed": send})
    return Invited(
        user_id=user.id,
        login=user.login,
        email=user.email,
        expires_at=call.writing.now + lifetimes.INVITATION,
        link=None if send else link,
    )
