"""What letters say; `%(instance)s` and `%(login)s` are put in, the rest is translated as it is."""

from __future__ import annotations

import msgspec

from mintgate.contract.translating import translatable
from mintgate.identity.mail.letters import Kind


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """A letter in English.

    Args:
        before, after: paragraphs around the button.
        button: None has none.
        asks_anew: the button leads to the page for a forgotten password, and not to a link of
            the letter's own.
    """

    subject: str
    before: tuple[str, ...]
    button: str | None = None
    after: tuple[str, ...] = ()
    asks_anew: bool = False


IF_NOT_YOU = translatable("If it was not you, do nothing: everything stays as it is.")

WORDS = {
    Kind.RESET: Words(
        subject=translatable("Choose a new password for %(instance)s"),
        before=(
            translatable(
                "Somebody, probably you, has asked for a new password for the account %(login)s "
                "at %(instance)s."
            ),
        ),
        button=translatable("Choose a new password"),
        after=(translatable("The link works once, within 30 minutes."), IF_NOT_YOU),
    ),
    Kind.PASSWORD_CHANGED: Words(
        subject=translatable("Your password at %(instance)s was changed"),
        before=(
            translatable(
                "The password of the account %(login)s at %(instance)s was changed. Whoever was "
                "signed in with the old one is signed out."
            ),
            translatable(
                "If it was not you, choose a new password now, and tell an administrator of "
                "%(instance)s."
            ),
        ),
        button=translatable("Choose a new password"),
        asks_anew=True,
    ),
    Kind.CONFIRM: Words(
        subject=translatable("Confirm your address for %(instance)s"),
        before=(
            translatable(
                "This address was given for the account %(login)s at %(instance)s. Please confirm "
                "that it is yours."
            ),
        ),
        button=translatable("Confirm the address"),
        after=(
            translatable("The link works once, within 3 days."),
            translatable("If you do not know this account, do nothing: do not confirm it."),
        ),
    ),
    Kind.EMAIL_CHANGED: Words(
        subject=translatable("Your address at %(instance)s was changed"),
        before=(
            translatable(
                "From now on, mail for the account %(login)s at %(instance)s goes to another "
                "address."
            ),
            translatable("If it was not you, tell an administrator of %(instance)s at once."),
        ),
    ),
    Kind.INVITATION: Words(
        subject=translatable("You are invited to %(instance)s"),
        before=(
            translatable(
                "An account at %(instance)s is ready for you. Its login is %(login)s. Choose a "
                "password to begin."
            ),
        ),
        button=translatable("Accept the invitation"),
        after=(translatable("The link works once, within 7 days."),),
    ),
    Kind.ALREADY_REGISTERED: Words(
        subject=translatable("You already have an account at %(instance)s"),
        before=(
            translatable(
                "Somebody, probably you, wanted to register at %(instance)s with this address. It "
                "has an account already, with the login %(login)s, and nothing was changed."
            ),
            translatable("If you have forgotten its password, choose a new one."),
        ),
        button=translatable("Choose a new password"),
        after=(IF_NOT_YOU,),
        asks_anew=True,
    ),
    Kind.SOMEBODY_REGISTERED: Words(
        subject=translatable("Somebody has registered at %(instance)s"),
        before=(
            translatable("%(login)s has registered at %(instance)s as a community user."),
            translatable("You get this mail as an administrator of %(instance)s."),
        ),
    ),
}
"""By kind. No letter repeats what a stranger typed, but for the address that it goes to."""
