"""Who a verified token speaks for."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from mintgate.contract.legacy import PERMISSIONS, LegacyScheme
from mintgate.verify.state import TokenState


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The identity behind an accepted token.

    Args:
        kind: `user` (a signed-in person) or `service` (an application's system user).
        login: the acting login, recorded on data changes [API-24].
        user_id: the acting user's id; None when a service token does not carry it [TOK-42].
        user_type: the model's name, such as `InternalUser`.
        session: the session key: `sid` of a user, `jti` of a service [SES-1, SES-2].
        database: the instance's database name (`db` or `client_db`).
        expires_at: Unix seconds.
        is_admin: whether the acting user is an administrator; False where a service's is unknown.
        claims: every claim of the token, also those this library does not know.
        legacy: the deprecated scheme by which the caller came, None for a token. Such a caller
            has no scopes [LEG-1].
    """

    kind: Literal["user", "service"]
    issuer: str
    client_id: str
    login: str
    user_id: str | None
    user_type: str
    database: str
    scopes: frozenset[str]
    jti: str
    session: str
    expires_at: int
    is_admin: bool = False
    name: str | None = None
    email: str | None = None
    locale: str | None = None
    claims: dict[str, Any] = {}
    legacy: LegacyScheme | None = None

    @property
    def permissions(self) -> frozenset[str]:
        """What policies are held against: the scopes, or what legacy callers may [LEG-15]."""
        return self.scopes if self.legacy is None else PERMISSIONS


def principal_of(claims: dict[str, Any], state: TokenState | None = None) -> Principal:
    """The principal of checked claims.

    Args:
        state: what is known of the user now; a token cannot make anybody an administrator who is
            none any more, and a service is one when its system user is.
    """
    user = state.user if state is not None else None
    is_admin_now = user.is_admin if user is not None else None
    scopes = frozenset(claims["scope"])
    if "client_system_user" in claims:
        return Principal(
            kind="service",
            issuer=claims["iss"],
            client_id=claims["client_id"],
            login=claims["client_system_user"],
            user_id=_text(claims, "client_system_user_id"),
            user_type=claims["client_system_user_type"],
            database=claims["client_db"],
            scopes=scopes,
            jti=claims["jti"],
            session=claims["jti"],
            expires_at=claims["exp"],
            is_admin=is_admin_now is True,
            claims=claims,
        )
    is_admin = claims.get("is_admin")
    return Principal(
        kind="user",
        issuer=claims["iss"],
        client_id=claims["client_id"],
        login=claims["sub"],
        user_id=claims["sub_id"],
        user_type=claims["user_type"],
        database=claims["db"],
        scopes=scopes,
        jti=claims["jti"],
        session=claims["sid"],
        expires_at=claims["exp"],
        # [API-22]
        is_admin=(is_admin is True or is_admin == "true") and is_admin_now is not False,
        name=_text(claims, "name"),
        email=_text(claims, "email"),
        locale=_text(claims, "locale"),
        claims=claims,
    )


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) else None
