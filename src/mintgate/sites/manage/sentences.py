"""The sentences of refused records, in the language of the page and without rule numbers."""

from __future__ import annotations

import re

from mintgate.contract.automation.problems import InvalidInput
from mintgate.contract.translating import translatable
from mintgate.sites.languages import Language

_RULES = re.compile(r" \[[A-Z]+-\d+(, [A-Z]+-\d+)*\]")

# Sentences of the contract, and what pages say instead; groups become the values of the text.
_KNOWN = [
    (re.compile(pattern), text)
    for pattern, text in (
        (r"must not be empty", translatable("This must not be empty.")),
        (
            r"must have at most (\d+) characters.*",
            translatable("This must have at most %s characters."),
        ),
        (
            r"must not be empty nor hold spaces or control characters",
            translatable("This must not be empty, and without spaces."),
        ),
        (
            r"exists already; it must be unique in any case",
            translatable("This exists already, perhaps in other case."),
        ),
        (
            r"is that of a built-in application",
            translatable("A built-in application has this name."),
        ),
        (
            r"is that of another user; it must be unique",
            translatable("Another user has this address."),
        ),
        (
            r"must be false for a Public application",
            translatable("A public application cannot act as a service: it keeps no secret."),
        ),
        (
            r"is needed when SystemUserAllowed is true",
            translatable("Name the user that the service acts as."),
        ),
        (
            r"must be a user of type .*",
            translatable("This user may not be a system user."),
        ),
        (
            r"names no user: there is no login '(.*)'",
            translatable("There is no user with the login %s."),
        ),
        (
            r"'(.*)' must use https .*",
            translatable("%s must begin with https:// (http is for this machine only)."),
        ),
        (r"'(.*)' must not have a fragment", translatable("%s must have no # in it.")),
        (
            r"'(.*)' must be an absolute URI.*",
            translatable("%s is no complete address, such as https://app.example.org/callback."),
        ),
        (
            r"'(.*)' may use a custom scheme only when ClientType is Public",
            translatable("%s has a scheme of its own; only apps without a secret may have one."),
        ),
        (
            r"'(.*)' must have the scheme, host and port of one entry of ImpersonateLoginUrl",
            translatable("%s must be at the same host as one of the sign-in addresses."),
        ),
        (r"'(.*)' .*", translatable("%s cannot be used here.")),
        (
            r"must be a culture name such as bg or en-US",
            translatable("Write a language such as bg or en-US."),
        ),
        (
            r"must be an address with an @, of at most 254 characters",
            translatable("Write a complete email address."),
        ),
        (
            r"\w+ cannot be an administrator",
            translatable("A user of this type cannot be an administrator."),
        ),
        (
            r"must not be empty, nor start or end with a space",
            translatable("This must not be empty, nor start or end with a space."),
        ),
        (
            r"is needed for a user of type .*",
            translatable("A user who signs in needs a password."),
        ),
        (r"must have 1 to (\d+) bytes", translatable("This must have 1 to %s characters.")),
        (
            r"must be an address that mail can be sent to",
            translatable("This must be an address that mail can be sent to."),
        ),
        (r"must be a whole number", translatable("Write a whole number.")),
        (
            r"a Public application has no secret",
            translatable("End the secrets of this application first: a public one keeps none."),
        ),
        (
            r"has nothing that a service could be granted",
            translatable("Choose at least one: without a scope a service gets no token."),
        ),
        (
            r"is not an API of this instance; .*",
            translatable("This instance has no such API."),
        ),
        (
            r"must be a colour such as #0b6b4f",
            translatable("Write a colour such as #0b6b4f: six digits from 0 to f."),
        ),
        (
            r"must not hold control characters or line breaks",
            translatable("This must be one line of plain text."),
        ),
        (r"must be one of the list", translatable("Choose one of the list.")),
        (
            r"must be between (\d+) and (\d+)",
            translatable("This must be a number between %s and %s."),
        ),
    )
]


def problem_texts(refused: InvalidInput, language: Language) -> dict[str, list[str]]:
    """The texts by attribute; "" has what belongs to none."""
    found: dict[str, list[str]] = {}
    for attribute, sentence in refused.problems:
        found.setdefault(attribute, []).append(text_of(sentence, language))
    if not found:
        found[""] = [language.gettext(refused.description)]
    return found


def text_of(sentence: str, language: Language) -> str:
    """One sentence of the contract for a person."""
    plain = _RULES.sub("", sentence)
    for pattern, text in _KNOWN:
        match = pattern.fullmatch(plain)
        if match is not None:
            values = match.groups()[: text.count("%s")]
            return language.gettext(text) % values if values else language.gettext(text)
    sentence = f"{plain[:1].upper()}{plain[1:]}."
    return language.gettext(sentence)
