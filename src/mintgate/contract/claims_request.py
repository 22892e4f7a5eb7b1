"""The `claims` parameter (OpenID Connect Core §5.5), read strictly [EXT-15]."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec

from mintgate.contract.acr import WantedAcr
from mintgate.contract.claims import PROFILE_CLAIMS
from mintgate.contract.errors import InvalidRequest


class RequestedClaims(msgspec.Struct, frozen=True):
    """What a request wants beside what its scopes give; claims that we do not know are gone.

    Args:
        id_token: names of `PROFILE_CLAIMS`, in their order.
        userinfo: likewise.
        subjects: the only logins that will do; None for anybody.
        acr: None when the ID token need not say it.
    """

    id_token: tuple[str, ...] = ()
    userinfo: tuple[str, ...] = ()
    subjects: frozenset[str] | None = None
    acr: WantedAcr | None = None


def parse_claims_request(text: str) -> RequestedClaims:
    """Read the parameter.

    Raises:
        InvalidRequest: it is not the JSON that §5.5 describes, or names a member twice.
    """
    try:
        members = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidRequest("The claims parameter is not a JSON object.") from None
    if not isinstance(members, dict):
        raise InvalidRequest("The claims parameter is not a JSON object.")
    # §5.5: members that are not understood are ignored.
    id_token, userinfo = _section(members, "id_token"), _section(members, "userinfo")
    return RequestedClaims(
        id_token=tuple(name for name in PROFILE_CLAIMS if name in id_token),
        userinfo=tuple(name for name in PROFILE_CLAIMS if name in userinfo),
        subjects=_subjects(id_token.get("sub"), userinfo.get("sub")),
        acr=_acr(id_token["acr"]) if "acr" in id_token else None,
    )


class _Wish(msgspec.Struct, frozen=True):
    """One claim of a section (§5.5.1); `values` is empty when any value will do."""

    is_essential: bool = False
    values: tuple[Any, ...] = ()


def _section(members: dict[str, Any], name: str) -> dict[str, _Wish]:
    section = members.get(name, {})
    if not isinstance(section, dict):
        raise InvalidRequest(f"The member {name} of the claims parameter is not an object.")
    return {claim: _wish(wish) for claim, wish in section.items()}


def _wish(wish: object) -> _Wish:
    if wish is None:
        return _Wish()
    if not isinstance(wish, dict):
        raise InvalidRequest("A claim in the claims parameter must be null or an object.")
    essential = wish.get("essential", False)
    if not isinstance(essential, bool):
        raise InvalidRequest("The member essential in the claims parameter must be a boolean.")
    if "values" not in wish:
        return _Wish(essential, (wish["value"],) if "value" in wish else ())
    values = wish["values"]
    if not isinstance(values, list) or not values or "value" in wish:
        raise InvalidRequest(
            "The member values in the claims parameter must be a list that is not empty, "
            "without a member value beside it."
        )
    return _Wish(essential, tuple(values))


def _subjects(*wishes: _Wish | None) -> frozenset[str] | None:
    """Logins that satisfy the wishes of both sections."""
    found: frozenset[str] | None = None
    for wish in wishes:
        if wish is not None and wish.values:
            texts = frozenset(_texts(wish, "sub"))
            found = texts if found is None else found & texts
    return found


def _acr(wish: _Wish) -> WantedAcr:
    return WantedAcr(_texts(wish, "acr"), wish.is_essential)


def _texts(wish: _Wish, claim: str) -> tuple[str, ...]:
    if not all(isinstance(value, str) and value for value in wish.values):
        raise InvalidRequest(f"The values of {claim} in the claims parameter must be texts.")
    return wish.values


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
