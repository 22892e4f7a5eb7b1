"""A person's own mail address: another one, and the link that confirms it [USR-3].

A page that offers this asks for a sign-in that is not long ago: who can change the address can,
with mail that goes there, choose another password.
"""

from __future__ import annotations

from msgspec.structs import replace

from mintgate.contract.automation.problems import Conflict, InvalidInput
from mintgate.contract.translating import translatable
from mintgate.contract.users import problems_of
from mintgate.identity.accounts import limits
from mintgate.identity.accounts.confirmation import ask_to_confirm
from mintgate.identity.accounts.limits import RequestLimits
from mintgate.identity.administration import users
from mintgate.identity.administration.call import Call
from mintgate.identity.mail.settings import is_address
from mintgate.store import users as stored_users

NO_MAIL = translatable("This server sends no mail. Ask an administrator to change your address.")
TOO_MANY = translatable("Too many letters were asked for. Try again in an hour.")
NOT_AN_ADDRESS = translatable("Write a complete address, such as name@company.example.")
NOT_FREE = translatable("This address cannot be used here; another account may have it.")
SAME = translatable("This is your address already.")


def change(call: Call, email: str) -> str | None:
    """Store another address of the caller; it is to be confirmed, and the old one is told.

    Returns:
        What is wrong with the address, to be translated; nothing is changed then. It is returned
        and not raised so that the try is counted all the same: else one could find out here which
        addresses there are.

    Raises:
        Conflict: no mail is sent here, or too much of it was asked for.
        InvalidInput: something else is wrong with the record.
    """
    call.lock()
    before = call.acting.user
    after = replace(before, email=email, email_confirmed=False)
    problems = dict(problems_of(after))
    if "Email" in problems or not is_address(email):
        return NOT_AN_ADDRESS
    if problems:
        raise InvalidInput(problems=tuple(problems.items()))
    if email == before.email:
        return SAME
    _count(call, email)
    if _is_taken(call, email):
        return NOT_FREE
    users.changed(call, before, after)
    return None


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


def _is_taken(call: Call, email: str) -> bool:
    """Whether somebody else has it as an address, or signs in with it: logins may look like one."""
    by_login, by_email = stored_users.owners(call.connection, call.instance.id, email, email)
    return bool((by_login | by_email) - {call.acting.user.id})


def _count(call: Call, email: str) -> None:
    if not call.can_mail:
        raise Conflict(NO_MAIL)
    key = call.key_encryption_key().derive(limits.PURPOSE, call.instance.id)
    counted = RequestLimits(call.instance.id, key)
    counts = counted.counts(email, call.acting.user.id, call.acting.address)
    if not counted.admit(call.writing, counts):
        raise Conflict(TOO_MANY)
