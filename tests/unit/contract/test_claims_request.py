"""The parser of the `claims` parameter, and the classes of `acr` [EXT-15]."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.acr import WantedAcr, acr_of, reachable_at
from mintgate.contract.claims import PROFILE_CLAIMS, profile_claims
from mintgate.contract.claims_request import RequestedClaims, parse_claims_request
from mintgate.contract.errors import InvalidRequest
from mintgate.contract.instance import Instance, SecondFactorRule
from mintgate.contract.users import User, UserType

# The example of OpenID Connect Core §5.5.
EXAMPLE = """
  {
   "userinfo":
    {
     "given_name": {"essential": true},
     "nickname": null,
     "email": {"essential": true},
     "email_verified": {"essential": true},
     "picture": null,
     "http://example.info/claims/groups": null
    },
   "id_token":
    {
     "auth_time": {"essential": true},
     "acr": {"values": ["urn:mace:incommon:iap:silver"] }
    }
  }
"""

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
words = st.text(min_size=1)
# What §5.5.1 allows for one claim.
wishes = st.none() | st.fixed_dictionaries(
    {},
    optional={"essential": st.booleans(), "values": st.lists(words, min_size=1), "extra": anything},
)
sections = st.dictionaries(st.sampled_from((*PROFILE_CLAIMS, "sub", "acr")) | words, wishes)
requests = st.fixed_dictionaries({}, optional={"id_token": sections, "userinfo": sections})


def test_the_example_of_the_standard() -> None:
    assert parse_claims_request(EXAMPLE) == RequestedClaims(
        userinfo=("email", "email_verified"), acr=WantedAcr(("urn:mace:incommon:iap:silver",))
    )


@given(requests)
def test_what_the_standard_allows_is_understood(request: dict[str, Any]) -> None:
    found = parse_claims_request(json.dumps(request))
    for section, names in (("id_token", found.id_token), ("userinfo", found.userinfo)):
        asked = request.get(section, {})
        assert names == tuple(name for name in PROFILE_CLAIMS if name in asked)
    limits = [
        set(wish["values"])
        for section in request.values()
        if (wish := section.get("sub")) is not None and "values" in wish
    ]
    assert found.subjects == (set.intersection(*limits) if limits else None)
    assert (found.acr is not None) == ("acr" in request.get("id_token", {}))


@given(st.text() | anything.map(json.dumps) | st.binary().map(lambda b: b.decode("latin-1")))
def test_anything_else_is_refused_and_never_breaks(text: str) -> None:
    try:
        found = parse_claims_request(text)
    except InvalidRequest:
        return
    assert isinstance(json.loads(text), dict)
    assert set(found.id_token) | set(found.userinfo) <= set(PROFILE_CLAIMS)


@given(sections, st.sampled_from(["id_token", "userinfo"]), st.sampled_from(PROFILE_CLAIMS))
def test_a_member_that_is_there_twice(section: dict[str, Any], name: str, claim: str) -> None:
    """Which of the two would count must not be a matter of the parser."""
    text = json.dumps({name: section | {claim: None}})
    twice = text.replace(f'"{claim}": null', f'"{claim}": null, "{claim}": {{}}')
    with pytest.raises(InvalidRequest):
        parse_claims_request(twice)


@pytest.mark.parametrize(
    ("amr", "acr"),
    [
        pytest.param(("pwd",), "pwd", id="IDT-13-local"),
        pytest.param(("external",), "external", id="IDT-13-federated"),
        pytest.param(("pwd", "otp", "mfa"), "mfa", id="IDT-13-second-factor"),
        pytest.param(("pwd", "hwk", "user", "mfa"), "phr", id="password-and-passkey"),
        pytest.param(("swk", "user", "mfa"), "phr", id="passkey"),
    ],
)
def test_class_of_a_sign_in(amr: tuple[str, ...], acr: str) -> None:
    assert acr_of(amr) == acr
    assert WantedAcr().stated_for(amr) == acr


@pytest.mark.parametrize(
    ("values", "amr", "stated", "met"),
    [
        (("pwd",), ("pwd",), "pwd", True),
        (("mfa", "pwd"), ("pwd",), "pwd", True),
        (("pwd",), ("pwd", "otp", "mfa"), "pwd", True),  # more than was asked for
        (("mfa",), ("pwd",), "pwd", False),
        (("mfa",), ("swk", "user", "mfa"), "mfa", True),
        (("pwd",), ("swk", "user", "mfa"), "pwd", True),
        (("phr",), ("pwd", "otp", "mfa"), "mfa", False),
        (("phr", "mfa"), ("pwd", "otp", "mfa"), "mfa", True),
        (("pwd",), ("external",), "external", False),
        (("gold",), ("pwd",), "pwd", False),
        ((), ("external",), "external", True),
    ],
)
def test_wanted_classes(
    values: tuple[str, ...], amr: tuple[str, ...], stated: str, met: bool
) -> None:
    """§5.5.1.1: only an essential wish can fail"""
    assert WantedAcr(values, is_essential=True).is_met_by(amr) is met
    assert WantedAcr(values).is_met_by(amr)
    assert WantedAcr(values).is_reachable(())
    assert WantedAcr(values).stated_for(amr) == stated


OFF, ALLOWED = SecondFactorRule.OFF, SecondFactorRule.ALLOWED
AT_AN_ADDRESS, AT_A_NAME = "http://127.0.0.1:8080", "https://orion.my.example"


@pytest.mark.parametrize(
    ("base_url", "rules", "reachable"),
    [
        (AT_A_NAME, (OFF, OFF), ("pwd",)),
        (AT_A_NAME, (ALLOWED, OFF), ("pwd", "mfa", "phr")),
        (AT_A_NAME, (OFF, SecondFactorRule.REQUIRED), ("pwd", "mfa", "phr")),
        (AT_AN_ADDRESS, (ALLOWED, ALLOWED), ("pwd", "mfa")),
        ("http://[::1]:8080", (ALLOWED, ALLOWED), ("pwd", "mfa")),
        ("http://localhost:8080", (ALLOWED, ALLOWED), ("pwd", "mfa", "phr")),
    ],
)
def test_what_can_be_reached_here(
    base_url: str, rules: tuple[SecondFactorRule, SecondFactorRule], reachable: tuple[str, ...]
) -> None:
    instance = Instance(
        id="i",
        name="orion",
        database="ORION",
        base_url=base_url,
        second_factor_internal=rules[0],
        second_factor_community=rules[1],
    )
    assert reachable_at(instance) == reachable
    for value in ("pwd", "mfa", "phr", "gold"):
        wanted = WantedAcr((value,), is_essential=True)
        assert wanted.is_reachable(reachable) is (value in reachable)


@given(st.lists(st.sampled_from(PROFILE_CLAIMS)))
def test_profile_claims_keep_their_order_and_have_values(names: list[str]) -> None:
    """[UIN-5, TOK-10]"""
    user = User(id="1", login="ada", name={"en": "Ada"}, user_type=UserType.INTERNAL)
    told = profile_claims(user, names)
    assert list(told) == [
        n for n in PROFILE_CLAIMS if n in names and n not in ("email", "email_verified")
    ]
    assert all(value != "" for value in told.values())
