"""Users and the seven user types (specification §5)."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping

import msgspec

from mintgate.contract.translating import translatable


class UserType(enum.StrEnum):
    """The model's names, which tokens carry [TOK-36], with the codes that the database stores."""

    INTERNAL = "InternalUser"
    COMMUNITY = "ExternalCommunityUser"
    VIRTUAL = "VirtualUserNoLogin"
    SYSTEM = "SystemUserNoLogin"
    APPLICATION = "ApplicationUserNoLogin"
    INVITED_INTERNAL = "InvitationInternalNoLogin"
    INVITED_EXTERNAL = "InvitationExternalNoLogin"

    @property
    def code(self) -> str:
        """The three-letter code of the model, such as `INT` [USR-12]."""
        return _CODES[self]


_CODES = {
    UserType.INTERNAL: "INT",
    UserType.COMMUNITY: "EXT",
    UserType.VIRTUAL: "VIR",
    UserType.SYSTEM: "SYS",
    UserType.APPLICATION: "APP",
    UserType.INVITED_INTERNAL: "INI",
    UserType.INVITED_EXTERNAL: "INE",
}

# The columns of the table [USR-12].
MAY_SIGN_IN = frozenset({UserType.INTERNAL, UserType.COMMUNITY})
MAY_BE_SYSTEM_USER = frozenset({UserType.INTERNAL, UserType.SYSTEM, UserType.APPLICATION})
MAY_CALL_APIS_AS_USER = frozenset({UserType.INTERNAL})
MAY_BE_ADMIN = frozenset({UserType.INTERNAL, UserType.SYSTEM, UserType.APPLICATION})
NEEDS_NO_PASSWORD = frozenset(UserType) - MAY_SIGN_IN

MAX_PASSWORD_BYTES = 1024
MIN_PASSWORD_CHARACTERS = 8
"""Of a password that a person chooses [IMG-6]."""

_CULTURE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user as tokens and checks need it; the password hash stays in the store.

    `name` is keyed by language [USR-10]; `locked_until` is a Unix time in seconds of a lock set
    by an administrator [SGN-10], None when there is none.
    """

    id: str
    login: str
    name: dict[str, str]
    user_type: UserType
    email: str | None = None
    email_confirmed: bool = False
    active: bool = True
    is_admin: bool = False
    default_language: str | None = None
    locked_until: float | None = None
    phone_number: str | None = None
    basic_authentication_allowed: bool = False

    @property
    def locale(self) -> str:
        """The `locale` claim: `en` when unset [TOK-35]."""
        return self.default_language or "en"

    def display_name(self, language: str | None = None) -> str:
        """The name in `language` (else the user's own), else English, else any [TOK-32]."""
        return translated(self.name, language or self.locale) or self.login

    def is_locked(self, now: float) -> bool:
        """Whether an administrator's lock holds at `now` (Unix seconds)."""
        return self.locked_until is not None and now < self.locked_until


ATTRIBUTES = {
    "LockoutEndUtc" if field == "locked_until" else field.title().replace("_", ""): field
    for field in User.__struct_fields__
}
"""From ERP.net's attribute name to ours [USR-1..10]."""


def translated(texts: Mapping[str, str], language: str) -> str | None:
    """One translation: the exact language, its parent, English, then any [USR-26]."""
    for wanted in (language, language.partition("-")[0], "en"):
        for key, text in texts.items():
            if key.lower() == wanted.lower() and text:
                return text
    return next((text for text in texts.values() if text), None)


def begins_to_sign_in(before: User | None, after: User) -> bool:
    """Whether somebody may sign in now who could not before: that takes a password [USR-11]."""
    could = before is not None and before.user_type in MAY_SIGN_IN
    return after.user_type in MAY_SIGN_IN and not could


def problems_of(user: User) -> list[tuple[str, str]]:
    """What is wrong with a user record, as (attribute, sentence) pairs; empty when nothing is."""
    found: list[tuple[str, str]] = []
    if not user.login or user.login != user.login.strip() or _has_control(user.login):
        found.append(("Login", "must not be empty, nor start or end with a space"))
    if len(user.login) > 64:
        found.append(("Login", "must have at most 64 characters [USR-2]"))
    if not any(user.name.values()):
        found.append(("Name", "must not be empty"))
    if user.email is not None and (len(user.email) > 254 or not _EMAIL.fullmatch(user.email)):
        found.append(("Email", "must be an address with an @, of at most 254 characters [USR-3]"))
    if len(user.phone_number or "") > 64:
        found.append(("PhoneNumber", "must have at most 64 characters"))
    if user.is_admin and user.user_type not in MAY_BE_ADMIN:
        found.append(("IsAdmin", f"{user.user_type} cannot be an administrator [USR-5]"))
    language = user.default_language
    if language is not None and (len(language) > 15 or not _CULTURE.fullmatch(language)):
        found.append(("DefaultLanguage", "must be a culture name such as bg or en-US [USR-6]"))
    return found


TOO_SHORT = translatable("A password needs at least 8 characters.")
TOO_LONG = translatable("The password is too long.")
TOO_PLAIN = translatable("The password must not be your login or your address.")


def password_problem(password: str, names: Iterable[str | None] = ()) -> str | None:
    """What is wrong with a password that a person has chosen; None when nothing is.

    Args:
        names: what others try first: the login, the address.
    """
    if len(password) < MIN_PASSWORD_CHARACTERS:
        return TOO_SHORT
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        return TOO_LONG
    if password.casefold() in {name.casefold() for name in names if name}:
        return TOO_PLAIN
    return None


def _has_control(text: str) -> bool:
    return any(ord(character) < 32 or ord(character) == 127 for character in text)
