"""Whether the person at the browser gets a code for this application (§3.3)."""

from __future__ import annotations

from mintgate.contract import scopes
from mintgate.contract.clock import Clock
from mintgate.contract.errors import (
    AccessDenied,
    LoginRequired,
    UnmetAuthenticationRequirements,
)
from mintgate.contract.users import UserType
from mintgate.identity.authorization import AuthorizationRequest
from mintgate.identity.interactions import OpenInteraction
from mintgate.identity.sessions import SignedIn
from mintgate.store import Database, applications, authorizations
from mintgate.store.sessions import IdentitySession

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
        if _signed_in_within(interaction, session):
            # Done within this very request [SES-51], and not an hour ago on a page left open.
            return age > max(valid.max_age or 0, FRESH_SIGN_IN)
        if "login" in valid.prompts or valid.max_age == 0:
            return True  # [SES-50]; max_age=0 says the same (OpenID Connect Core §3.1.2.1)
        if not valid.expected.is_answered_by(signed_in.user.login, session.sid):
            return True
        if valid.claims.acr is not None and not valid.claims.acr.is_met_by(session.amr):
            return True
        return valid.max_age is not None and age > valid.max_age  # [AUT-10]

    def must_choose(
        self,
        valid: AuthorizationRequest,
        signed_in: SignedIn,
        interaction: OpenInteraction | None,
    ) -> bool:
        """Whether the account chooser must be answered first [EXT-15]."""
        session = signed_in.session
        if "select_account" not in valid.prompts or _signed_in_within(interaction, session):
            return False
        return interaction is None or interaction.row.chosen_sid != session.sid

    async def require_admitted(
        self, valid: AuthorizationRequest, signed_in: SignedIn
    ) -> tuple[str, ...]:
        """Whether this user may sign in to this application, and with which scopes.

        Raises:
            LoginRequired: another user signed in than the one whom the application expects.
            UnmetAuthenticationRequirements: the sign-in is not of the kind that it requires.
            AccessDenied: the user may not [AUT-34..36].
        """
        user, application = signed_in.user, valid.application
        if not valid.expected.is_answered_by(user.login, signed_in.session.sid):
            # OpenID Connect Core §3.1.2.1, §3.1.2.2: no code for anybody else.
            raise LoginRequired("Another user signed in than the application expects.")
        if valid.claims.acr is not None and not valid.claims.acr.is_met_by(signed_in.session.amr):
            raise UnmetAuthenticationRequirements  # §5.5.1.1
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
            lambda connection: authorizations.blocks_user(
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
        answered = interaction is not None and interaction.row.consented_by == user.id
        if "consent" in valid.prompts and not answered:
            return True
        instance_id = self._instance_id
        known = await self._database.read(
            lambda connection: applications.consented_scopes(
                connection, instance_id, user.id, application.id
            )
        )
        return not known.issuperset(granted)  # also when it was withdrawn a moment ago


def _signed_in_within(interaction: OpenInteraction | None, session: IdentitySession) -> bool:
    return interaction is not None and interaction.row.authenticated_sid == session.sid
