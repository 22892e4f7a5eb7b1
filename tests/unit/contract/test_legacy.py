"""The rules of the legacy schemes (specification §12)."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.errors import BadPassword, NoCredential
from mintgate.contract.legacy import (
    MAX_LOGIN,
    basic_pair,
    is_acceptable,
    problem_of_application,
    problem_of_user,
)
from mintgate.contract.users import MAX_PASSWORD_BYTES, User, UserType
from mintgate.verify.legacy import LegacyScheme, legacy_credential_of, named_application

NOW = 1_790_000_000.0
APPLICATION = TrustedApplication(
    id="a", name={"en": "A"}, application_uri="a", basic_authentication_allowed=True
)
USER = User(
    id="u",
    login="u",
    name={"en": "U"},
    user_type=UserType.INTERNAL,
    basic_authentication_allowed=True,
)


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@given(st.text(), st.text())
def test_a_pair_comes_back_as_it_was(login: str, password: str) -> None:
    """RFC 7617 §2: the user name ends at the first colon, the password may have others."""
    if not is_acceptable(login, password):
        return
    found = basic_pair(encoded(f"{login}:{password}"))
    first, _, rest = f"{login}:{password}".partition(":")
    assert found == (None if not first.strip() else (first.strip(), rest))


@given(st.text() | st.binary().map(lambda raw: b64encode(raw).decode()))
def test_nothing_else_is_a_pair(text: str) -> None:
    found = basic_pair(text)
    assert found is None or is_acceptable(*found)


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("", "x"),
        ("  ", "x"),
        ("u", ""),
        ("u\0", "x"),
        ("u", "x\0"),
        ("u", "\ud800"),
        ("\ud800", "x"),
        ("u" * (MAX_LOGIN + 1), "x"),
        ("u", "x" * (MAX_PASSWORD_BYTES + 1)),
        ("u", "я" * (MAX_PASSWORD_BYTES // 2 + 1)),
    ],
)
def test_what_cannot_be_a_user_and_a_password(login: str, password: str) -> None:
    assert not is_acceptable(login, password)


def test_the_longest_pair_is_taken() -> None:
    login, password = "я" * MAX_LOGIN, "x" * MAX_PASSWORD_BYTES
    assert basic_pair(encoded(f"{login}:{password}")) == (login, password)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, None),
        ({"is_enabled": False}, "disabled"),
        ({"basic_authentication_allowed": False}, "BasicAuthenticationAllowed"),
    ],
)
def test_applications(changes: dict[str, Any], cause: str | None) -> None:
    """[LEG-2]"""
    values = {n: getattr(APPLICATION, n) for n in APPLICATION.__struct_fields__}
    problem = problem_of_application(TrustedApplication(**(values | changes)))
    assert problem is None if cause is None else cause in (problem or "")


@pytest.mark.parametrize(
    ("changes", "everyone", "system_user", "cause"),
    [
        ({}, False, None, None),
        ({}, False, "u", None),
        ({}, False, "another", "system user:"),
        ({}, True, "another", "system user:"),
        ({"active": False}, True, None, "inactive"),
        ({"locked_until": NOW + 1}, True, None, "locked"),
        ({"locked_until": NOW}, False, None, None),
        ({"basic_authentication_allowed": False}, False, None, "BasicAuthenticationAllowed"),
        ({"basic_authentication_allowed": False}, True, None, None),
        *(({"user_type": t}, True, None, "cannot call") for t in UserType if t != USER.user_type),
    ],
)
def test_users(
    changes: dict[str, Any], everyone: bool, system_user: str | None, cause: str | None
) -> None:
    """[LEG-2, LEG-3, USR-12]"""
    values = {n: getattr(USER, n) for n in USER.__struct_fields__}
    fields = {n: getattr(APPLICATION, n) for n in APPLICATION.__struct_fields__}
    application = TrustedApplication(**(fields | {"system_user": system_user}))
    problem = problem_of_user(User(**(values | changes)), application, NOW, everyone=everyone)
    assert problem is None if cause is None else cause in (problem or "")


@pytest.mark.parametrize(
    ("sent", "scheme", "value"),
    [
        ("Basic eA==", LegacyScheme.BASIC, "eA=="),
        ("bAsIc  eA== ", LegacyScheme.BASIC, "eA=="),
        ("ErpSession abc", LegacyScheme.ERP_SESSION, "abc"),
        ("ERPSESSION abc", LegacyScheme.ERP_SESSION, "abc"),
        ("Basic", LegacyScheme.BASIC, ""),
        ("ErpLogin abc", None, None),
        ("Negotiate abc", None, None),
        ("", None, None),
    ],
)
def test_credentials(sent: str, scheme: LegacyScheme | None, value: str | None) -> None:
    """[API-2] schemes in any case"""
    found = legacy_credential_of([(b"accept", b"*/*"), (b"authorization", sent.encode())])
    assert (found.scheme if found else None, found.value if found else None) == (scheme, value)
    assert value is None or not value or value not in repr(found)


@pytest.mark.parametrize(
    ("query", "app"),
    [
        (b"", None),
        (b"$top=1", None),
        (b"application=x", None),
        (b"app=", None),
        (b"$top=1&app=x%2Fy", "x/y"),
        (b"app=x&app=x", "x"),
    ],
)
def test_the_named_application(query: bytes, app: str | None) -> None:
    """[LEG-4]"""
    assert named_application(query) == app


def test_several_named_applications() -> None:
    with pytest.raises(BadPassword):
        named_application(b"app=x&app=y")


def test_challenges() -> None:
    """[LEG-5, LEG-8]"""
    assert BadPassword().challenges("DomainAPI") == ['Basic realm="DomainAPI"']
    refusal = NoCredential()
    assert refusal.challenges("X") == ['Bearer realm="X"']
    refusal.also = ("Basic",)
    assert refusal.challenges("X") == ['Bearer realm="X"', 'Basic realm="X"']
    assert NoCredential().challenges("X") == ['Bearer realm="X"']
