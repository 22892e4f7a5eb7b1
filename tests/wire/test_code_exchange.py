"""Redeeming codes, ID tokens, userinfo (§2.6, §3.5, §3.6)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from mintgate.contract.users import UserType
from mintgate.store import users
from tests.world import (
    BACKOFFICE,
    NOW,
    PASSWORD_HASH,
    REDIRECT,
    SPA,
    Browser,
    World,
    answer_of,
    payload_of,
    pkce,
)

CODE = "openid profile read offline_access"


def half(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_response_members(shared_world: World) -> None:
    """[TKN-10, TKN-20, LIF-11]"""
    tokens = shared_world.user_tokens(scope="profile openid read offline_access")
    assert set(tokens) == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "id_token",
        "refresh_token",
    }
    assert tokens["scope"] == "profile openid read offline_access"
    assert re.fullmatch(r"[0-9A-F]{64}", tokens["refresh_token"])


@pytest.mark.parametrize(
    ("scope", "absent"), [("read", {"id_token", "refresh_token"}), ("openid", {"refresh_token"})]
)
def test_only_what_was_granted(scope: str, absent: set[str], shared_world: World) -> None:
    """[IDT-2, LIF-10, TOK-52]"""
    tokens = shared_world.user_tokens(scope=scope)
    assert absent.isdisjoint(tokens)
    if scope == "openid":
        assert payload_of(tokens["access_token"])["aud"] == f"{shared_world.issuer}/resources"


def test_id_token(shared_world: World) -> None:
    """[IDT-1..14]"""
    code = answer_of(shared_world.browser().sign_in(nonce="n-71", state="state-42"))["code"]
    tokens = shared_world.redeem(code).json()
    claims = payload_of(tokens["id_token"])
    assert list(claims) == (
        "nbf exp iss aud nonce iat at_hash s_hash sid sub auth_time idp amr".split()
    )
    access = payload_of(tokens["access_token"])
    assert claims["aud"] == BACKOFFICE
    assert claims["nonce"] == "n-71"
    assert claims["at_hash"] == half(tokens["access_token"])
    assert claims["s_hash"] == half("state-42") == "MXsvCdmtwRTZigg35oZPQw"
    assert (claims["sid"], claims["sub"]) == (access["sid"], access["sub"])
    assert claims["exp"] == claims["iat"] + 300
    assert claims["auth_time"] == int(NOW)
    assert (claims["idp"], claims["amr"]) == ("local", ["pwd"])
    header = json.loads(base64.urlsafe_b64decode(tokens["id_token"].split(".")[0] + "=="))
    assert list(header) == ["alg", "kid", "typ"]
    assert header["typ"] == "JWT"


def test_id_token_is_no_access_token(shared_world: World) -> None:
    """[IDT-15]"""
    id_token = shared_world.user_tokens()["id_token"]
    answer = shared_world.api("Crm_Sales_Customers", id_token)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_pkce_vector() -> None:
    """[TKN-60]"""
    from mintgate.identity.grants.authorization_code import s256

    challenge = s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


VERIFIER, CHALLENGE = pkce()
WITH_CHALLENGE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
EXCHANGES: list[tuple[str, str, dict[str, str], dict[str, str], str | None]] = [
    ("TAP-51", SPA, WITH_CHALLENGE, {"code_verifier": VERIFIER}, None),
    ("TAP-50", BACKOFFICE, WITH_CHALLENGE, {"code_verifier": VERIFIER}, None),
    ("TKN-46-wrong", SPA, WITH_CHALLENGE, {"code_verifier": pkce()[0]}, "invalid_grant"),
    ("TKN-46-missing", BACKOFFICE, WITH_CHALLENGE, {}, "invalid_grant"),
    ("TKN-46-unasked", BACKOFFICE, {}, {"code_verifier": VERIFIER}, "invalid_grant"),
    ("TKN-46-challenge", SPA, WITH_CHALLENGE, {"code_verifier": CHALLENGE}, "invalid_grant"),
    ("TKN-45-differs", BACKOFFICE, {}, {"redirect_uri": "http://127.0.0.1:9101/"}, "invalid_grant"),
    ("TKN-45-missing", BACKOFFICE, {}, {"redirect_uri": ""}, "invalid_grant"),
]


@pytest.mark.parametrize(
    ("client_id", "request_", "exchange", "error"),
    [pytest.param(*row[1:], id=row[0]) for row in EXCHANGES],
)
def test_exchange(
    client_id: str,
    request_: dict[str, str],
    exchange: dict[str, str],
    error: str | None,
    shared_world: World,
) -> None:
    code = shared_world.browser().code(client_id=client_id, scope="openid", **request_)
    answer = shared_world.redeem(code, client_id, **exchange)
    assert answer.json().get("error") == error
    if error:
        # A failed attempt does not burn the code of the rightful client.
        good = {"code_verifier": VERIFIER} if request_ else {}
        assert shared_world.redeem(code, client_id, **good).status_code == 200


@pytest.mark.parametrize("challenge", [True, False])
def test_a_confidential_client_sends_its_secret_always(
    challenge: bool, shared_world: World
) -> None:
    """[TKN-4, TKN-34, TKN-37, DIF-24] what PKCE proves does not stand in for it"""
    asked = WITH_CHALLENGE if challenge else {}
    proof = {"code_verifier": VERIFIER} if challenge else {}
    code = shared_world.browser().code(scope="openid", **asked)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT} | proof
    for more in ({}, {"client_secret": "wrong"}, {"client_secret": ""}):
        answer = shared_world.request_token(client_id=BACKOFFICE, **form, **more)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")
    empty = shared_world.request_token((BACKOFFICE, ""), **form)
    assert (empty.status_code, empty.json()["error"]) == (401, "invalid_client")
    assert shared_world.redeem(code, **proof).status_code == 200


def test_code_of_another_client(shared_world: World) -> None:
    """[TKN-44]"""
    code = shared_world.browser().code()
    answer = shared_world.redeem(code, SPA, code_verifier=VERIFIER)
    assert answer.json()["error"] == "invalid_grant"
    assert shared_world.redeem(code).status_code == 200


def test_code_expires(world: World) -> None:
    """[LIF-3]"""
    early, late = world.browser().code(), world.browser().code()
    world.clock.advance(299)
    assert world.redeem(early).status_code == 200
    world.clock.advance(1)
    assert world.redeem(late).json()["error"] == "invalid_grant"


def test_second_redemption_takes_back_what_the_first_gave(world: World) -> None:
    """[TKN-47, REV-4]"""
    code = world.browser().code(scope=CODE)
    tokens = world.redeem(code).json()
    assert world.api("Crm_Sales_Customers", tokens["access_token"]).status_code == 200
    assert world.redeem(code).json()["error"] == "invalid_grant"
    answer = world.api("Crm_Sales_Customers", tokens["access_token"])
    assert answer.status_code == 401
    assert "revoked" in answer.headers["www-authenticate"]
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.events("code.replayed")


USER_CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("TKN-51-inactive", {"active": False}, "invalid_grant"),
    ("TKN-51-locked", {"locked_until": NOW + 60}, "invalid_grant"),
    ("TKN-51-type", {"user_type": UserType.COMMUNITY}, "invalid_grant"),
    ("TKN-51-no-login", {"user_type": UserType.SYSTEM}, "invalid_grant"),
]


@pytest.mark.parametrize(
    ("change", "error"), [pytest.param(*row[1:], id=row[0]) for row in USER_CHANGES]
)
def test_user_changed_before_the_exchange(change: dict[str, Any], error: str, world: World) -> None:
    code = world.browser().code()
    world.change_user("mira.k", **change)
    assert world.redeem(code).json()["error"] == error


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(
            {"impersonate_as_internal_user_allowed": False}, "unauthorized_client", id="TKN-52"
        ),
        pytest.param({"scope": "update"}, "invalid_grant", id="TAP-31"),
    ],
)
def test_application_changed_before_the_exchange(
    change: dict[str, Any], error: str, world: World
) -> None:
    code = world.browser().code()
    world.change_application(BACKOFFICE, **change)
    assert world.redeem(code).json()["error"] == error


def sign_out(world: World, browser: Browser) -> None:
    browser.submit(browser.http.get("/id/connect/endsession"))


def change_password(world: World, browser: Browser) -> None:
    user = world.change_user("mira.k")
    with world.database.begin() as tx:
        users.set_password(tx, world.instance.id, user.id, PASSWORD_HASH)


def disable_and_enable(world: World, browser: Browser) -> None:
    world.change_application(BACKOFFICE, is_enabled=False)
    world.change_application(BACKOFFICE, is_enabled=True)


def block(world: World, browser: Browser) -> None:
    world.block_user("mira.k", BACKOFFICE)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(sign_out, id="END-4"),
        pytest.param(change_password, id="USR-22"),
        pytest.param(disable_and_enable, id="LIF-15"),
        pytest.param(block, id="TAP-30"),
    ],
)
def test_a_code_ends_with_what_it_came_from(
    end: Callable[[World, Browser], None], world: World
) -> None:
    """Else a new refresh token would outlive what was ended."""
    browser = world.browser()
    code = answer_of(browser.sign_in(scope=CODE))["code"]
    end(world, browser)
    assert world.redeem(code).json()["error"] == "invalid_grant"


def test_a_clock_that_is_behind(world: World) -> None:
    """[API-9] machines' clocks differ: the code of one machine is redeemed at another."""
    code = world.browser().code(scope=CODE)
    world.clock.advance(-2)
    answer = world.redeem(code)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    claims = payload_of(tokens["id_token"])
    assert claims["auth_time"] == claims["iat"]
    assert world.refresh(tokens["refresh_token"]).status_code == 200


def test_without_a_key_nothing_is_used_up(world: World) -> None:
    """503 before the code is redeemed: the retry succeeds."""
    keys = world.server_directory()._keys
    code = world.browser().code()
    kept, keys._own_times = keys._own_times, []
    answer = world.redeem(code)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    keys._own_times = kept
    assert world.redeem(code).status_code == 200


def test_userinfo(shared_world: World) -> None:
    """[UIN-5, UIN-6, EP-6]"""
    tokens = shared_world.user_tokens()
    for method in ("GET", "POST"):
        answer = shared_world.http.request(
            method,
            "/id/connect/userinfo?schema=openid",
            headers={"Authorization": f"bearer {tokens['access_token']}"},
        )
        assert answer.status_code == 200
        body = answer.json()
        assert set(body) == {
            "sub",
            "sub_id",
            "name",
            "preferred_username",
            "email",
            "email_verified",
            "locale",
            "user_type",
        }
        assert body["sub"] == payload_of(tokens["id_token"])["sub"]
        assert answer.headers["cache-control"] == "no-store"


def userinfo(world: World, token: str | None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return world.http.get("/id/connect/userinfo", headers=headers)


@pytest.mark.parametrize(
    ("token", "status", "challenge"),
    [
        pytest.param(lambda w: None, 401, 'Bearer realm="UserInfo"', id="UIN-4-none"),
        pytest.param(lambda w: "x.y.z", 401, 'error="invalid_token"', id="UIN-4-malformed"),
        pytest.param(lambda w: w.service_token(), 403, 'scope="openid"', id="UIN-3"),
        pytest.param(
            lambda w: w.user_tokens(scope="read")["access_token"],
            403,
            'error="insufficient_scope", scope="openid"',
            id="UIN-2",
        ),
    ],
)
def test_userinfo_refusals(
    token: Callable[[World], str | None], status: int, challenge: str, shared_world: World
) -> None:
    answer = userinfo(shared_world, token(shared_world))
    assert answer.status_code == status
    assert challenge in answer.headers["www-authenticate"]


def test_userinfo_of_a_community_user(shared_world: World) -> None:
    """[TOK-54, UIN-5]"""
    token = shared_world.user_tokens("buyer@client.example", scope="openid")["access_token"]
    assert userinfo(shared_world, token).json() == {"sub": "buyer@client.example"}


def test_signing_in_opens_no_session_at_an_api(world: World) -> None:
    """[AUT-48, UIN-7, LIF-16, SES-10, SES-12, SES-24] the first call of an API does"""
    browser = world.browser()
    tokens = world.redeem(answer_of(browser.sign_in(scope=CODE))["code"]).json()
    assert "code" in answer_of(browser.authorize(prompt="none"))
    tokens = world.refresh(tokens["refresh_token"]).json()
    token = tokens["access_token"]
    assert userinfo(world, token).status_code == 200
    me = world.http.get("/profile/me", headers={"Authorization": f"Bearer {token}"})
    assert me.status_code == 200
    world.service_token()
    assert world.api("Crm_Sales_Customers", token, method="POST", json={}).status_code == 403
    assert world.rows("erp_sessions") == []
    assert world.api("Crm_Sales_Customers", token).status_code == 200
    assert [row["key"] for row in world.rows("erp_sessions")] == [payload_of(token)["sid"]]
