"""Who a verified token speaks for."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


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
        claims: every claim of the token, also those this library does not know.
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
