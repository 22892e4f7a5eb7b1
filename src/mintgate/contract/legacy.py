"""HTTP Basic and ErpLogin, the deprecated ways to call an API (specification §12). Pure."""

from __future__ import annotations

import enum
from base64 import b64decode
from binascii import Error as Base64Error

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.scopes import READ, UPDATE
from mintgate.contract.users import MAX_PASSWORD_BYTES, MAY_CALL_APIS_AS_USER, User

PERMISSIONS = frozenset({READ, UPDATE})
"""[LEG-15] What a legacy caller may do besides the user's rights. Never `sec`: a password that
travels with every request opens no security records."""
HAS_ERP_LOGIN = "DomainAPI"
"""[LEG-15] The one API that ErpLogin opens; HTTP Basic opens those of `TAKES_BASIC`."""
MAX_LOGIN = 254
"""Characters; an email is the longest [USR-3]."""
_MAX_ENCODED = 4 * (MAX_PASSWORD_BYTES + 4 * MAX_LOGIN + 1) // 3 + 4


class LegacyScheme(enum.StrEnum):
    """How a legacy caller proves who it is; the values are the words of audit events."""

    BASIC = "Basic"
    ERP_LOGIN = "ErpLogin"
    ERP_SESSION = "ErpSession"


def basic_pair(encoded: str) -> tuple[str, str] | None:
    """User name and password of a Basic credential (RFC 7617 §2); None when it is not one."""
    if len(encoded) > _MAX_ENCODED:
        return None
    try:
        text = b64decode(encoded, validate=True).decode("utf-8")
    except (Base64Error, UnicodeDecodeError, ValueError):
        return None
    login, colon, password = text.partition(":")
    if not colon or not is_acceptable(login, password):
        return None
    return login.strip(), password


def is_acceptable(login: str, password: str) -> bool:
    """Whether the two can be a user name and a password at all."""
    try:
        size = len(password.encode())
        login.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold
        return False
    return (
        0 < len(login.strip()) <= MAX_LOGIN
        and 0 < size <= MAX_PASSWORD_BYTES
        and "\0" not in login + password
    )


def problem_of_application(application: TrustedApplication | None) -> str | None:
    """Why an application may not use the legacy schemes, for the audit log [LEG-2, TAP-44]."""
    if application is None:
        return "application: no application has this name"
    if not application.is_enabled:
        return "application: it is disabled"
    if not application.basic_authentication_allowed:
        return "application: BasicAuthenticationAllowed is false"
    return None


def problem_of_user(
    user: User | None,
    application: TrustedApplication,
    now: float,
    *,
    everyone: bool,
    needs_second_factor: bool = False,
) -> str | None:
    """Why a user whose password is right may not use them, for the audit log [LEG-2, LEG-3, LEG-6].

    Args:
        now: Unix seconds.
        everyone: the option `AllowBasicAuthForAllUsers`.
        needs_second_factor: whether the password alone would not sign this user in.
    """
    if user is None:
        return "user: there is no such user"
    if not user.active or user.is_locked(now):
        return "user: the user is inactive or locked"
    if user.user_type not in MAY_CALL_APIS_AS_USER:
        return f"user: users of type {user.user_type} cannot call APIs"  # [USR-12]
    if not (everyone or user.basic_authentication_allowed):
        return "user: BasicAuthenticationAllowed is false"
    if needs_second_factor:
        return "user: a password is not enough, as there is a second factor, or must be"
    if application.system_user is not None and application.system_user != user.id:
        return "system user: the application is for its SystemUser only"
    return None
