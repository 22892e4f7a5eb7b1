"""Names, limits and policies of the APIs of an instance [EXT-12]."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.declared_apis import (
    Limits,
    problem_of_basic_client,
    problem_of_name,
    problems_of_limits,
    settings_of,
)
from mintgate.contract.instance import API_AUDIENCES
from mintgate.contract.policy import BUILT_IN, Policy

GOOD = (*API_AUDIENCES, "Shop", "x", "a" * 64, "shop.example.org/api", "{}[]~!#", "resources")
BAD = {
    "empty": "",
    "too long": "a" * 65,
    "TOP-5": "domainapi",
    "space": "Shop Stock",
    "tab": "Shop\t",
    "line break": "Shop\n",
    "DEL": "Shop\x7f",
    "quote": 'Shop"',
    "single quote": "Shop'",
    "backslash": "Shop\\",
    "ITR-1 colon": "https://shop.example.org",
    "not ASCII": "Shöp",
    "wide": "\uff33hop",
    "TOK-50": "shop.example.org/id/resources",
    "TOK-50 any case": "shop/Resources",
}


@pytest.mark.parametrize("name", GOOD)
def test_a_name_that_may_be(name: str) -> None:
    assert problem_of_name(name) is None


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_a_name_that_may_not_be(name: str) -> None:
    assert problem_of_name(name)


@given(st.text(max_size=70))
def test_a_name_that_may_be_stands_anywhere(name: str) -> None:
    """In a list, in quotes, as the user name of HTTP Basic."""
    if problem_of_name(name) is None:
        assert name.split() == [name]
        assert not set(name) & set("\"'\\:")
        assert set(name) <= set(string.printable)
        assert len(name.encode()) <= 64


@pytest.mark.parametrize(
    ("name", "declared", "in_force"),
    [
        pytest.param("DomainAPI", Limits(), Limits(per_session=600), id="API-50"),
        pytest.param("DomainAPI", Limits(per_session=9), Limits(per_session=9), id="API-50-less"),
        pytest.param("DomainAPI", Limits(per_session=0), Limits(), id="API-50-off"),
        pytest.param(
            "DomainAPI",
            Limits(per_client=5),
            Limits(per_session=600, per_client=5),
            id="API-54-besides",
        ),
        pytest.param("TableAPI", Limits(), Limits(), id="API-54-off"),
        pytest.param("Shop", Limits(per_user=7), Limits(per_user=7), id="API-54"),
    ],
)
def test_limits_in_force(name: str, declared: Limits, in_force: Limits) -> None:
    assert settings_of(name, limits=declared).limits_in_force == in_force


@pytest.mark.parametrize("value", [-1, 1_000_001])
def test_a_limit_has_bounds(value: int) -> None:
    assert [key for key, _ in problems_of_limits(Limits(per_user=value))] == ["per_user"]
    assert problems_of_limits(Limits(per_user=0, per_client=1_000_000)) == []


@pytest.mark.parametrize("name", API_AUDIENCES)
def test_the_policy_of_a_built_in_api_is_its_own(name: str) -> None:
    """[API-30..37]"""
    settings = settings_of(name, Policy(read_methods=("POST",), update_methods=()))
    assert settings.policy is BUILT_IN[name]
    assert settings.is_built_in


def test_what_nobody_says_of_an_api() -> None:
    """[LEG-8] Basic is off; reading needs `read`, the rest `update`."""
    settings = settings_of("Shop")
    assert (settings.policy, settings.allows_basic) == (Policy(), False)
    assert settings_of("TableAPI", basic_client="a").allows_basic


@pytest.mark.parametrize(
    ("name", "takes"),
    [("DomainAPI", True), ("TableAPI", True), ("OLAP", False), ("AppServer", False), ("S", False)],
)
def test_where_basic_may_be_taken(name: str, takes: bool) -> None:
    """[LEG-15]"""
    assert (problem_of_basic_client(name) is None) is takes
