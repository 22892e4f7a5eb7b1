"""The checks on every token, as data: one tuple, run in order (specification §10.1).

`Verifier.verify` stops at the first that fails; `Verifier.explain` runs the same functions to
the end. A check raises a refusal, or `NotChecked` when it has nothing to compare with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeGuard

import msgspec

from mintgate.contract.errors import Forbidden, InsufficientScope, InvalidToken, ResourceRefusal
from mintgate.contract.policy import missing_scope
from mintgate.contract.reference_tokens import UNKNOWN
from mintgate.contract.users import MAY_BE_SYSTEM_USER, MAY_CALL_APIS_AS_USER, UserType
from mintgate.jose import CompactToken, PublicKey
from mintgate.jose.encoding import DuplicateMember, require_unique
from mintgate.verify.state import TokenState

ACCESS_TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
# Members by which a token could bring its own key or change how it is read (RFC 7515 §4.1).
REFUSED_HEADER_MEMBERS = frozenset({"crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc"})
REFERENCE_TOKEN_PREFIX = "enrt_"  # noqa: S105 - the published prefix [REF-1]

_COMMON_CLAIMS = ("client_id", "jti")
_USER_CLAIMS = ("sub", "sub_id", "sid", "user_type", "db", *_COMMON_CLAIMS)
_SERVICE_CLAIMS = ("client_system_user", "client_system_user_type", "client_db", *_COMMON_CLAIMS)
# Also where another key of the issuer has that algorithm: callers are told the same everywhere.
_OTHER_ALGORITHM = "The token's algorithm is not accepted."


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What a token is held against; leeways in seconds, at most 60 [API-9]."""

    issuer: str
    audience: str
    scopes: frozenset[str] = frozenset()
    algorithms: tuple[str, ...] = ("RS256",)
    database: str | None = None
    user_types: frozenset[UserType] = MAY_CALL_APIS_AS_USER
    expiry_leeway: float = 0.0
    start_leeway: float = 5.0


_FIRST_TIME, _END_OF_TIME = -(2**63), 2**63
_NOTHING_EXPECTED = Expected(issuer="", audience="")


class Examined(msgspec.Struct, kw_only=True):
    """A token taken apart, with what was found for it; checks only read it."""

    token: CompactToken | None
    problem: str | None
    key: PublicKey | None
    now: float
    is_reference: bool = False
    reference: dict[str, Any] | None = None
    """What a reference token stands for; None when that is nothing [API-3]."""
    reference_refusal: ResourceRefusal | None = None
    """Why it stands for nothing, where whoever was asked has told."""
    state: TokenState | None = None

    @property
    def claims(self) -> dict[str, Any]:
        if self.token is not None:
            return self.token.claims
        return self.reference or {}

    @property
    def is_readable(self) -> bool:
        return self.token is not None or self.reference is not None


class NotChecked(Exception):
    """The check has nothing to compare with."""


class CheckOutcome(msgspec.Struct, frozen=True):
    """One line of an explanation.

    Args:
        id: the rule of the specification.
        detail: why it failed, or was not checked.
        seen, expected: what was compared, where that can be said.
        mend: what to do when it failed.
    """

    id: str
    name: str
    outcome: Literal["passed", "failed", "not checked"]
    detail: str = ""
    seen: str = ""
    expected: str = ""
    mend: str = ""


class Check(NamedTuple):
    id: str
    name: str
    run: Callable[[Examined, Expected], None]


def check_reference(examined: Examined, _: Expected) -> None:
    if not examined.is_reference:
        raise NotChecked("not a reference token")
    if examined.reference_refusal is not None:
        raise examined.reference_refusal
    if examined.reference is None:
        raise InvalidToken(
            UNKNOWN,
            cause="no live reference token has this value",
        )


def check_format(examined: Examined, _: Expected) -> None:
    if examined.is_reference:
        raise NotChecked("a reference token")
    if examined.token is None:
        raise InvalidToken("The token is malformed.", cause=f"malformed: {examined.problem}")


def check_algorithm(examined: Examined, expected: Expected) -> None:
    header = _token(examined).header
    # RFC 8725 §3.1: the verifier decides the algorithm, never the token.
    if header.get("alg") not in expected.algorithms:
        accepted = " or ".join(expected.algorithms)
        raise InvalidToken(_OTHER_ALGORITHM, cause=f"alg is not {accepted}")
    typ = header.get("typ")
    if not isinstance(typ, str) or typ.lower() not in ACCESS_TOKEN_TYPES:
        raise InvalidToken("The token is not an access token.", cause="typ is not at+jwt")
    if not REFUSED_HEADER_MEMBERS.isdisjoint(header):
        named = ", ".join(sorted(REFUSED_HEADER_MEMBERS.intersection(header)))
        raise InvalidToken("The token's header is not accepted.", cause=f"header has {named}")


def check_key(examined: Examined, _: Expected) -> None:
    if not isinstance(_token(examined).header.get("kid"), str):
        raise InvalidToken("The token names no signing key.", cause="kid is missing")
    if examined.key is None:
        raise InvalidToken(
            "The token's signing key is unknown.", cause="kid is not in the issuer's key set"
        )


def check_signature(examined: Examined, _: Expected) -> None:
    token, key = _token(examined), examined.key
    if key is None:
        raise NotChecked("no key")
    if not key.has_signed(token):
        if token.header.get("alg") != key.algorithm:  # RFC 8725 §3.1: one key, one alg
            cause = f"the key is for {key.algorithm}"
            raise InvalidToken(_OTHER_ALGORITHM, cause=cause)
        raise InvalidToken("The token's signature is not valid.", cause="signature does not match")
    try:
        require_unique(token.payload_json, token.claims)
    except (DuplicateMember, RecursionError):
        raise InvalidToken(
            "The token is malformed.", cause="a claim is named twice, or nested too deep"
        ) from None


def check_issuer(examined: Examined, expected: Expected) -> None:
    # [TOK-20] byte-exact, no slash normalising.
    if examined.claims.get("iss") != expected.issuer:
        raise InvalidToken(
            "The token is from another issuer.", cause=f"iss is not {expected.issuer}"
        )


def check_time(examined: Examined, expected: Expected) -> None:
    claims = examined.claims
    expires, starts, issued = claims.get("exp"), claims.get("nbf"), claims.get("iat")
    if not (_is_time(expires) and _is_time(starts) and _is_time(issued)):
        raise InvalidToken("The token's times are malformed.", cause="exp, nbf or iat is no int")
    now = examined.now
    if now >= expires + expected.expiry_leeway:
        raise InvalidToken("The token has expired.", cause=f"exp {expires}, now {int(now)}")
    if now < starts - expected.start_leeway or now < issued - expected.start_leeway:
        raise InvalidToken("The token is not valid yet.", cause=f"nbf {starts}, now {int(now)}")


def check_audience(examined: Examined, expected: Expected) -> None:
    audience = examined.claims.get("aud")
    # [TOK-53] One string, or an array of strings and nothing else.
    if isinstance(audience, list) and _are_texts(audience):
        is_meant = expected.audience in audience
    else:
        is_meant = audience == expected.audience
    if not is_meant:
        raise InvalidToken(
            "The token is not for this API.", cause=f"aud does not have {expected.audience}"
        )


def check_claims(examined: Examined, _: Expected) -> None:
    claims = examined.claims
    is_service = "client_system_user" in claims
    if is_service and "sub" in claims:
        raise InvalidToken(
            "The token is both a user's and a service's.", cause="sub with client_system_user"
        )
    for name in _SERVICE_CLAIMS if is_service else _USER_CLAIMS:
        value = claims.get(name)
        if not value or not isinstance(value, str):
            raise InvalidToken(
                "The token lacks a required claim.", cause=f"{name} is missing or no text"
            )
    scope = claims.get("scope")
    if not isinstance(scope, list) or not _are_texts(scope):
        raise InvalidToken(
            "The token lacks a required claim.", cause="scope is not an array of texts"
        )


def has_required_claims(examined: Examined) -> bool:
    """Whether the claims are complete enough to look up their state."""
    try:
        check_claims(examined, _NOTHING_EXPECTED)
    except InvalidToken:
        return False
    return True


def check_database(examined: Examined, expected: Expected) -> None:
    if expected.database is None:
        raise NotChecked("no database was given")
    claims = examined.claims
    if claims.get("client_db", claims.get("db")) != expected.database or (
        "db" in claims and "client_db" in claims
    ):
        raise InvalidToken(
            "The token is for another database.", cause=f"db is not {expected.database!r}"
        )


def check_application(examined: Examined, _: Expected) -> None:
    if examined.state is None:
        raise NotChecked("no state source was given")
    if examined.state.revoked:
        raise InvalidToken("The token was revoked.", cause="jti is revoked")
    if not examined.state.application_enabled:
        cause = "missing" if examined.state.application_enabled is None else "disabled"
        raise InvalidToken(
            "The token's application is not enabled.", cause=f"the application is {cause}"
        )


def check_user(examined: Examined, expected: Expected) -> None:
    if examined.state is None:
        raise NotChecked("no state source was given")
    user = examined.state.user
    if user is None or not user.active or user.locked:
        cause = "missing" if user is None else "locked" if user.locked else "inactive"
        raise InvalidToken("The token's user is not active.", cause=f"the user is {cause}")
    is_service = "client_system_user" in examined.claims
    allowed = MAY_BE_SYSTEM_USER if is_service else expected.user_types
    if user.user_type not in allowed:
        raise Forbidden("Users of this type cannot call APIs.", cause=f"user type {user.user_type}")


def check_scopes(examined: Examined, expected: Expected) -> None:
    if not expected.scopes:
        return
    missing = missing_scope(expected.scopes, frozenset(examined.claims["scope"]))
    if missing:
        raise InsufficientScope(needed=missing, cause=f"scope {missing} is missing")


TOKEN_CHECKS = (
    Check("API-3", "reference token known and live", check_reference),
    Check("API-4", "three parts, base64url and JSON", check_format),
    Check("API-5", "algorithm accepted, type at+jwt", check_algorithm),
    Check("API-6", "signing key known", check_key),
    Check("API-7", "signature", check_signature),
    Check("API-8", "issuer", check_issuer),
    Check("API-9", "valid now", check_time),
    Check("API-10", "audience", check_audience),
    Check("API-11", "required claims", check_claims),
    Check("API-12", "database", check_database),
)
REFERENCE_RUNS = tuple(check.run for check in TOKEN_CHECKS)
JWT_RUNS = REFERENCE_RUNS[1:]
"""What those of them do that say anything of a token that is no reference."""
STATE_CHECKS = (
    Check("API-13", "not revoked, application enabled", check_application),
    Check("API-14", "user active and of an allowed type", check_user),
)
SCOPE_CHECK = Check("API-15", "scopes cover the operation", check_scopes)
ALL_CHECKS = (*TOKEN_CHECKS, *STATE_CHECKS, SCOPE_CHECK)


def _is_time(value: Any) -> TypeGuard[int]:
    # [TOK-11] A bool is no number here, and a number beyond 64 bits is no time.
    return type(value) is int and _FIRST_TIME <= value < _END_OF_TIME


def _are_texts(values: list[Any]) -> bool:
    for value in values:  # noqa: SIM110 - a generator would cost more than all the rest of a check
        if not isinstance(value, str):
            return False
    return True


def _token(examined: Examined) -> CompactToken:
    if examined.token is None:
        raise NotChecked("a reference token" if examined.is_reference else "it cannot be read")
    return examined.token
