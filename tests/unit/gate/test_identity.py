"""What an API behind the gate is told of its caller."""

from __future__ import annotations

from urllib.parse import unquote

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.errors import InvalidToken
from mintgate.gate.identity import InternalTokens, identity_headers
from mintgate.jose import SigningKey
from mintgate.verify import Principal, Verifier

KEY = SigningKey.generate("A" * 32, "ES256")


def principal(**changes: object) -> Principal:
    values = {
        "kind": "user",
        "issuer": "https://orion.my.example/id",
        "client_id": "shop.example.org/backoffice",
        "login": "mira.k",
        "user_id": "0d5c2b54",
        "user_type": "InternalUser",
        "database": "E1_X-1 Test",
        "scopes": frozenset({"update", "read"}),
        "jti": "1" * 32,
        "session": "2" * 32,
        "expires_at": 2000,
    }
    return Principal(**(values | changes))  # type: ignore[arg-type]


def test_headers_hold_the_caller() -> None:
    headers = dict(identity_headers(principal(name="Мира", email=None)))
    assert headers[b"x-mintgate-login"] == b"mira.k"
    assert headers[b"x-mintgate-database"] == b"E1_X-1 Test"  # [TOP-11]
    assert headers[b"x-mintgate-scope"] == b"read update"
    assert unquote(headers[b"x-mintgate-name"].decode()) == "Мира"
    assert headers[b"x-mintgate-email"] == b""
    assert headers[b"x-mintgate-admin"] == b"false"


@given(st.text(max_size=40))
def test_any_text_fits_into_a_header(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    value = dict(identity_headers(principal(login=text)))[b"x-mintgate-login"]
    assert value.isascii()
    assert value == value.strip()
    assert all(32 <= byte < 127 for byte in value)
    assert unquote(value.decode()) == text


def test_the_token_is_read_by_another_library_and_is_kept_for_half_a_minute() -> None:
    now = [1000.0]
    tokens = InternalTokens(lambda: KEY, "https://gate.example", lambda: now[0])
    token = tokens.token_for(principal(), "orders")
    pem = KEY.public._key
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, pem, ["ES256"], audience="orders", options=options)
    assert claims["sub"] == "mira.k"
    assert (claims["iat"], claims["exp"]) == (1000, 1060)
    assert claims["scope"] == ["read", "update"]
    now[0] += 29
    assert tokens.token_for(principal(), "orders") == token
    assert tokens.token_for(principal(), "other") != token
    assert tokens.token_for(principal(scopes=frozenset({"read"})), "orders") != token
    now[0] += 2
    assert tokens.token_for(principal(), "orders") != token


OTHERS: dict[str, object] = {
    "kind": "service",
    "issuer": "https://lyra.my.example/id",
    "client_id": "shop.example.org/till",
    "login": "mira.new",
    "user_id": "1e6d3c65",
    "user_type": "SystemUserNoLogin",
    "database": "E2_X",
    "scopes": frozenset({"read"}),
    "jti": "3" * 32,
    "session": "4" * 32,
    "is_admin": True,
    "name": "Мира",
    "email": "mira@example.org",
}


@pytest.mark.parametrize("attribute", OTHERS)
def test_a_kept_token_never_tells_what_is_not_so_any_more(attribute: str) -> None:
    """[REF-36, REF-37, TOP-13]"""
    tokens = InternalTokens(lambda: KEY, "https://gate.example", lambda: 1000.0)
    before = tokens.token_for(principal(), "orders")
    changed = principal(**{attribute: OTHERS[attribute]})
    token = tokens.token_for(changed, "orders")
    assert _claims(token) != _claims(before)
    afresh = InternalTokens(lambda: KEY, "https://gate.example", lambda: 1000.0)
    assert _claims(token) == _claims(afresh.token_for(changed, "orders"))
    assert tokens.token_for(principal(**{attribute: OTHERS[attribute]}), "orders") == token


def test_what_is_not_told_makes_no_new_token() -> None:
    """The end of a legacy caller is ahead of every request; another signature would be in vain."""
    tokens = InternalTokens(lambda: KEY, "https://gate.example", lambda: 1000.0)
    token = tokens.token_for(principal(), "orders")
    later = principal(expires_at=2001, locale="bg", claims={"at": 1})
    assert tokens.token_for(later, "orders") == token
    ends_now = tokens.token_for(principal(expires_at=1001), "orders")
    assert _claims(ends_now)["exp"] == 1001


def _claims(token: str) -> dict[str, object]:
    return jwt.decode(token, options={"verify_signature": False})


def test_it_lives_no_longer_than_the_credential() -> None:
    tokens = InternalTokens(lambda: KEY, "https://gate.example", lambda: 1990.0)
    claims = jwt.decode(
        tokens.token_for(principal(), "orders"), options={"verify_signature": False}
    )
    assert claims["exp"] == 2000


def test_it_is_no_access_token() -> None:
    class Keys:
        def get(self, kid: str) -> object:
            return KEY.public

    issuer = "https://orion.my.example/id"
    tokens = InternalTokens(lambda: KEY, issuer, lambda: 1000.0)
    verifier = Verifier(issuer, keys=Keys(), algorithms=("ES256",), clock=lambda: 1000.0)  # type: ignore[arg-type]
    with pytest.raises(InvalidToken, match="typ"):
        verifier.verify(tokens.token_for(principal(), "DomainAPI"), "DomainAPI")
