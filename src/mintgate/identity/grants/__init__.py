"""Grants: each file is one grant type, its parameters and its rules. They know nothing of HTTP."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Mapping
from typing import ClassVar, Protocol

import msgspec

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.users import User


class ServiceGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A decided client-credentials grant: who, which scopes, from when. Times in Unix seconds."""

    application: TrustedApplication
    system_user: User
    scopes: tuple[str, ...]
    jti: str
    issued_at: int


class UserGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A decided grant of a signed-in person; `scopes` in the order of the response [TKN-21].

    `nonce` and `state_hash` are for the ID token of the first issue only [IDT-6, IDT-9]; `acr`
    and `id_token_claims` for every one, when they were asked for [EXT-15].
    """

    application: TrustedApplication
    user: User
    scopes: tuple[str, ...]
    jti: str
    issued_at: int
    sid: str
    auth_time: int
    amr: tuple[str, ...]
    idp: str
    tid: str | None
    refresh_token: str | None = None
    nonce: str | None = None
    state_hash: str | None = None
    acr: str | None = None
    id_token_claims: tuple[str, ...] = ()


class FrontChannelGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What the ID token beside a new code says (OpenID Connect Core §3.3.2.11)."""

    application: TrustedApplication
    user: User
    code: str
    issued_at: int
    sid: str
    auth_time: int
    amr: tuple[str, ...]
    idp: str
    nonce: str | None
    state_hash: str | None
    acr: str | None


class Decided(msgspec.Struct, frozen=True):
    """A grant, and the commit that must have happened before its tokens leave.

    `recorded` is None when everything is committed already; else it goes on while the mint signs.
    """

    grant: ServiceGrant | UserGrant
    recorded: Future[None] | None = None


class TokenRequest(msgspec.Struct, frozen=True):
    """What a grant may read: only the parameters that it declares, and the sender's address."""

    parameters: Mapping[str, str]
    address: str | None


class GrantType(Protocol):
    """One file in this room exports one of these."""

    grant_type: ClassVar[str]
    parameters: ClassVar[frozenset[str]]

    async def decide(self, request: TokenRequest, application: TrustedApplication) -> Decided:
        """Apply the grant's rules."""
        ...
