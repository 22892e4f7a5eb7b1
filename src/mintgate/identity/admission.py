"""Whether the person at the browser gets a code for this application (§3.3)."""

from __future__ import annotations

from mintgate.contract import scopes
from mintgate.contract.clock import Clock
from mintgate.contract.errors import AccessDenied
from mintgate.contract.users import UserType
from mintgate.identity.authorization import AuthorizationRequest
from mintgate.identity.interactions import OpenInteraction
from mintgate.identity.sessions import SignedIn
from mintgate.store import Database, applications

FRESH_SIGN_IN = 300.0
"""Seconds within which a sign-in answers the prompt=login or max_age that asked for it."""


class Admission:
    """The rules that need to know who is signed in."""

    def __init__(self, instance_id: str, database: Database, clock: Clock) -> None:
        self._instance_id = instance_id
        self._database = database
        self._clock = clock

    def must_sign_in(
        self,
        valid: AuthorizationRequest,
        signed_in: SignedIn,
        interaction: OpenInteraction | None,
    ) -> bool:
        session = signed_in.session
        age = self._clock() - session.auth_time
        if interaction is not None and interaction.row.authenticated_sid == session.sid:
            # Done within this very request [SES-51], and not an hour ago on a page left open.
            return age > max(valid.max_age or 0, FRESH_SIGN_IN)
        if valid.prompts & {"login", "select_account"}:
            return True  # [AUT-9, SES-50]
        # [AUT-10]
        return valid.max_age is not None and age > valid.max_age

    async def require_admitted(
        self, valid: AuthorizationRequest, signed_in: SignedIn
    ) -> tuple[str, ...]:
        """Whether this user may sign in to this application, and with which scopes."""
        user, application = signed_in.user, valid.application
        if not application.allows_sign_in_of(user.user_type):
            raise AccessDenied(  # [AUT-34]
                "Users of this type cannot sign in to this application.",
                cause=f"user type {user.user_type}",
            )
        granted = valid.scopes
        if user.user_type is UserType.COMMUNITY:
            granted = scopes.without_api_scopes(granted)  # [SCP-13]
            if scopes.OPENID not in granted:
                raise AccessDenied(cause="a community user without openid")  # [AUT-35]
        instance_id, now = self._instance_id, self._clock()
        if await self._database.read(
            lambda connection: applications.blocks_user(
                connection, instance_id, application.id, user.id, now
            )
        ):
            raise AccessDenied(cause="the user's authorization is revoked or outside its window")
        return granted

    async def must_consent(
        self,
        valid: AuthorizationRequest,
        signed_in: SignedIn,
        granted: tuple[str, ...],
        interaction: OpenInteraction | None,
    ) -> bool:
        application, user = valid.application, signed_in.user
        if not application.require_consent:
            return False  # [AUT-46]
        if interaction is not None and interaction.row.consented_by == user.id:
            return False
        if "consent" in valid.prompts:
            return True
        instance_id = self._instance_id
        known = await self._database.read(
            lambda connection: applications.consented_scopes(
                connection, instance_id, user.id, application.id
            )
        )
        return not known.issuperset(granted)
