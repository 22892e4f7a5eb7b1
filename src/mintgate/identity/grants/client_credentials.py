"""Client credentials (RFC 6749 §4.4): an application acts as its system user."""

from __future__ import annotations

from asyncio import Future
from typing import ClassVar

from mintgate.contract import scopes
from mintgate.contract.applications import TrustedApplication
from mintgate.contract.clock import Clock
from mintgate.contract.errors import UnauthorizedClient
from mintgate.contract.identifiers import new_hex128
from mintgate.contract.users import MAY_BE_SYSTEM_USER, User, UserType
from mintgate.identity.directory import Directory
from mintgate.identity.grants import Decided, ServiceGrant, TokenRequest
from mintgate.store import AuditEvent, Database


class ClientCredentials:
    grant_type: ClassVar[str] = "client_credentials"
    parameters: ClassVar[frozenset[str]] = frozenset({"scope"})

    def __init__(self, directory: Directory, database: Database, clock: Clock) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock

    async def decide(self, request: TokenRequest, application: TrustedApplication) -> Decided:
        """Raises UnauthorizedClient [TKN-39..41] or InvalidScope [TKN-42]."""
        user_id = system_user_of(application)
        user = await self._directory.user(user_id)
        scope = request.parameters.get("scope")
        return Decided(*self.decide_for(scope, request.address, application, user))

    def decide_for(
        self,
        scope: str | None,
        address: str | None,
        application: TrustedApplication,
        user: User | None,
    ) -> tuple[ServiceGrant, Future[None]]:
        """The same, where the system user is known; None when there is no such user."""
        now = self._clock()
        if user is None or not user.active or user.is_locked(now):
            raise UnauthorizedClient(cause="the system user is missing, inactive or locked")
        if user.user_type not in MAY_BE_SYSTEM_USER:
            raise UnauthorizedClient(cause=f"the system user has type {user.user_type}")
        granted = scopes.for_client_credentials(scope, application.scope_names)
        grant = ServiceGrant(
            application=application,
            system_user=user,
            scopes=granted,
            jti=new_hex128(),
            issued_at=self._directory.issue_time(application, user),
        )
        recorded = self._database.record(
            AuditEvent(
                instance_id=self._directory.instance.id,
                at=now,
                event="token.issued",
                actor=user.login,
                # A person may be the system user; a service account has nothing to be found by.
                actor_id=user.id if user.user_type is UserType.INTERNAL else None,
                application=application.application_uri,
                jti=grant.jti,
                address=address,
                details={"grant_type": self.grant_type, "scope": granted},
            )
        )
        return grant, recorded


def system_user_of(application: TrustedApplication) -> str:
    """The id of the user as whom an application may act.

    Raises:
        UnauthorizedClient: it may act as none [TKN-39, TKN-40].
    """
    if application.is_public:
        raise UnauthorizedClient(cause="a Public client asked for client credentials")
    if not application.system_user_allowed or application.system_user is None:
        raise UnauthorizedClient(cause="SystemUserAllowed is off or SystemUser is not set")
    return application.system_user
