"""Parameters of OpenID Connect that say how the person should sign in (Core §3.1.2.1)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from mintgate.contract import scopes
from mintgate.contract.acr import WantedAcr
from mintgate.contract.claims_request import RequestedClaims, parse_claims_request
from mintgate.contract.errors import InvalidRequest, UnmetAuthenticationRequirements

_PROMPTS = frozenset({"none", "login", "select_account", "consent"})
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_PROVIDER_PREFIX = "idp:"
_MAX_AGE_DIGITS = 10
_MAX_LANGUAGES = 10


def prompts_of(parameters: Mapping[str, str]) -> frozenset[str]:
    """Raises InvalidRequest [AUT-9, AUT-31]."""
    prompts = frozenset(parameters.get("prompt", "").split())
    if not prompts <= _PROMPTS:
        raise InvalidRequest("The prompt must be none, login, select_account or consent.")
    if "none" in prompts and len(prompts) > 1:
        raise InvalidRequest("The prompt none goes with no other value.")  # [AUT-31]
    return prompts


def max_age_of(parameters: Mapping[str, str]) -> int | None:
    """Seconds [AUT-10]; raises InvalidRequest."""
    text = parameters.get("max_age")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_AGE_DIGITS):
        raise InvalidRequest("The max_age must be a number of seconds.")
    return int(text)


def claims_of(
    parameters: Mapping[str, str], granted: tuple[str, ...], reachable: Collection[str]
) -> RequestedClaims:
    """What `claims` and `acr_values` ask for together [EXT-15].

    Args:
        reachable: the classes of sign-in that there are here.

    Raises:
        InvalidRequest: `claims` is malformed.
        UnmetAuthenticationRequirements: an essential `acr` that nobody can reach here.
    """
    claims = RequestedClaims()
    if "claims" in parameters:
        claims = parse_claims_request(parameters["claims"])
    if scopes.OPENID not in granted:
        return RequestedClaims()  # no ID token, no userinfo: nobody to tell
    values = parameters.get("acr_values", "").split()
    wanted = tuple(value for value in values if not value.startswith(_PROVIDER_PREFIX))
    if wanted and (claims.acr is None or not claims.acr.values):
        # §5.5.1.1: the same wish, but never essential.
        claims = msgspec.structs.replace(claims, acr=WantedAcr(wanted))
    if claims.acr is not None and not claims.acr.is_reachable(reachable):
        raise UnmetAuthenticationRequirements
    return claims


def provider_of(parameters: Mapping[str, str]) -> str | None:
    """The provider that `acr_values=idp:<name>` prefers [AUT-11]."""
    for value in parameters.get("acr_values", "").split():
        if value.startswith(_PROVIDER_PREFIX):
            return value.removeprefix(_PROVIDER_PREFIX)
    return None


def languages_of(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """`ui_locales`, best first; what is no language tag is no error."""
    tags = parameters.get("ui_locales", "").split()
    return tuple(tag for tag in tags if _LANGUAGE.fullmatch(tag))[:_MAX_LANGUAGES]
