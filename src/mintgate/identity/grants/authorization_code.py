"""The authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6): redeemed once, by the right client."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import ClassVar, NoReturn

from mintgate.contract import lifetimes
from mintgate.contract.applications import TrustedApplication
from mintgate.contract.clock import Clock
from mintgate.contract.errors import InvalidGrant, InvalidRequest, UnauthorizedClient
from mintgate.contract.identifiers import new_hex128, new_ordered_guid, new_token, token_digest
from mintgate.contract.scopes import OFFLINE_ACCESS, PROFILE, PROTOCOL_SCOPES
from mintgate.contract.users import User
from mintgate.identity.directory import Directory
from mintgate.identity.grants import Decided, TokenRequest, UserGrant
from mintgate.jose.encoding import base64url_encode
from mintgate.store import (
    AuditEvent,
    Database,
    Transaction,
    codes,
    refresh,
    revocations,
    userinfo_requests,
    users,
)
from mintgate.store.codes import StoredCode

# RFC 7636 §4.1: 43 to 128 unreserved characters.
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class AuthorizationCode:
    grant_type: ClassVar[str] = "authorization_code"
    parameters: ClassVar[frozenset[str]] = frozenset({"code", "redirect_uri", "code_verifier"})

    def __init__(self, directory: Directory, database: Database, clock: Clock) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock

    async def decide(self, request: TokenRequest, application: TrustedApplication) -> Decided:
        """Raises InvalidRequest [TKN-43], InvalidGrant [TKN-44..47, 51] or UnauthorizedClient."""
        presented = request.parameters.get("code")
        if presented is None:
            raise InvalidRequest("The parameter code is missing.")
        digest, stamp = token_digest(presented), self._directory.stamp()
        redeemed = await self._redeem(digest, request, application)
        if redeemed is None:
            await self._refuse(digest, request, application)
        if self._directory.known_user(redeemed.user.id) is None:
            self._directory.keep_user(redeemed.user, stamp)
        return Decided(redeemed)

    async def _redeem(
        self, digest: str, request: TokenRequest, application: TrustedApplication
    ) -> UserGrant | None:
        """The grant of this code, which is now used up; None when it is not to be redeemed so."""
        redirect_uri = request.parameters.get("redirect_uri")
        verifier = request.parameters.get("code_verifier")
        if redirect_uri is None:
            return None
        challenge = s256(verifier) if verifier is not None else None
        directory = self._directory
        lifetime = directory.instance.access_token_lifetime

        def work(tx: Transaction) -> UserGrant | None:
            """Raises InvalidGrant or UnauthorizedClient, and then nothing is redeemed."""
            jti, family_id = new_hex128(), new_ordered_guid()
            usual_end = float(int(tx.now) + lifetime)
            code = codes.redeem(
                tx,
                directory.instance.id,
                digest,
                application_id=application.id,
                redirect_uri=redirect_uri,
                code_challenge=challenge,
                jti=jti,
                token_expires_at=usual_end,
                family_id=family_id,
            )
            if code is None:
                return None
            _require_verifier(code, verifier)
            user = directory.known_user(code.user_id) or users.by_id(
                tx.connection, directory.instance.id, code.user_id
            )
            grant = self._grant(code, user, application, jti, tx.now)
            end = float(grant.issued_at + lifetime)
            if end != usual_end:
                codes.note_token_end(tx, directory.instance.id, digest, end)
            if grant.refresh_token is not None:
                family = _family(family_id, code, grant)
                refresh.start_family(
                    tx, directory.instance.id, family, token_digest(grant.refresh_token)
                )
            if code.userinfo_claims and PROFILE not in grant.scopes:
                userinfo_requests.add(tx, directory.instance.id, jti, code.userinfo_claims, end)
            tx.record(self._event(grant, request.address, tx.now))
            return grant

        return await self._database.write(work, savepoint=False)

    def _grant(
        self,
        code: StoredCode,
        user: User | None,
        application: TrustedApplication,
        jti: str,
        now: float,
    ) -> UserGrant:
        _require_user(user, code, application, now)
        assert user is not None  # noqa: S101 - told to the type checker
        return UserGrant(
            application=application,
            user=user,
            scopes=code.scopes,
            jti=jti,
            # Another machine's clock may have been ahead when the user signed in.
            issued_at=max(self._directory.issue_time(application, user), code.auth_time),
            sid=code.sid,
            auth_time=code.auth_time,
            amr=code.amr,
            idp=code.idp,
            tid=code.tid,
            refresh_token=new_token() if OFFLINE_ACCESS in code.scopes else None,
            nonce=code.nonce,
            state_hash=code.state_hash,
            acr=code.acr,
            id_token_claims=code.id_token_claims,
        )

    async def _refuse(
        self, digest: str, request: TokenRequest, application: TrustedApplication
    ) -> NoReturn:
        """Say why a code was not redeemed. Always raises."""
        instance_id, now = self._directory.instance.id, self._clock()
        code = await self._database.read(
            lambda connection: codes.find(connection, instance_id, digest)
        )
        if code is None or code.application_id != application.id:
            raise InvalidGrant(cause="the code is unknown or of another client")  # [TKN-44]
        if code.consumed_at is not None:
            await self._take_back(code, application, request.address)
        _require_unexpired(code, now)
        _require_redirect_uri(code, request.parameters.get("redirect_uri"))
        _require_verifier(code, request.parameters.get("code_verifier"))
        _require_user(await self._directory.user(code.user_id), code, application, now)
        raise InvalidGrant(  # [TAP-30]
            cause="the user's authorization is revoked or outside its window"
        )

    async def _take_back(
        self, code: StoredCode, application: TrustedApplication, address: str | None
    ) -> NoReturn:
        """[TKN-47] A second redemption: what the first one gave ends. Always raises."""
        instance_id = self._directory.instance.id

        def work(tx: Transaction) -> None:
            if code.family_id is not None:
                refresh.revoke(tx, instance_id, code.family_id, "code_replayed")
            if code.jti is not None and code.token_expires_at is not None:
                revocations.add(tx, instance_id, code.jti, code.token_expires_at)
            tx.record(
                AuditEvent(
                    instance_id=instance_id,
                    at=tx.now,
                    event="code.replayed",
                    subject_id=code.user_id,
                    application=application.application_uri,
                    session=code.sid,
                    jti=code.jti,
                    address=address,
                )
            )

        await self._database.write(work)
        raise InvalidGrant(cause="the code was redeemed before; its tokens are revoked")

    def _event(self, grant: UserGrant, address: str | None, at: float) -> AuditEvent:
        return AuditEvent(
            instance_id=self._directory.instance.id,
            at=at,
            event="token.issued",
            actor=grant.user.login,
            actor_id=grant.user.id,
            application=grant.application.application_uri,
            session=grant.sid,
            jti=grant.jti,
            address=address,
            details={"grant_type": self.grant_type, "scope": grant.scopes},
        )


def _family(family_id: str, code: StoredCode, grant: UserGrant) -> refresh.Family:
    lifetime = (
        lifetimes.REFRESH_TOKEN_PUBLIC  # [LIF-5]
        if grant.application.is_public
        else lifetimes.REFRESH_TOKEN_CONFIDENTIAL  # [LIF-4]
    )
    return refresh.Family(
        id=family_id,
        application_id=code.application_id,
        user_id=code.user_id,
        sid=code.sid,
        scopes=code.scopes,
        auth_time=code.auth_time,
        amr=code.amr,
        idp=code.idp,
        tid=code.tid,
        acr=code.acr,
        id_token_claims=code.id_token_claims,
        userinfo_claims=code.userinfo_claims,
        created_at=float(grant.issued_at),
        expires_at=code.created_at + lifetime,
    )


def s256(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 §4.2) [TKN-60]."""
    return base64url_encode(hashlib.sha256(verifier.encode()).digest()).decode()


def _require_unexpired(code: StoredCode, now: float) -> None:
    if now >= code.expires_at:
        raise InvalidGrant(cause="the code has expired")


def _require_redirect_uri(code: StoredCode, redirect_uri: str | None) -> None:
    if redirect_uri != code.redirect_uri:
        raise InvalidGrant(  # [TKN-45]
            "The redirect_uri must be the one of the authorization request.",
            cause="redirect_uri differs or is missing",
        )


def _require_verifier(code: StoredCode, verifier: str | None) -> None:
    # RFC 9700 §2.1.1: a verifier without a challenge is a downgrade attempt [TKN-46].
    if (verifier is None) != (code.code_challenge is None):
        raise InvalidGrant(
            "The code_verifier does not fit.", cause="code_verifier without challenge or missing"
        )
    if verifier is None or code.code_challenge is None:
        return
    if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(
        s256(verifier), code.code_challenge
    ):
        raise InvalidGrant("The code_verifier does not fit.", cause="wrong code_verifier")


def _require_user(
    user: User | None, code: StoredCode, application: TrustedApplication, now: float
) -> None:
    if user is None or not user.active or user.is_locked(now):
        raise InvalidGrant(cause="the user is missing, inactive or locked")  # [TKN-51]
    if user.user_type != code.user_type:
        raise InvalidGrant(cause=f"the user's type is now {user.user_type}")  # [TKN-51]
    if not application.allows_sign_in_of(user.user_type):
        raise UnauthorizedClient(  # [TKN-52]
            cause=f"the application no longer admits users of type {user.user_type}"
        )
    if not PROTOCOL_SCOPES.union(application.scope_names).issuperset(code.scopes):
        raise InvalidGrant(  # [TAP-31]
            cause="the granted scopes no longer fit the application's Scope"
        )
