"""Reference tokens: creating them, and what each stands for at this moment [REF-34..39]."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection

from mintgate.contract import scopes as scope_rules
from mintgate.contract.applications import TrustedApplication
from mintgate.contract.claims import ServiceClaims, UserClaims, audience_of, encode
from mintgate.contract.clock import Clock
from mintgate.contract.identifiers import new_guid, new_hex128, token_digest
from mintgate.contract.instance import Instance
from mintgate.contract.reference_tokens import (
    FORMAT,
    TokenKind,
    new_reference_token,
    require_policy,
    require_system_user,
    require_valid_input,
)
from mintgate.contract.users import User
from mintgate.identity.directory import Directory
from mintgate.identity.grants import ServiceGrant, UserGrant
from mintgate.identity.mint import service_claims, user_claims
from mintgate.identity.tallies import MINTED
from mintgate.store import (
    AuditEvent,
    Database,
    DatabaseUnavailable,
    Transaction,
    applications,
    instances,
    reference_tokens,
    revocations,
)
from mintgate.store.reference_tokens import ReferenceToken
from mintgate.verify.state import StateUnavailable

MAX_COPIES = 10_000
MAX_TOUCHED = 100


def create(
    tx: Transaction,
    instance_id: str,
    *,
    kind: TokenKind,
    application: TrustedApplication,
    creator: User,
    system_user: User | None,
    scopes: tuple[str, ...],
    expires_at: float,
    description: str | None,
    address: str | None = None,
    despite_policy: bool = False,
) -> tuple[str, ReferenceToken]:
    """Check and store a new token; returns its value, which is shown this once [REF-3].

    Args:
        despite_policy: for the token of an install, whatever `ReferenceTokens` says [INS-31].

    Raises:
        CreationForbidden, CreationInvalid: see `contract.reference_tokens`.
    """
    if not despite_policy:
        require_policy(application, kind, creator)
    if kind is TokenKind.SERVICE:
        require_system_user(application, system_user)
    instance = instances.by_id(tx.connection, instance_id)
    max_days = instance.max_reference_token_days if instance else None
    require_valid_input(application, scopes, expires_at, tx.now, description, max_days)
    # As `Directory.issue_time`: not before what 'revoke everything' has ended.
    ended = (
        revocations.not_before(tx.connection, instance_id, record.id) or 0
        for record in (application, creator)
    )
    value = new_reference_token()
    personal = kind is TokenKind.PERSONAL
    token = ReferenceToken(
        id=new_guid(),
        token_key=token_digest(value),
        kind=kind.value,
        application_id=application.id,
        user_id=creator.id if personal else None,
        scopes=scope_rules.token_order(scopes),
        description=description or None,
        jti=new_hex128(),
        sid=new_hex128() if personal else None,
        created_by=creator.login,
        created_at=float(max(int(tx.now), *ended)),
        expires_at=float(int(expires_at)),
    )
    reference_tokens.add(tx, instance_id, token)
    MINTED.add("reference", kind.value)
    tx.record(
        AuditEvent(
            instance_id=instance_id,
            at=tx.now,
            event="reference_token.created",
            actor=creator.login,
            actor_id=creator.id or None,
            application=application.application_uri,
            jti=token.jti,
            address=address,
            details={"kind": kind.value, "scope": token.scopes, "expires_at": token.expires_at},
        )
    )
    return value, token


class _Known(msgspec.Struct, frozen=True):
    """A stored token with the `client_id` of its application."""

    token: ReferenceToken
    client_id: str


class References:
    """The reference source of verifiers inside the server.

    Records are copied and dropped by the state feed [REF-39]; application and user are asked of
    the directory at every use, so that the current state wins [REF-34].

    Args:
        is_fresh: whether the state feed is followed up to now.
        clock: Unix seconds.
        before: the source before a setting of the instance changed; uses that it noted and has not
            written down are not lost [REF-38].
    """

    def __init__(
        self,
        directory: Directory,
        database: Database,
        is_fresh: Callable[[], bool],
        clock: Clock,
        before: References | None = None,
    ) -> None:
        self._directory = directory
        self._database = database
        self._is_fresh = is_fresh
        self._clock = clock
        self._copies: dict[str, _Known] = {}
        self._generation = 0
        self._used: dict[str, float] = before._used if before is not None else {}

    def forget(self, token_key: str) -> None:
        """The record was changed."""
        self._generation += 1
        self._copies.pop(token_key, None)

    def load(self, token: str) -> dict[str, Any] | None:
        raise NotImplementedError("inside the server tokens are checked in the event loop")

    async def load_async(self, token: str) -> dict[str, Any] | None:
        try:
            return await self._claims(token)
        except DatabaseUnavailable as error:
            raise StateUnavailable(str(error)) from error

    def note_use(self, claims: dict[str, Any]) -> None:
        self._used[claims["jti"]] = self._clock()

    async def flush(self) -> None:
        """Write down when tokens were last used; at most once a minute for each is enough."""
        instance_id = self._directory.instance.id

        # Many tokens are many pages that are read and written, and others wait for the writer.
        moments = list(self._used.items())
        for start in range(0, len(moments), MAX_TOUCHED):
            part = moments[start : start + MAX_TOUCHED]
            await self._database.write(
                partial(reference_tokens.touch, instance_id=instance_id, used=dict(part))
            )
            for jti, at in part:
                if self._used.get(jti) == at:  # else it was used once more meanwhile
                    del self._used[jti]

    async def _claims(self, token: str) -> dict[str, Any] | None:
        if not FORMAT.fullmatch(token):
            return None  # [REF-2] compared exactly: a lower-case variant is unknown
        key = token_digest(token)
        for _ in range(2):
            known = await self._known(key)
            if known is None or not known.token.is_live(self._clock()):
                return None
            application = await self._directory.application(known.client_id)
            if application is not None and application.id == known.token.application_id:
                claims = await self._claims_of(known.token, application)
                return json.loads(encode(claims)) if claims is not None else None
            self.forget(key)  # the application has another ApplicationUri since it was copied
        return None

    async def _known(self, key: str) -> _Known | None:
        found = self._copies.get(key) if self._is_fresh() else None
        if found is not None:
            return found
        generation = self._generation
        instance_id = self._directory.instance.id

        def read(connection: Connection) -> _Known | None:
            token = reference_tokens.by_key(connection, instance_id, key)
            if token is None:
                return None
            application = applications.by_id(connection, instance_id, token.application_id)
            return _Known(token, application.application_uri) if application else None

        found = await self._database.read(read)
        if found is not None and generation == self._generation:
            if len(self._copies) >= MAX_COPIES:
                del self._copies[next(iter(self._copies))]
            self._copies[key] = found
        return found

    async def _claims_of(
        self, token: ReferenceToken, application: TrustedApplication
    ) -> UserClaims | ServiceClaims | None:
        acting = acting_user_id(token, application)
        user = await self._directory.user(acting) if acting is not None else None
        return claims_of(token, application, user, self._directory.instance)


def acting_user_id(token: ReferenceToken, application: TrustedApplication) -> str | None:
    """Whose rights count: the person's [REF-36], or those of the system user now [REF-37]."""
    if token.user_id is not None:
        return token.user_id
    return application.system_user if application.system_user_allowed else None  # [REF-34]


def granted_scopes(token: ReferenceToken, application: TrustedApplication) -> tuple[str, ...]:
    """[REF-35] What the application may do now bounds what the token may do."""
    return tuple(name for name in token.scopes if name in application.scope_names)


def is_for(
    api: str, token: ReferenceToken, application: TrustedApplication, instance: Instance
) -> bool:
    """Whether an API is among the audiences of a token [ITR-4]."""
    granted = granted_scopes(token, application)
    audience = audience_of(granted, instance.issuer, application.audience_names)
    return api in audience if isinstance(audience, tuple) else api == audience


def claims_of(
    token: ReferenceToken,
    application: TrustedApplication,
    user: User | None,
    instance: Instance,
) -> UserClaims | ServiceClaims | None:
    """What a live reference token stands for now; None when that is nothing.

    Args:
        user: the one that `acting_user_id` names.
    """
    granted = granted_scopes(token, application)
    if not granted or user is None:
        return None
    issued, expires = int(token.created_at), int(token.expires_at)
    if token.user_id is not None and token.sid is not None:
        grant = UserGrant(
            application=application,
            user=user,
            scopes=granted,
            jti=token.jti,
            issued_at=issued,
            sid=token.sid,
            auth_time=issued,
            amr=("pwd",),
            idp="local",
            tid=None,
        )
        return msgspec.structs.replace(user_claims(grant, instance), exp=expires)
    service = ServiceGrant(
        application=application,
        system_user=user,
        scopes=granted,
        jti=token.jti,
        issued_at=issued,
    )
    return msgspec.structs.replace(service_claims(service, instance), exp=expires)
