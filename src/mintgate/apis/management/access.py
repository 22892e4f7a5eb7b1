"""Who may call: the checks of the token, and then of the acting user as stored now [API-33]."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection
from starlette.types import Scope

from mintgate.contract.errors import (
    Forbidden,
    InsufficientScope,
    InsufficientUserAuthentication,
    InvalidToken,
    NoCredential,
)
from mintgate.contract.instance import Instance
from mintgate.contract.reference_tokens import PREFIX
from mintgate.contract.scopes import PROFILE, READ, SEC, UPDATE
from mintgate.contract.users import User
from mintgate.identity.administration.call import Acting
from mintgate.identity.forms import client_address
from mintgate.identity.token_states import stored_state
from mintgate.store import sessions, users
from mintgate.verify import Verifier
from mintgate.verify.principal import Principal
from mintgate.verify.request_headers import credential_of

_API_KEY_HEADERS = frozenset({b"x-api-key", b"api-key"})


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """How one table of routes is guarded.

    Args:
        realm: of the challenges.
        verifier: decides which types of users pass.
        scopes: all of them are needed.
        any_scope: one of them is needed, when there are any.
        client_id: the only application whose tokens are taken; None takes all.
        administrators_only: whether the acting user must be one now [SCP-16].
    """

    realm: str
    instance: Instance
    verifier: Verifier
    scopes: frozenset[str] = frozenset()
    any_scope: frozenset[str] = frozenset()
    client_id: str | None = None
    administrators_only: bool = False

    async def principal_of(self, scope: Scope) -> Principal:
        """The caller behind the `Authorization` header; an API key is no credential here.

        Raises:
            ResourceRefusal: see `Verifier.verify`; `Forbidden` for a token that is good elsewhere.
        """
        token = credential_of(scope["headers"])
        if any(name in _API_KEY_HEADERS for name, _ in scope["headers"]):
            raise NoCredential(cause="a credential in an API-key header")
        audience = f"{self.instance.issuer}/resources"
        principal = await self.verifier.verify_async(token, audience, self.scopes)
        if self.client_id is not None:
            # Whoever holds a token of any other application, or one that lives long, must not
            # be able to make it live longer [PRF-2, REF-13].
            if token.startswith(PREFIX) or principal.kind != "user":
                raise Forbidden("Sign in as a person to do this.", cause=f"a {principal.kind} key")
            if principal.client_id != self.client_id:
                raise Forbidden(
                    f"This needs a token of {self.client_id}.",
                    cause=f"a token of {principal.client_id[:128]}",
                )
        if self.any_scope and self.any_scope.isdisjoint(principal.scopes):
            raise InsufficientScope(needed=sorted(self.any_scope)[0])  # [PRF-12]
        return principal

    def acting(
        self,
        connection: Connection,
        principal: Principal,
        scope: Scope,
        now: float,
        *,
        needs_fresh: bool = False,
    ) -> Acting:
        """Who acts, read in the same transaction as what is done.

        Args:
            needs_fresh: whether the person must have signed in a moment ago.

        Raises:
            Forbidden: the user is not there any more, may not act, or is no administrator.
            InsufficientUserAuthentication: the person signed in too long ago.
        """
        user = self._user(connection, principal)
        if user is None or not user.active or user.is_locked(now):
            raise Forbidden(cause="the acting user is missing, inactive or locked")
        if self.administrators_only and not user.is_admin:
            raise Forbidden("Only administrators may do this.", cause="no administrator")
        if needs_fresh:
            self._require_fresh(connection, principal, user, now)
        return Acting(
            user=user,
            name=user.login,
            client_id=principal.client_id,
            jti=principal.jti,
            sid=principal.session if principal.kind == "user" else None,
            address=client_address(scope),
        )

    def require_live(
        self, connection: Connection, principal: Principal, scope: Scope, now: float
    ) -> None:
        """Refuse a token that was ended since it was verified: what it makes may live long.

        Raises:
            InvalidToken: it was revoked, or everything of its user or application [LIF-18], or the
                application was disabled [TAP-4].
        """
        token = credential_of(scope["headers"])  # never a reference token: they have no `sec`
        state = stored_state(connection, self.instance.id, principal.claims, token, now)
        if state.revoked or not state.application_enabled:
            raise InvalidToken(cause="the token or its application was ended meanwhile")

    def _require_fresh(
        self, connection: Connection, principal: Principal, user: User, now: float
    ) -> None:
        """The rule of the sites' own pages: a token of an old sign-in is no way around it."""
        max_age = self.instance.fresh_sign_in_seconds
        session = sessions.by_sid(connection, self.instance.id, principal.session or "")
        if session is None or session.user_id != user.id or session.expires_at <= now:
            raise InsufficientUserAuthentication(max_age=max_age, cause="the sign-in has ended")
        if now - session.auth_time > max_age:
            cause = f"signed in {now - session.auth_time:.0f} seconds ago"
            raise InsufficientUserAuthentication(max_age=max_age, cause=cause)

    def _user(self, connection: Connection, principal: Principal) -> User | None:
        instance_id = self.instance.id
        if principal.user_id is not None:
            return users.by_id(connection, instance_id, principal.user_id)
        return users.by_login(connection, instance_id, principal.login)


def for_automation(instance: Instance, verifier: Verifier) -> Access:
    """[API-33]: scope `sec`, and an administrator; of any application, services too."""
    return Access(
        realm="InstanceManager",
        instance=instance,
        verifier=verifier,
        scopes=frozenset({SEC}),
        administrators_only=True,
    )


def for_profile(instance: Instance, verifier: Verifier, client_id: str) -> Access:
    """[PRF-2, PRF-12]: a person, with a token of the Profile site."""
    return Access(
        realm="UserProfile",
        instance=instance,
        verifier=verifier,
        any_scope=frozenset({PROFILE, READ, UPDATE}),
        client_id=client_id,
    )


def for_manage(instance: Instance, verifier: Verifier, client_id: str) -> Access:
    """[IMG-1]: an administrator, with a token of the Instance Manager site."""
    return Access(
        realm="InstanceManager",
        instance=instance,
        verifier=verifier,
        scopes=frozenset({UPDATE}),
        client_id=client_id,
        administrators_only=True,
    )
