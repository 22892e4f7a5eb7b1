"""A person's own mail address: another one, and the link that confirms it [USR-3].

A page that offers this asks for the password first: who can change the address can, with mail
that goes there, choose another password.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mintgate.contract.automation.problems import Conflict, InvalidInput
from mintgate.contract.users import problems_of
from mintgate.identity.accounts import limits
from mintgate.identity.accounts.confirmation import ask_to_confirm
from mintgate.identity.accounts.limits import RequestLimits
from mintgate.identity.administration import users
from mintgate.identity.administration.call import Call
from mintgate.identity.mail.settings import is_address

NO_MAIL = "This server sends no mail. Ask an administrator to change your address."
TOO_MANY = "Too many letters were asked for. Try again in an hour."


def change(call: Call, email: str) -> Any:
    """Store another address of the caller; it is to be confirmed, and the old one is told.

    Raises:
        InvalidInput: it is no address, or that of another user.
        Conflict: no mail is sent here, or too much of it was asked for.
    """
    call.lock()
    before = call.acting.user
    after = replace(before, email=email, email_confirmed=False)
    problems = problems_of(after) + users.conflicts(call, after)
    if not is_address(email) and "Email" not in dict(problems):
        problems.append(("Email", "must be an address that mail can be sent to"))
    if problems:
        raise InvalidInput(problems=problems)
    if email == before.email:
        return users.shown(before)
    _count(call, email)
    return users.changed(call, before, after)


def confirm(call: Call) -> None:
    """Send the link to the caller's address once more; nothing when it is confirmed.

    Raises:
        Conflict: no mail is sent here, or too much of it was asked for.
    """
    call.lock()
    user = call.acting.user
    if user.email is None or user.email_confirmed:
        return
    _count(call, user.email)
    ask_to_confirm(call.writing, call.outbox(), user)


def _count(call: Call, email: str) -> None:
    if not call.can_mail:
        raise Conflict(NO_MAIL)
    key = call.key_encryption_key().derive(limits.PURPOSE, call.instance.id)
    counted = RequestLimits(call.instance.id, key)
    counts = counted.counts(email, call.acting.user.id, call.acting.address)
    if not counted.admit(call.writing, counts):
        raise Conflict(TOO_MANY)
