"""The mint: the single place where a decided grant becomes tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from mintgate.contract import lifetimes
from mintgate.contract.claims import (
    LOGOUT_EVENT,
    IdTokenClaims,
    LogoutClaims,
    ServiceClaims,
    UserClaims,
    audience_of,
    encode,
    profile_claims,
)
from mintgate.contract.identifiers import new_hex128
from mintgate.contract.instance import Instance
from mintgate.contract.scopes import OPENID, token_order
from mintgate.identity.grants import FrontChannelGrant, ServiceGrant, UserGrant
from mintgate.identity.service_payloads import ServicePayloads
from mintgate.identity.tallies import MINTED
from mintgate.jose import SigningKey
from mintgate.jose.encoding import base64url_encode
from mintgate.jose.keys import (
    ACCESS_TOKEN_TYPE,
    ID_TOKEN_TYPE,
    INTROSPECTION_TYPE,
    LOGOUT_TOKEN_TYPE,
)


class IssuedTokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The token response (RFC 6749 §5.1) [TKN-20]."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    id_token: str | None = None
    refresh_token: str | None = None


def half_hash(text: str, algorithm: str = "RS256") -> str:
    """`at_hash`, `c_hash`, `s_hash`: base64url of the left half of the hash [IDT-7..9].

    Args:
        algorithm: that signs the ID token; its hash is used, which for Ed25519 is SHA-512
            (RFC 8032 §5.1), else SHA-256.
    """
    hashed = (hashlib.sha512 if algorithm == "EdDSA" else hashlib.sha256)(text.encode()).digest()
    return base64url_encode(hashed[: len(hashed) // 2]).decode()


def service_claims(grant: ServiceGrant, instance: Instance) -> ServiceClaims:
    """The claims of a service token, column CC of the claim table [TOK-20..45]."""
    user = grant.system_user
    return ServiceClaims(
        nbf=grant.issued_at,
        exp=grant.issued_at + instance.access_token_lifetime,
        iss=instance.issuer,
        aud=_array(audience_of(grant.scopes, instance.issuer, grant.application.audience_names)),
        client_id=grant.application.application_uri,
        client_system_user=user.login,
        client_system_user_type=user.user_type.value,
        client_system_user_id=user.id,
        client_db=instance.database,
        jti=grant.jti,
        iat=grant.issued_at,
        scope=token_order(grant.scopes),
    )


_service_payloads = ServicePayloads(service_claims)


def user_claims(grant: UserGrant, instance: Instance) -> UserClaims:
    """The claims of a person's token, column AC of the claim table [TOK-20..45]."""
    user = grant.user
    external = grant.idp != "local"  # [TOK-44]
    return UserClaims(
        nbf=grant.issued_at,
        exp=grant.issued_at + instance.access_token_lifetime,
        iss=instance.issuer,
        aud=audience_of(grant.scopes, instance.issuer, grant.application.audience_names),
        client_id=grant.application.application_uri,
        sub=user.login,
        idp=grant.idp if external else UNSET,
        tid=grant.tid if external and grant.tid else UNSET,
        sub_id=user.id,
        name=user.display_name(),
        email=user.email or UNSET,
        user_type=user.user_type.value,
        is_admin=user.is_admin,
        email_verified=user.email_confirmed if user.email else UNSET,
        db=instance.database,
        locale=user.locale,
        jti=grant.jti,
        sid=grant.sid,
        iat=grant.issued_at,
        scope=token_order(grant.scopes),
    )


def id_token_claims(
    grant: UserGrant, instance: Instance, access_token: str, algorithm: str = "RS256"
) -> IdTokenClaims:
    """The claims of the ID token that travels with `access_token` [IDT-2..14]."""
    claims = _about_sign_in(grant, instance, at_hash=half_hash(access_token, algorithm))
    if not grant.id_token_claims:
        return claims
    return msgspec.structs.replace(claims, **profile_claims(grant.user, grant.id_token_claims))


def front_channel_claims(
    grant: FrontChannelGrant, instance: Instance, algorithm: str = "RS256"
) -> IdTokenClaims:
    """The claims of the ID token that travels with a code [IDT-8, IDT-20].

    Personal claims that were asked for come with the token response only, not by way of the
    browser (OpenID Connect Core §3.3.3.6).
    """
    return _about_sign_in(grant, instance, c_hash=half_hash(grant.code, algorithm))


def _about_sign_in(
    grant: UserGrant | FrontChannelGrant,
    instance: Instance,
    *,
    c_hash: str | UnsetType = UNSET,
    at_hash: str | UnsetType = UNSET,
) -> IdTokenClaims:
    return IdTokenClaims(
        nbf=grant.issued_at,
        exp=grant.issued_at + lifetimes.ID_TOKEN,
        iss=instance.issuer,
        aud=grant.application.application_uri,
        nonce=grant.nonce or UNSET,
        iat=grant.issued_at,
        c_hash=c_hash,
        at_hash=at_hash,
        s_hash=grant.state_hash or UNSET,
        sid=grant.sid,
        sub=grant.user.login,
        auth_time=grant.auth_time,
        idp=grant.idp,
        amr=grant.amr,
        acr=grant.acr or UNSET,
    )


def mint_front_channel(grant: FrontChannelGrant, instance: Instance, key: SigningKey) -> str:
    """Sign the ID token that an authorization response carries itself [AUT-41]."""
    claims = front_channel_claims(grant, instance, key.algorithm)
    MINTED.add("id", "front_channel")
    return key.sign(encode(claims), ID_TOKEN_TYPE)


def mint(grant: ServiceGrant | UserGrant, instance: Instance, key: SigningKey) -> IssuedTokens:
    """Sign what was granted.

    Args:
        key: the instance's active signing key.
    """
    if isinstance(grant, ServiceGrant):
        access_token = key.sign(_service_payloads.payload(grant, instance), ACCESS_TOKEN_TYPE)
        id_token = refresh_token = None
    else:
        access_token = key.sign(encode(user_claims(grant, instance)), ACCESS_TOKEN_TYPE)
        refresh_token = grant.refresh_token
        id_token = None
        if OPENID in grant.scopes:
            claims = id_token_claims(grant, instance, access_token, key.algorithm)
            id_token = key.sign(encode(claims), ID_TOKEN_TYPE)
    return IssuedTokens(
        access_token=access_token,
        token_type="Bearer",  # noqa: S106 - RFC 6750 [TKN-20]
        expires_in=instance.access_token_lifetime,
        scope=" ".join(grant.scopes),
        id_token=id_token,
        refresh_token=refresh_token,
    )


def mint_logout_token(
    client_id: str, sid: str, sub: str | None, issued_at: int, instance: Instance, key: SigningKey
) -> str:
    """A logout token for one application (OpenID Connect Back-Channel Logout §2.4) [EXT-3]."""
    claims = LogoutClaims(
        iss=instance.issuer,
        sub=sub or UNSET,
        aud=client_id,
        iat=issued_at,
        exp=issued_at + lifetimes.LOGOUT_TOKEN,
        jti=new_hex128(),
        events={LOGOUT_EVENT: {}},
        sid=sid,
    )
    MINTED.add("logout", "none")
    return key.sign(encode(claims), LOGOUT_TOKEN_TYPE)


def mint_introspection(
    answer: Mapping[str, Any], api: str, issued_at: int, instance: Instance, key: SigningKey
) -> str:
    """An introspection answer signed for one API (RFC 9701 §5) [EXT-16].

    It is no token itself: without `sub` and `exp`, and of a type that no API takes.
    """
    claims = {
        "iss": instance.issuer,
        "aud": api,
        "iat": issued_at,
        "token_introspection": answer,
    }
    MINTED.add("introspection", "none")
    return key.sign(msgspec.json.encode(claims), INTROSPECTION_TYPE)


def _array(audience: tuple[str, ...] | str) -> tuple[str, ...]:
    return (audience,) if isinstance(audience, str) else audience
