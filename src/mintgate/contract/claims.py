"""The claim sets, by flow, as structs that cannot be built wrong (specification §2).

The field order is the member order of the token. A service token has no `sub` and a user token
no `client_db`, because the structs have no such field.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from msgspec import UNSET, UnsetType

from mintgate.contract import scopes as scope_rules
from mintgate.contract.identifiers import HEX_128
from mintgate.contract.instance import API_AUDIENCES
from mintgate.contract.users import User

CLOCK_CLAIMS = ("nbf", "exp", "iat")
PROFILE_CLAIMS = (
    "sub_id",
    "name",
    "preferred_username",
    "email",
    "email_verified",
    "locale",
    "user_type",
)
"""What userinfo tells with `profile` [UIN-5], and what can be asked for one by one [EXT-15]."""


class BadClaims(ValueError):
    """A claim set that the contract does not allow; a programming error at the issuer."""


def audience_of(
    scopes: Collection[str], issuer: str, further_apis: tuple[str, ...] = ()
) -> tuple[str, ...] | str:
    """The `aud` of an access token [TOK-50, TOK-51, TOK-52].

    Args:
        further_apis: operator-defined APIs that the application may call [EXT-12].
    """
    if scope_rules.has_api_scope(scopes):
        return (*API_AUDIENCES, *further_apis, f"{issuer}/resources")
    return f"{issuer}/resources"


def _require_values(claims: msgspec.Struct) -> None:
    """[TOK-10] A claim without a value is left out, never null and never empty."""
    for name, value in zip(claims.__struct_fields__, msgspec.structs.astuple(claims), strict=True):
        if value is None or value == "" or value == ():
            raise BadClaims(f"{name} has no value; leave it out [TOK-10]")


def _require_identifier(name: str, value: str) -> None:
    if not HEX_128.fullmatch(value):
        raise BadClaims(f"{name} must be 32 upper-case hex digits [TOK-25, TOK-29]")


def _require_access_rules(claims: ServiceClaims | UserClaims) -> None:
    """What both kinds of access token must keep."""
    _require_values(claims)
    if claims.nbf != claims.iat or claims.exp <= claims.iat:
        raise BadClaims("nbf must equal iat and exp must be later [TOK-11]")
    _require_identifier("jti", claims.jti)
    granted, audience = claims.scope, claims.aud
    if not scope_rules.KNOWN_SCOPES.issuperset(granted):
        raise BadClaims("scope has an unknown name [SCP-9]")
    if granted != scope_rules.token_order(granted):
        raise BadClaims("scope must be in token order, each name once [SCP-9, SCP-20]")
    further = audience[len(API_AUDIENCES) : -1] if isinstance(audience, tuple) else ()
    if audience != audience_of(granted, claims.iss, further):
        raise BadClaims("aud must follow from scope and issuer [TOK-50, TOK-51, TOK-52]")


class ServiceClaims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The access token of client credentials, in the order of [TOK-7]."""

    nbf: int
    exp: int
    iss: str
    aud: tuple[str, ...]
    client_id: str
    client_system_user: str
    client_system_user_type: str
    client_system_user_id: str | UnsetType = UNSET
    client_db: str
    jti: str
    iat: int
    scope: tuple[str, ...]

    def __post_init__(self) -> None:
        _require_access_rules(self)


class UserClaims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The access token of a signed-in person, in the order of [TOK-8]."""

    nbf: int
    exp: int
    iss: str
    aud: tuple[str, ...] | str
    client_id: str
    sub: str
    idp: str | UnsetType = UNSET
    tid: str | UnsetType = UNSET
    sub_id: str
    name: str
    email: str | UnsetType = UNSET
    user_type: str
    is_admin: bool
    email_verified: bool | UnsetType = UNSET
    db: str
    locale: str
    jti: str
    sid: str
    iat: int
    scope: tuple[str, ...]

    def __post_init__(self) -> None:
        _require_access_rules(self)
        _require_identifier("sid", self.sid)
        if (self.email is UNSET) != (self.email_verified is UNSET):
            raise BadClaims("email_verified is present exactly when email is [TOK-34]")
        if self.idp == "local":
            raise BadClaims("idp is never 'local' in an access token [TOK-44]")
        if self.tid is not UNSET and self.idp is UNSET:
            raise BadClaims("tid comes only with idp [TOK-45]")


class IdTokenClaims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The ID token, in the order of [IDT-4].

    After `amr` comes what was asked for one by one [EXT-15]; nothing else [IDT-14].
    """

    nbf: int
    exp: int
    iss: str
    aud: str
    nonce: str | UnsetType = UNSET
    iat: int
    c_hash: str | UnsetType = UNSET
    at_hash: str | UnsetType = UNSET
    s_hash: str | UnsetType = UNSET
    sid: str
    sub: str
    auth_time: int
    idp: str
    amr: tuple[str, ...]
    acr: str | UnsetType = UNSET
    sub_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    preferred_username: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    email_verified: bool | UnsetType = UNSET
    locale: str | UnsetType = UNSET
    user_type: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        _require_values(self)
        if self.nbf != self.iat or self.exp <= self.iat or self.auth_time > self.iat:
            raise BadClaims("nbf equals iat, exp is later, auth_time is not later [TOK-11, IDT-10]")
        _require_identifier("sid", self.sid)


def profile_claims(user: User, names: Collection[str]) -> dict[str, str | bool]:
    """Those of `names` that have a value for this user [TOK-10], in the order of [UIN-5]."""
    known: dict[str, str | bool] = {
        "sub_id": user.id,
        "name": user.display_name(),
        "preferred_username": user.login,
        "locale": user.locale,
        "user_type": user.user_type.value,
    }
    if user.email:
        known |= {"email": user.email, "email_verified": user.email_confirmed}
    return {name: known[name] for name in PROFILE_CLAIMS if name in names and name in known}


LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class LogoutClaims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The logout token (OpenID Connect Back-Channel Logout §2.4); never a `nonce` [EXT-3].

    `sub` is absent when nobody knows the user any more; the `sid` names the session anyway.
    """

    iss: str
    sub: str | UnsetType = UNSET
    aud: str
    iat: int
    exp: int
    jti: str
    events: dict[str, dict[str, str]]
    sid: str

    def __post_init__(self) -> None:
        _require_values(self)
        if self.exp <= self.iat or self.events != {LOGOUT_EVENT: {}}:
            raise BadClaims("exp is later than iat, and the event is the logout")
        _require_identifier("jti", self.jti)
        _require_identifier("sid", self.sid)


_encoder = msgspec.json.Encoder()


def encode(claims: ServiceClaims | UserClaims | IdTokenClaims | LogoutClaims) -> bytes:
    """The JSON of a claim set, members in the contract's order."""
    return _encoder.encode(claims)
