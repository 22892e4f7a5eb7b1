"""The form of a user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mintgate.contract.translating import translatable
from mintgate.contract.users import User, UserType
from mintgate.sites.languages import LANGUAGES

TYPES = (
    (UserType.INTERNAL.value, translatable("Internal user: works here, may call the APIs")),
    (UserType.COMMUNITY.value, translatable("External user: a customer or partner")),
    (UserType.SYSTEM.value, translatable("System user: a service acts as it, nobody signs in")),
    (
        UserType.APPLICATION.value,
        translatable("Application user: as a system user, for one application"),
    ),
    (UserType.VIRTUAL.value, translatable("Virtual user: only a name in records")),
)
_SHORT = {
    UserType.INTERNAL.value: translatable("Internal user"),
    UserType.COMMUNITY.value: translatable("External user"),
    UserType.SYSTEM.value: translatable("System user"),
    UserType.APPLICATION.value: translatable("Application user"),
    UserType.VIRTUAL.value: translatable("Virtual user"),
    UserType.INVITED_INTERNAL.value: translatable("Invited, internal"),
    UserType.INVITED_EXTERNAL.value: translatable("Invited, external"),
}
FIELDS = {
    "Login": "login",
    "Name": "name",
    "Email": "email",
    "PhoneNumber": "phone",
    "DefaultLanguage": "language",
    "Password": "password",
    "IsAdmin": "is_admin",
    "UserType": "user_type",
}

KEPT_FIELDS = (
    "etag",
    "user_type",
    "login",
    *(f"name_{code}" for code in LANGUAGES),
    "email",
    "email_confirmed",
    "phone",
    "language",
    "basic",
)
"""Everything but the password, see `Door.page`."""


def type_text(user_type: str) -> str:
    """What a type is called, to be translated."""
    return _SHORT.get(user_type, user_type)


def fields_of(user: User) -> dict[str, str]:
    """What the form shows of a record."""
    fields = {
        "login": user.login,
        "email": user.email or "",
        "phone": user.phone_number or "",
        "language": user.default_language or "",
        "user_type": user.user_type.value,
    }
    fields |= {f"name_{code}": user.name.get(code, "") for code in LANGUAGES}
    flags = {
        "email_confirmed": user.email_confirmed,
        "basic": user.basic_authentication_allowed,
    }
    return fields | {name: "on" for name, is_on in flags.items() if is_on}


def values_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The attributes that a form says, but for the name."""
    known = {one.value: one for one in UserType}
    return {
        "login": form.get("login", ""),
        "user_type": known.get(form.get("user_type", ""), UserType.INTERNAL),
        "email": form.get("email"),
        "email_confirmed": "email_confirmed" in form and "email" in form,
        "phone_number": form.get("phone"),
        "default_language": form.get("language"),
        "basic_authentication_allowed": "basic" in form,
    }
