"""Refresh tokens (RFC 6749 §6, RFC 9700 §4.14): every use rotates, a replay ends the family."""

from __future__ import annotations

from typing import ClassVar, NoReturn

from mintgate.contract import scopes
from mintgate.contract.applications import TrustedApplication
from mintgate.contract.clock import Clock
from mintgate.contract.errors import InvalidGrant, InvalidRequest, Refusal
from mintgate.contract.identifiers import new_hex128, new_token, token_digest
from mintgate.contract.users import User, UserType
from mintgate.identity.directory import Directory
from mintgate.identity.grants import Decided, TokenRequest, UserGrant
from mintgate.store import (
    AuditEvent,
    Database,
    Transaction,
    refresh,
    userinfo_requests,
    users,
)
from mintgate.store.refresh import Family, StoredToken


class RefreshToken:
    grant_type: ClassVar[str] = "refresh_token"
    parameters: ClassVar[frozenset[str]] = frozenset({"refresh_token", "scope"})

    def __init__(self, directory: Directory, database: Database, clock: Clock) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock

    async def decide(self, request: TokenRequest, application: TrustedApplication) -> Decided:
        """Raises InvalidRequest [TKN-43], InvalidGrant [TKN-48, 49, 52], InvalidScope [TKN-50]."""
        presented = request.parameters.get("refresh_token")
        if presented is None:
            raise InvalidRequest("The parameter refresh_token is missing.")
        directory, digest = self._directory, token_digest(presented)
        requested, address = request.parameters.get("scope"), request.address
        stamp = directory.stamp()

        def work(tx: Transaction) -> UserGrant | Family | Refusal:
            """Decide on what is stored now, and rotate.

            Returns the family when this is a replay [LIF-14], and a refusal instead of raising
            it: nothing was changed, so there is nothing to undo.
            """
            token = refresh.hold(tx, directory.instance.id, digest)
            grace = directory.instance.refresh_grace_seconds
            try:
                family = _require_family(token, application, tx.now)
                assert token is not None  # noqa: S101 - told to the type checker
                if _is_replay(token, tx.now, grace):
                    return family
                user = directory.known_user(family.user_id) or users.by_id(
                    tx.connection, directory.instance.id, family.user_id
                )
                _require_grantable(user, application, family, tx.now)  # [LIF-12]
                assert user is not None  # noqa: S101 - told to the type checker
                _require_not_kept_out(token)
                granted = scopes.for_refresh(requested, family.scopes)
            except Refusal as refusal:
                return refusal
            first_use = refresh.consume(tx, directory.instance.id, digest)
            if not first_use:
                # Another request was faster, or it is used again within its grace [EXT-4].
                token = refresh.find(tx.connection, directory.instance.id, digest)
                if token is None or token.consumed_at is None or _is_replay(token, tx.now, grace):
                    return family
            grant = self._grant(application, user, family, granted)
            self._rotate(tx, digest, grant, family)
            event = "token.refreshed" if first_use else "token.refreshed_within_grace"
            tx.record(self._event(event, grant, address, tx.now))
            return grant

        decided = await self._database.write(work, savepoint=False)
        if isinstance(decided, Refusal):
            raise decided
        if isinstance(decided, Family):
            await self._end_family(decided, application, address)
        if directory.known_user(decided.user.id) is None:
            directory.keep_user(decided.user, stamp)
        return Decided(decided)

    def _grant(
        self,
        application: TrustedApplication,
        user: User,
        family: Family,
        granted: tuple[str, ...],
    ) -> UserGrant:
        return UserGrant(
            application=application,
            user=user,
            scopes=granted,
            jti=new_hex128(),
            # Another machine's clock may have been ahead when the user signed in.
            issued_at=max(self._directory.issue_time(application, user), family.auth_time),
            sid=family.sid,
            auth_time=family.auth_time,
            amr=family.amr,
            idp=family.idp,
            tid=family.tid,
            refresh_token=new_token(),
            acr=family.acr,
            id_token_claims=family.id_token_claims,
        )

    def _rotate(self, tx: Transaction, digest: str, grant: UserGrant, family: Family) -> None:
        instance = self._directory.instance
        successor = token_digest(grant.refresh_token or "")
        refresh.add_successor(tx, instance.id, family.id, successor, digest)
        if family.userinfo_claims and scopes.PROFILE not in grant.scopes:
            expires_at = float(grant.issued_at + instance.access_token_lifetime)
            userinfo_requests.add(tx, instance.id, grant.jti, family.userinfo_claims, expires_at)

    async def _end_family(
        self, family: Family, application: TrustedApplication, address: str | None
    ) -> NoReturn:
        """[LIF-14] A replay: the whole family ends. Always raises."""
        instance_id = self._directory.instance.id

        def work(tx: Transaction) -> None:
            refresh.revoke(tx, instance_id, family.id, "replay")
            tx.record(
                AuditEvent(
                    instance_id=instance_id,
                    at=tx.now,
                    event="refresh.replayed",
                    subject_id=family.user_id,
                    application=application.application_uri,
                    session=family.sid,
                    address=address,
                )
            )

        await self._database.write(work)
        raise InvalidGrant(cause="the refresh token was used before; its family is revoked")

    def _event(self, event: str, grant: UserGrant, address: str | None, at: float) -> AuditEvent:
        return AuditEvent(
            instance_id=self._directory.instance.id,
            at=at,
            event=event,
            actor=grant.user.login,
            actor_id=grant.user.id,
            application=grant.application.application_uri,
            session=grant.sid,
            jti=grant.jti,
            address=address,
            details={"scope": grant.scopes},
        )


def _is_replay(token: StoredToken, now: float, grace: int) -> bool:
    """Whether using this token now shows that two parties hold it [LIF-14].

    With a grace [EXT-4] the immediate predecessor of an unused token may be used again for a
    moment; of the several successors that this makes, only the one that is used first lives.
    """
    if token.sibling_used:
        return True
    if token.consumed_at is None:
        return False
    return token.successor_used or grace == 0 or now >= token.consumed_at + grace


def _require_family(
    token: StoredToken | None, application: TrustedApplication, now: float
) -> Family:
    if token is None or token.family.application_id != application.id:
        raise InvalidGrant(cause="the refresh token is unknown or of another client")  # [TKN-48]
    if token.family.revoked_at is not None:
        raise InvalidGrant(cause="the refresh token's family is revoked")
    if now >= token.family.expires_at:
        raise InvalidGrant(cause="the refresh token has expired")
    return token.family


def _require_not_kept_out(token: StoredToken) -> None:
    if token.user_is_kept_out:
        raise InvalidGrant(  # [TAP-30]
            cause="the user's authorization is revoked or outside its window"
        )


def _require_grantable(
    user: User | None, application: TrustedApplication, family: Family, now: float
) -> None:
    if user is None or not user.active or user.is_locked(now):
        raise InvalidGrant(cause="the user is missing, inactive or locked")  # [TKN-49]
    if not application.allows_sign_in_of(user.user_type):
        raise InvalidGrant(  # [TKN-52]
            cause=f"the application no longer admits users of type {user.user_type}"
        )
    allowed = scopes.PROTOCOL_SCOPES.union(application.scope_names)
    if not allowed.issuperset(family.scopes):
        raise InvalidGrant(cause="the granted scopes no longer fit the application's Scope")
    if user.user_type is UserType.COMMUNITY and scopes.has_api_scope(family.scopes):
        raise InvalidGrant(cause="a community user cannot hold API scopes")  # [TKN-49]
