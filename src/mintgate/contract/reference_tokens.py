"""Reference tokens (PAT, SAT): their published format, and who may create which (§8)."""

from __future__ import annotations

import enum
import re
import secrets

from mintgate.contract.applications import ReferenceTokenPolicy, TrustedApplication
from mintgate.contract.errors import Refusal
from mintgate.contract.scopes import READ, UPDATE
from mintgate.contract.users import MAY_BE_SYSTEM_USER, User, UserType

PREFIX = "enrt_"
UNKNOWN = "The token is unknown, has expired or was revoked."
"""What a caller is told of a reference token that stands for nothing [API-3]."""
FORMAT = re.compile(r"enrt_[0-9A-F]{64}")
"""[REF-1] 69 characters. The expression for secret scanners: `\\benrt_[0-9A-F]{64}\\b`."""
GRANTABLE_SCOPES = (READ, UPDATE)
"""[REF-17]"""
MAX_DESCRIPTION = 128


def is_reference(token: str) -> bool:
    """Whether a credential is taken for a reference token, and never for a JWT [API-3]."""
    return token.startswith(PREFIX)


class TokenKind(enum.StrEnum):
    PERSONAL = "PAT"
    SERVICE = "SAT"


class CreationForbidden(Refusal):
    """Policy, application or user do not allow it; 403 whatever a page showed [REF-20]."""

    error = "access_denied"
    status = 403


class CreationInvalid(Refusal):
    """The input is bad: 400 [REF-20]."""

    error = "invalid_request"


def new_reference_token() -> str:
    """`enrt_` and 64 upper-case hex digits, 256 random bits [REF-1]."""
    return PREFIX + secrets.token_hex(32).upper()


def require_policy(application: TrustedApplication, kind: TokenKind, creator: User) -> None:
    """Who may create which [REF-10..15, TAP-42, TAP-43].

    Raises:
        CreationForbidden: with the reason, which the creator may know.
    """
    policy = application.reference_tokens
    if not application.is_enabled:
        raise CreationForbidden("The application is disabled.")
    if policy is ReferenceTokenPolicy.NONE:
        raise CreationForbidden("The application allows no reference tokens.")
    if kind is TokenKind.SERVICE:
        if not creator.is_admin:
            raise CreationForbidden("Only an administrator creates service tokens.")
        return
    if creator.user_type is not UserType.INTERNAL:
        raise CreationForbidden("Only internal users have personal tokens.")
    if policy is ReferenceTokenPolicy.ADMINISTRATORS_ONLY and not creator.is_admin:
        raise CreationForbidden("The application allows reference tokens to administrators only.")


def require_system_user(application: TrustedApplication, system_user: User | None) -> None:
    """What a service token needs besides [TAP-43]. Raises CreationForbidden."""
    if not application.system_user_allowed or system_user is None:
        raise CreationForbidden("The application has no system user.")
    if system_user.user_type not in MAY_BE_SYSTEM_USER:
        raise CreationForbidden("The application's system user is of a type that cannot be one.")


def require_valid_input(
    application: TrustedApplication,
    scopes: tuple[str, ...],
    expires_at: float,
    now: float,
    description: str | None,
    max_days: int | None = None,
) -> None:
    """Scopes, expiry and description of a new token [REF-16..18, EXT-9].

    Args:
        expires_at: Unix seconds.
        max_days: the instance's longest life of a token; None is no limit.

    Raises:
        CreationInvalid: with what is allowed.
    """
    allowed = [name for name in GRANTABLE_SCOPES if name in application.scope_names]
    if not scopes or not set(scopes) <= set(allowed):
        shown = " ".join(allowed) or "none"
        raise CreationInvalid(f"Choose at least one scope; the application allows: {shown}.")
    if expires_at <= now:
        raise CreationInvalid("The expiry must be in the future.")
    if max_days is not None and expires_at > now + max_days * 24 * 3600:
        raise CreationInvalid(
            f"The expiry must be at most {max_days} days ahead, which is this instance's limit."
        )
    if description is not None and len(description) > MAX_DESCRIPTION:
        raise CreationInvalid(f"The description has at most {MAX_DESCRIPTION} characters.")
