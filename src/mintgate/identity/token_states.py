"""Whether a token, its application and its user are still good [API-13, API-14]."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.users import User
from mintgate.identity.copies import RecordCopies, Source
from mintgate.identity.revoked import Revoked
from mintgate.store import DatabaseUnavailable, applications, revocations, users
from mintgate.verify.state import StateUnavailable, TokenState, UserState


class TokenStates:
    """The state source of verifiers in the server: copies while they hold, else the rows."""

    def __init__(self, source: Source, records: RecordCopies, revoked: Revoked) -> None:
        self._source = source
        self._records = records
        self._revoked = revoked

    def find(self, claims: dict[str, Any], token: str) -> TokenState | None:
        if not self._source.holds():
            return None
        user_id = claims.get("client_system_user_id") or claims.get("sub_id")
        application = self._records.applications.get(claims["client_id"])
        user = self._records.users.get(user_id) if isinstance(user_id, str) else None
        if application is None or user is None:
            return None
        revoked = self._revoked.covers(claims, application, user)
        return self._state(application, user, revoked)

    def load(self, claims: dict[str, Any], token: str) -> TokenState:
        return self._source.database.read_now(lambda connection: self._load(connection, claims))

    async def load_async(self, claims: dict[str, Any], token: str) -> TokenState:
        try:
            return await self._load_async(claims)
        except DatabaseUnavailable as error:
            # Others may have noticed meanwhile that it is away.
            found = self.find(claims, token)
            if found is None:
                raise StateUnavailable(str(error)) from error
            return found

    async def _load_async(self, claims: dict[str, Any]) -> TokenState:
        source = self._source
        generation = source.generation
        application = await self._records.application(claims["client_id"])
        user_id = claims.get("client_system_user_id") or claims.get("sub_id")
        if application is None or not isinstance(user_id, str) or not source.is_fresh():
            return await source.database.read(lambda connection: self._load(connection, claims))
        user = await self._records.user(user_id)
        if generation != source.generation:
            return await source.database.read(lambda connection: self._load(connection, claims))
        revoked = self._revoked.covers(claims, application, user)
        return self._state(application, user, revoked)

    def _load(self, connection: Connection, claims: dict[str, Any]) -> TokenState:
        return stored_state(connection, self._source.instance.id, claims, self._source.clock())

    def _state(
        self, application: TrustedApplication | None, user: User | None, revoked: bool
    ) -> TokenState:
        return _state(application, user, revoked, self._source.clock())


def stored_state(
    connection: Connection, instance_id: str, claims: dict[str, Any], now: float
) -> TokenState:
    """The state as the rows say.

    Args:
        now: Unix seconds.
    """
    application = applications.by_uri(connection, instance_id, claims["client_id"])
    user_id = claims.get("client_system_user_id") or claims.get("sub_id")
    login = claims.get("client_system_user")
    user = None
    if isinstance(user_id, str):
        user = users.by_id(connection, instance_id, user_id)
    elif isinstance(login, str):  # [TOK-42] readers accept the absence of the id
        user = users.by_login(connection, instance_id, login)
    revoked = revocations.is_revoked(connection, instance_id, claims["jti"])
    for record in (application, user):
        ended = revocations.not_before(connection, instance_id, record.id) if record else None
        revoked = revoked or (ended is not None and claims["iat"] < ended)
    return _state(application, user, revoked, now)


def _state(
    application: TrustedApplication | None, user: User | None, revoked: bool, now: float
) -> TokenState:
    return TokenState(
        revoked=revoked,
        application_enabled=application.is_enabled if application else None,
        user=UserState(user.active, user.is_locked(now), user.user_type, user.is_admin)
        if user
        else None,
    )
