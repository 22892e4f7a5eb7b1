"""The end of an authorization request: a code, and for `code id_token` an ID token beside it."""

from __future__ import annotations

from mintgate.contract import lifetimes
from mintgate.contract.clock import Clock
from mintgate.contract.identifiers import new_token, token_digest
from mintgate.contract.scopes import PROFILE
from mintgate.identity.authorization import AuthorizationRequest
from mintgate.identity.directory import Directory
from mintgate.identity.grants import FrontChannelGrant
from mintgate.identity.interactions import OpenInteraction
from mintgate.identity.mint import half_hash, mint_front_channel
from mintgate.identity.sessions import SignedIn
from mintgate.store import (
    AuditEvent,
    Database,
    Transaction,
    applications,
    codes,
    interactions,
    sessions,
)
from mintgate.store.codes import StoredCode


class CodeIssuer:
    """Issues the codes of one instance [AUT-40, AUT-41, AUT-44, AUT-45]."""

    def __init__(self, directory: Directory, database: Database, clock: Clock) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock

    async def issue(
        self,
        valid: AuthorizationRequest,
        signed_in: SignedIn,
        granted: tuple[str, ...],
        interaction: OpenInteraction | None,
        address: str | None,
    ) -> dict[str, str] | None:
        """The parameters of the answer; None when this interaction has given one, or the
        session has ended meanwhile, or the consent.

        Args:
            granted: the scopes that this user gives.
            address: where the request came from, for the audit log.

        Raises:
            TemporarilyUnavailable: the instance has no key, so that no token could follow.
        """
        code, now = new_token(), self._clock()  # [AUT-44]
        # The key first, and signed before the commit: nothing may fail between it and the answer.
        key = await self._directory.signing_key()
        stored = _stored(code, valid, signed_in, granted, now, key.algorithm)
        answer = {"code": code}
        if valid.with_id_token:
            grant = _front_channel_grant(code, stored, valid, signed_in)
            answer["id_token"] = mint_front_channel(grant, self._directory.instance, key)
        instance_id = self._directory.instance.id
        event = self._event(valid, signed_in, granted, address)

        def work(tx: Transaction) -> bool:
            if interaction is not None and not interactions.close(
                tx, instance_id, interaction.row.id_hash
            ):
                return False
            if not sessions.hold(tx, instance_id, stored.sid):
                return False  # signed out meanwhile
            if valid.application.require_consent and not applications.hold_consent(
                tx, instance_id, stored.user_id, stored.application_id
            ).issuperset(granted):
                return False  # withdrawn meanwhile [EXT-2]
            codes.add(tx, instance_id, stored)
            tx.record(event)
            return True

        return answer if await self._database.write(work) else None

    def _event(
        self,
        valid: AuthorizationRequest,
        signed_in: SignedIn,
        granted: tuple[str, ...],
        address: str | None,
    ) -> AuditEvent:
        return AuditEvent(
            instance_id=self._directory.instance.id,
            at=self._clock(),
            event="code.issued",
            actor=signed_in.user.login,
            actor_id=signed_in.user.id,
            application=valid.application.application_uri,
            session=signed_in.session.sid,
            address=address,
            details={"scope": granted, "with_id_token": valid.with_id_token},
        )


def _stored(
    code: str,
    valid: AuthorizationRequest,
    signed_in: SignedIn,
    granted: tuple[str, ...],
    now: float,
    algorithm: str,
) -> StoredCode:
    session, address, wanted = signed_in.session, valid.return_address, valid.claims
    # [EXT-2] Where people are asked, they have agreed to what `profile` stands for, or they have
    # not; single claims do not go around the question.
    may_tell = not valid.application.require_consent or PROFILE in granted
    return StoredCode(
        code_hash=token_digest(code),
        application_id=valid.application.id,
        user_id=signed_in.user.id,
        user_type=signed_in.user.user_type.value,
        sid=session.sid,
        redirect_uri=address.redirect_uri,
        scopes=granted,
        code_challenge=valid.code_challenge,
        nonce=valid.nonce,
        state_hash=half_hash(address.state, algorithm) if address.state is not None else None,
        auth_time=session.auth_time,
        amr=session.amr,
        idp=session.idp,
        tid=session.tid,
        acr=wanted.acr.stated_for(session.amr) if wanted.acr is not None else None,
        id_token_claims=wanted.id_token if may_tell else (),
        userinfo_claims=wanted.userinfo if may_tell else (),
        created_at=now,
        expires_at=now + lifetimes.AUTHORIZATION_CODE,
    )


def _front_channel_grant(
    code: str, stored: StoredCode, valid: AuthorizationRequest, signed_in: SignedIn
) -> FrontChannelGrant:
    return FrontChannelGrant(
        application=valid.application,
        user=signed_in.user,
        code=code,
        # Another machine's clock may have been ahead when the user signed in.
        issued_at=max(int(stored.created_at), stored.auth_time),
        sid=stored.sid,
        auth_time=stored.auth_time,
        amr=stored.amr,
        idp=stored.idp,
        nonce=stored.nonce,
        state_hash=stored.state_hash,
        acr=stored.acr,
    )
