"""Parameters that say how the person should sign in [AUT-9..11, EXT-15]."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.acr import WantedAcr
from mintgate.contract.errors import UnmetAuthenticationRequirements
from mintgate.identity.expected_user import ExpectedUser
from mintgate.identity.sign_in_parameters import claims_of, languages_of, provider_of

HERE = ("pwd",)
OPENID = ("openid",)


@pytest.mark.parametrize(
    ("text", "wanted", "provider"),
    [
        ("pwd", ("pwd",), None),
        ("mfa  pwd", ("mfa", "pwd"), None),
        ("idp:google", None, "google"),
        ("pwd idp:a idp:b mfa", ("pwd", "mfa"), "a"),
        ("idp:", None, ""),
        ("", None, None),
    ],
)
def test_acr_values(text: str, wanted: tuple[str, ...] | None, provider: str | None) -> None:
    """[AUT-11]"""
    parameters = {"acr_values": text} if text else {}
    found = claims_of(parameters, OPENID, HERE).acr
    assert found == (WantedAcr(wanted) if wanted else None)
    assert provider_of(parameters) == provider


@pytest.mark.parametrize(
    ("claims", "acr_values", "acr"),
    [
        ('{"id_token":{"acr":null}}', "pwd", WantedAcr(("pwd",))),
        ('{"id_token":{"acr":{"value":"mfa"}}}', "pwd", WantedAcr(("mfa",))),
        # §5.5.1.1: what acr_values asks for is never essential.
        ('{"id_token":{"acr":{"essential":true}}}', "gold", WantedAcr(("gold",))),
        (
            '{"id_token":{"acr":{"essential":true,"value":"pwd"}}}',
            "gold",
            WantedAcr(("pwd",), is_essential=True),
        ),
    ],
)
def test_acr_values_beside_claims(claims: str, acr_values: str, acr: WantedAcr) -> None:
    assert claims_of({"claims": claims, "acr_values": acr_values}, OPENID, HERE).acr == acr


def test_an_essential_class_that_nobody_reaches() -> None:
    claims = '{"id_token":{"acr":{"essential":true,"value":"mfa"}}}'
    with pytest.raises(UnmetAuthenticationRequirements):
        claims_of({"claims": claims}, OPENID, HERE)


@given(st.text())
def test_languages(text: str) -> None:
    """OpenID Connect Core §3.1.2.1: never an error, and nothing but language tags comes out"""
    found = languages_of({"ui_locales": text})
    assert len(found) <= 10
    assert all(re.fullmatch(r"[A-Za-z0-9-]+", tag) and tag in text for tag in found)


def test_languages_in_order() -> None:
    assert languages_of({"ui_locales": "bg-BG  en <b> zh-Hans-CN"}) == ("bg-BG", "en", "zh-Hans-CN")


@pytest.mark.parametrize(
    ("expected", "answered"),
    [
        (ExpectedUser(), True),
        (ExpectedUser("mira.k", "S"), True),
        (ExpectedUser("mira.old", "S"), True),  # renamed within the same session
        (ExpectedUser("mira.k", "other"), True),  # signed in anew
        (ExpectedUser("ada", "other"), False),
        (ExpectedUser("MIRA.K", "other"), False),
        (ExpectedUser(subjects=frozenset({"mira.k", "ada"})), True),
        (ExpectedUser(subjects=frozenset({"ada"})), False),
        (ExpectedUser(subjects=frozenset()), False),
        (ExpectedUser("mira.k", "S", frozenset({"ada"})), False),
    ],
)
def test_expected_user(expected: ExpectedUser, answered: bool) -> None:
    assert expected.is_answered_by("mira.k", "S") is answered
