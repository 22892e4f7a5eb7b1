"""`response_type=code id_token` (OpenID Connect Core §3.3): over the wire, with PyJWT as judge."""

from __future__ import annotations

import base64
import hashlib
import html
import re

import httpx
import jwt
import pytest

from tests.world import (
    BACKOFFICE,
    NOW,
    PASSWORD,
    REDIRECT,
    SPA,
    World,
    answer_of,
    payload_of,
    pkce,
)

HYBRID = {"response_type": "code id_token", "nonce": "n-71"}
ORDER = "nbf exp iss aud nonce iat c_hash s_hash sid sub auth_time idp amr".split()


def form_of(page: httpx.Response) -> dict[str, str]:
    """The fields of a form_post page."""
    assert page.status_code == 200, page.text
    found = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page.text)
    assert len({name for name, _ in found}) == len(found)  # [AUT-43] each name once
    return {name: html.unescape(value) for name, value in found}


def half(text: str) -> str:
    """The left half of SHA-256, computed without our code."""
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.parametrize("words", ["code id_token", "id_token code"])
def test_by_fragment(words: str, shared_world: World) -> None:
    """[AUT-3, AUT-7, AUT-41, IDT-4, IDT-8, IDT-9, IDT-20] no PKCE, for a Confidential client."""
    response = shared_world.browser().sign_in(**(HYBRID | {"response_type": words}))
    assert response.headers["location"].startswith(REDIRECT + "#")
    answer = answer_of(response)
    assert list(answer) == ["code", "id_token", "state", "iss"]
    claims = payload_of(answer["id_token"])
    assert list(claims) == ORDER
    assert claims["c_hash"] == half(answer["code"])
    assert claims["s_hash"] == half("st-1")
    assert (claims["nonce"], claims["aud"], claims["sub"]) == ("n-71", BACKOFFICE, "mira.k")
    assert (claims["iat"], claims["exp"]) == (int(NOW), int(NOW) + 300)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_by_form_post(method: str, shared_world: World) -> None:
    """[AUT-43, AUT-50, CLI-2]"""
    browser = shared_world.browser()
    page = browser.authorize(method, **HYBRID, response_mode="form_post")
    answer = form_of(browser.submit(page, login="mira.k", password=PASSWORD))
    assert list(answer) == ["code", "id_token", "state", "iss"]
    assert payload_of(answer["id_token"])["c_hash"] == half(answer["code"])


def test_a_third_party_accepts_the_front_channel_token(shared_world: World) -> None:
    """[IDT-1] signature, issuer, audience and times by PyJWT, from the JWKS alone"""
    token = answer_of(shared_world.browser().sign_in(**HYBRID))["id_token"]
    assert jwt.get_unverified_header(token)["typ"] == "JWT"
    keys = jwt.PyJWKClient(f"{shared_world.issuer}/.well-known/openid-configuration/jwks")
    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["RS256"],
        audience=BACKOFFICE,
        issuer=shared_world.issuer,
        # the world's clock stands still
        options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
    )
    assert claims["nonce"] == "n-71"


def test_the_token_of_the_front_channel_and_of_the_token_response(shared_world: World) -> None:
    """[IDT-2, IDT-7, IDT-9, IDT-11] OpenID Connect Core §3.3.3.6: the same iss and sub"""
    answer = answer_of(shared_world.browser().sign_in(**HYBRID))
    tokens = shared_world.redeem(answer["code"]).json()
    front, back = payload_of(answer["id_token"]), payload_of(tokens["id_token"])
    for claim in ("iss", "sub", "sid", "aud", "nonce", "s_hash", "auth_time", "amr"):
        assert front[claim] == back[claim], claim
    assert back["at_hash"] == half(tokens["access_token"])
    assert "c_hash" not in back
    assert "at_hash" not in front


def test_without_state_there_is_no_s_hash(shared_world: World) -> None:
    """[IDT-9, TOK-10]"""
    answer = answer_of(shared_world.browser().sign_in(**HYBRID, state=""))
    assert list(answer) == ["code", "id_token", "iss"]
    assert "s_hash" not in payload_of(answer["id_token"])


def test_the_front_channel_token_opens_no_api(shared_world: World) -> None:
    """[IDT-15, AUT-41]"""
    token = answer_of(shared_world.browser().sign_in(**HYBRID))["id_token"]
    assert shared_world.api("Crm_Sales_Customers", token).status_code == 401
    userinfo = shared_world.http.get(
        "/id/connect/userinfo", headers={"Authorization": f"Bearer {token}"}
    )
    assert userinfo.status_code == 401


def test_public_with_pkce(shared_world: World) -> None:
    """[OPQ-22, AUT-8]"""
    verifier, challenge = pkce()
    answer = answer_of(
        shared_world.browser().sign_in(
            client_id=SPA,
            code_challenge=challenge,
            code_challenge_method="S256",
            **HYBRID,
        )
    )
    assert payload_of(answer["id_token"])["aud"] == SPA
    assert shared_world.redeem(answer["code"], SPA, code_verifier=verifier).status_code == 200


@pytest.mark.parametrize("prompt", ["", "none"])
def test_silently(prompt: str, shared_world: World) -> None:
    """[AUT-47, IDT-10] the moment of the real sign-in"""
    browser = shared_world.browser()
    browser.sign_in()
    assert "id_token" in answer_of(browser.authorize(**HYBRID, prompt=prompt))


def test_auth_time_stays_and_prompt_login_moves_it(world: World) -> None:
    """[IDT-10, SES-50, SES-51, AUT-10]"""
    browser = world.browser()
    first = payload_of(answer_of(browser.sign_in(**HYBRID))["id_token"])
    world.clock.advance(100)
    silent = payload_of(answer_of(browser.authorize(**HYBRID, max_age="100"))["id_token"])
    assert (silent["auth_time"], silent["iat"]) == (first["auth_time"], first["iat"] + 100)
    again = payload_of(answer_of(browser.sign_in(**HYBRID, prompt="login"))["id_token"])
    assert again["auth_time"] == first["auth_time"] + 100
    assert again["sid"] == first["sid"]
    world.clock.advance(101)
    late = answer_of(browser.authorize(**HYBRID, max_age="100", prompt="none"))
    assert late["error"] == "login_required"
    other = payload_of(answer_of(browser.sign_in("ada", **HYBRID, prompt="login"))["id_token"])
    assert (other["sub"], other["sid"] == first["sid"]) == ("ada", False)


def test_max_age_zero_always_asks(shared_world: World) -> None:
    """OpenID Connect Core §3.1.2.1: it is the same as prompt=login, also in the same second."""
    browser = shared_world.browser()
    browser.sign_in()
    assert answer_of(browser.authorize(max_age="0", prompt="none"))["error"] == "login_required"
    assert "code" in answer_of(browser.sign_in(max_age="0"))


REFUSED: list[tuple[str, dict[str, str], str]] = [
    ("AUT-7-query", {"response_mode": "query"}, "invalid_request"),
    ("AUT-25", {"response_mode": "web_message"}, "invalid_request"),
    ("AUT-27", {"client_id": SPA, "scope": "openid"}, "invalid_request"),
    ("AUT-29", {"scope": "openid sec"}, "invalid_scope"),
    ("AUT-30-openid", {"scope": "read"}, "invalid_request"),
    ("AUT-30-nonce", {"nonce": ""}, "invalid_request"),
    ("AUT-31", {"prompt": "none login"}, "invalid_request"),
    ("AUT-32", {"prompt": "none"}, "login_required"),
]


@pytest.mark.parametrize(("change", "error"), [pytest.param(*r[1:], id=r[0]) for r in REFUSED])
def test_errors_by_fragment(change: dict[str, str], error: str, shared_world: World) -> None:
    """[AUT-24, AUT-25, AUT-49] never in the query"""
    response = shared_world.browser().authorize(**(HYBRID | change))
    assert response.headers["location"].startswith(REDIRECT + "#error=")
    answer = answer_of(response)
    assert (answer["error"], answer["state"]) == (error, "st-1")
    assert answer["iss"] == shared_world.issuer
    assert "code" not in answer
    assert "id_token" not in answer


def test_errors_by_form_post(shared_world: World) -> None:
    """[AUT-33, AUT-49, CLI-2]"""
    browser = shared_world.browser()
    page = browser.authorize(**HYBRID, response_mode="form_post")
    answer = form_of(browser.submit(page, action="cancel"))
    assert (answer["error"], answer["state"]) == ("access_denied", "st-1")


def test_community_user(shared_world: World) -> None:
    """[SCP-13, IDT-2] API scopes go, openid stays"""
    answer = answer_of(shared_world.browser().sign_in("buyer@client.example", **HYBRID))
    assert payload_of(answer["id_token"])["sub"] == "buyer@client.example"


def test_the_code_is_as_strict_as_any(shared_world: World) -> None:
    """[TKN-44..47]"""
    world = shared_world
    answer = answer_of(world.browser().sign_in(**HYBRID))
    assert world.redeem(answer["code"], redirect_uri=REDIRECT + "x").status_code == 400
    assert world.redeem(answer["code"], code_verifier="v" * 43).status_code == 400
    assert world.redeem(answer["code"]).status_code == 200
    assert world.redeem(answer["code"]).status_code == 400


def test_audit_never_holds_the_token(world: World) -> None:
    """[TOK-14]"""
    answer = answer_of(world.browser().sign_in(**HYBRID))
    event = world.events("code.issued")[0]
    assert event.details == {"scope": ["openid", "profile", "read"], "with_id_token": True}
    assert answer["id_token"] not in str(event)
