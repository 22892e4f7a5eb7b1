"""The `claims` parameter and `acr_values` over the wire (OpenID Connect Core §5.5) [EXT-15]."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.world import BACKOFFICE, SECRET, STOCK, Browser, World, answer_of, payload_of

ID_TOKEN_ORDER = "nbf exp iss aud iat at_hash s_hash sid sub auth_time idp amr".split()
PROFILE = "sub_id name preferred_username email email_verified locale user_type".split()


def claims(**sections: Any) -> str:
    return json.dumps(sections)


def tokens_of(world: World, browser: Browser | None = None, **request: str) -> dict[str, Any]:
    browser = browser or world.browser()
    answer = world.redeem(answer_of(browser.sign_in(**request))["code"])
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def userinfo_of(world: World, tokens: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    answer = world.http.get("/id/connect/userinfo", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_userinfo_tells_what_was_asked_for(shared_world: World) -> None:
    """Without `profile`: the named claims alone; unknown ones are ignored."""
    wanted = claims(userinfo={"email": {"essential": True}, "locale": None, "shoe_size": None})
    tokens = tokens_of(shared_world, scope="openid read", claims=wanted)
    assert userinfo_of(shared_world, tokens) == {
        "sub": "mira.k",
        "email": "mira.k@orion.example",
        "locale": "bg",
    }
    assert list(payload_of(tokens["id_token"])) == ID_TOKEN_ORDER


def test_with_profile_nothing_is_lost(shared_world: World) -> None:
    """[UIN-5] and no row is kept, because the scope says it all"""
    tokens = tokens_of(shared_world, claims=claims(userinfo={"email": None}))
    assert list(userinfo_of(shared_world, tokens)) == ["sub", *PROFILE]


def test_access_tokens_get_no_new_claim(shared_world: World) -> None:
    """[TOK-12]"""
    asked = dict.fromkeys((*PROFILE, "acr"))
    scope = "openid read"
    plain = tokens_of(shared_world, scope=scope)
    rich = tokens_of(
        shared_world, scope=scope, claims=claims(userinfo=asked, id_token=asked), acr_values="pwd"
    )
    assert list(payload_of(plain["access_token"])) == list(payload_of(rich["access_token"]))


def test_id_token_tells_what_was_asked_for_at_the_end(shared_world: World) -> None:
    """[IDT-4, IDT-14] the contract's order first"""
    asked = dict.fromkeys((*reversed(PROFILE), "acr", "is_admin"))
    tokens = tokens_of(shared_world, scope="openid", claims=claims(id_token=asked))
    told = payload_of(tokens["id_token"])
    assert list(told) == [*ID_TOKEN_ORDER, "acr", *PROFILE]
    assert (told["acr"], told["name"], told["email_verified"]) == ("pwd", "Мира Коларова", True)
    assert list(userinfo_of(shared_world, tokens)) == ["sub"]


def test_a_claim_without_a_value_is_left_out(shared_world: World) -> None:
    """[TOK-10]"""
    asked = {"email": {"essential": True}, "email_verified": None, "name": None}
    wanted = claims(id_token=asked, userinfo=asked)
    answer = answer_of(shared_world.browser().sign_in("ada", scope="openid", claims=wanted))
    tokens = shared_world.redeem(answer["code"]).json()
    assert list(payload_of(tokens["id_token"])) == [*ID_TOKEN_ORDER, "name"]
    assert userinfo_of(shared_world, tokens) == {"sub": "ada", "name": "Ada Admin"}


def test_refreshed_tokens_tell_the_same(world: World) -> None:
    """[TKN-22] as the record says now; also when the scope is narrowed"""
    wanted = claims(id_token={"email": None, "acr": None}, userinfo={"email": None, "name": None})
    first = tokens_of(world, scope="openid read offline_access", claims=wanted)
    world.change_user("mira.k", email="new@orion.example")
    second = world.refresh(first["refresh_token"]).json()
    assert payload_of(second["id_token"])["email"] == "new@orion.example"
    assert payload_of(second["id_token"])["acr"] == "pwd"
    assert list(userinfo_of(world, second)) == ["sub", "name", "email"]
    third = world.refresh(second["refresh_token"], scope="openid").json()
    assert list(userinfo_of(world, third)) == ["sub", "name", "email"]


def test_narrowing_away_profile_leaves_the_single_claims(world: World) -> None:
    first = tokens_of(
        world, scope="openid profile offline_access", claims=claims(userinfo={"email": None})
    )
    narrowed = world.refresh(first["refresh_token"], scope="openid offline_access").json()
    assert list(userinfo_of(world, narrowed)) == ["sub", "email"]


def test_the_browser_carries_no_personal_claim(shared_world: World) -> None:
    """OpenID Connect Core §3.3.3.6: the front-channel ID token may say less; `acr` it says."""
    answer = answer_of(
        shared_world.browser().sign_in(
            response_type="code id_token",
            nonce="n",
            claims=claims(id_token={"email": None, "acr": None}),
        )
    )
    front = payload_of(answer["id_token"])
    assert "email" not in front
    assert list(front)[-1] == "acr"
    back = payload_of(shared_world.redeem(answer["code"]).json()["id_token"])
    assert back["email"] == "mira.k@orion.example"


def test_where_people_are_asked_single_claims_do_not_go_around_the_question(world: World) -> None:
    """[EXT-2]"""
    world.change_application(BACKOFFICE, require_consent=True)
    asked = claims(userinfo={"email": None}, id_token={"email": None, "acr": None})
    for scope, told in (("openid", False), ("openid profile", True)):
        browser = world.browser()
        page = browser.sign_in(scope=scope, claims=asked)
        answer = answer_of(browser.submit(page, action="allow"))
        tokens = world.redeem(answer["code"]).json()
        assert ("email" in payload_of(tokens["id_token"])) is told
        assert ("email" in userinfo_of(world, tokens)) is told
        assert payload_of(tokens["id_token"])["acr"] == "pwd"


def test_without_openid_there_is_nobody_to_tell(shared_world: World) -> None:
    wanted = claims(id_token={"sub": {"value": "ada"}, "acr": {"essential": True, "value": "x"}})
    answer = answer_of(shared_world.browser().sign_in(scope="read", claims=wanted))
    assert "id_token" not in shared_world.redeem(answer["code"]).json()


MALFORMED = {
    "text": "email",
    "list": "[]",
    "null": "null",
    "number": "1",
    "NaN": '{"id_token": {"sub": {"value": NaN}}}',
    "twice": '{"userinfo": {}, "userinfo": {}}',
    "claim-twice": '{"userinfo": {"email": null, "email": null}}',
    "section": '{"userinfo": ["email"]}',
    "section-null": '{"id_token": null}',
    "claim": '{"userinfo": {"email": true}}',
    "essential": '{"userinfo": {"email": {"essential": "yes"}}}',
    "values-text": '{"id_token": {"acr": {"values": "pwd"}}}',
    "values-empty": '{"id_token": {"acr": {"values": []}}}',
    "value-and-values": '{"id_token": {"sub": {"value": "a", "values": ["a"]}}}',
    "sub-number": '{"id_token": {"sub": {"value": 7}}}',
    "sub-empty": '{"userinfo": {"sub": {"values": ["mira.k", ""]}}}',
    "acr-null": '{"id_token": {"acr": {"value": null}}}',
    "deep": '{"id_token":' + "[" * 8000,
    "digits": '{"id_token":' + "9" * 8000 + "}",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(text: str, shared_world: World) -> None:
    answer = answer_of(shared_world.browser().authorize("POST", claims=text))
    assert (answer["error"], answer["state"]) == ("invalid_request", "st-1")


@pytest.mark.parametrize("section", ["id_token", "userinfo"])
@pytest.mark.parametrize("wish", [{"value": "mira.k"}, {"values": ["x", "mira.k"]}])
def test_only_this_subject(section: str, wish: dict[str, Any], shared_world: World) -> None:
    """OpenID Connect Core §3.1.2.2: a positive answer for nobody else"""
    wanted = claims(**{section: {"sub": wish}})
    browser = shared_world.browser()
    assert "code" in answer_of(browser.sign_in(claims=wanted))
    assert "code" in answer_of(browser.authorize(claims=wanted, prompt="none"))
    other = shared_world.browser()
    other.sign_in("ada")
    assert answer_of(other.authorize(claims=wanted, prompt="none"))["error"] == "login_required"
    # Ada is asked to sign in, does so as herself again, and the application gets no code.
    assert answer_of(other.sign_in("ada", claims=wanted))["error"] == "login_required"
    assert "code" in answer_of(other.sign_in("mira.k", claims=wanted))


def test_two_wishes_that_nobody_fulfils(shared_world: World) -> None:
    wanted = claims(id_token={"sub": {"value": "mira.k"}}, userinfo={"sub": {"value": "ada"}})
    answer = answer_of(shared_world.browser().sign_in(claims=wanted))
    assert answer["error"] == "login_required"


ACR: list[tuple[str, dict[str, str], str | None]] = [
    ("not-asked", {}, None),
    ("acr_values", {"acr_values": "pwd"}, "pwd"),
    ("several", {"acr_values": "phr mfa pwd"}, "pwd"),
    ("unknown", {"acr_values": "gold"}, "pwd"),
    ("idp", {"acr_values": "idp:google"}, None),
    ("idp-and-acr", {"acr_values": "idp:google pwd"}, "pwd"),
    ("claims", {"claims": '{"id_token":{"acr":null}}'}, "pwd"),
    ("claims-wish", {"claims": '{"id_token":{"acr":{"value":"mfa"}}}'}, "pwd"),
    ("essential", {"claims": '{"id_token":{"acr":{"essential":true}}}'}, "pwd"),
    (
        "essential-values",
        {"claims": '{"id_token":{"acr":{"essential":true,"values":["mfa","pwd"]}}}'},
        "pwd",
    ),
    ("userinfo", {"claims": '{"userinfo":{"acr":null}}'}, None),
]


@pytest.mark.parametrize(("request_", "acr"), [pytest.param(*r[1:], id=r[0]) for r in ACR])
def test_acr(request_: dict[str, str], acr: str | None, shared_world: World) -> None:
    """[AUT-11, EXT-15] in the ID token only when asked for"""
    tokens = tokens_of(shared_world, **request_)
    assert payload_of(tokens["id_token"]).get("acr") == acr


@pytest.mark.parametrize("wish", [{"value": "gold"}, {"values": ["gold", "phr"]}])
def test_an_essential_acr_that_cannot_be_met(wish: dict[str, Any], shared_world: World) -> None:
    """§5.5.1.1; refused before anybody signs in, by the mode of the request"""
    wanted = claims(id_token={"acr": {"essential": True, **wish}})
    for more in ({}, {"prompt": "none"}, {"response_type": "code id_token", "nonce": "n"}):
        answer = answer_of(shared_world.browser().authorize(claims=wanted, **more))
        assert answer["error"] == "unmet_authentication_requirements"


def test_an_essential_acr_that_another_sign_in_meets(world: World) -> None:
    """A session that came from elsewhere is not enough: the person is asked for the password."""
    browser = world.browser()
    browser.sign_in()
    wanted = claims(id_token={"acr": {"essential": True, "value": "pwd"}})
    assert "code" in answer_of(browser.authorize(claims=wanted))
    world.make_sessions_external()
    assert "code" in answer_of(browser.authorize(acr_values="pwd"))
    assert answer_of(browser.authorize(claims=wanted, prompt="none"))["error"] == "login_required"
    tokens = tokens_of(world, browser, claims=wanted)
    assert payload_of(tokens["id_token"])["acr"] == "pwd"


def test_a_row_is_kept_only_where_the_scope_does_not_say_it(world: World) -> None:
    """Hot path: most tokens have none"""
    for scope, rows in (("openid profile", 0), ("openid", 1)):
        tokens_of(world, scope=scope, claims=claims(userinfo={"email": None}))
        assert world.count_rows("userinfo_requests") == rows
    tokens_of(world, scope="openid", claims=claims(userinfo={"nothing": None}))
    assert world.count_rows("userinfo_requests") == 1


def test_service_tokens_and_userinfo(shared_world: World) -> None:
    """[UIN-3]"""
    answer: httpx.Response = shared_world.request_token(
        (STOCK, SECRET), grant_type="client_credentials", claims=claims(userinfo={"email": None})
    )
    token = answer.json()["access_token"]
    refused = shared_world.http.get(
        "/id/connect/userinfo", headers={"Authorization": f"Bearer {token}"}
    )
    assert refused.status_code == 403


def test_discovery(shared_world: World) -> None:
    """[DSC-11, EXT-15]"""
    document = shared_world.http.get("/id/.well-known/openid-configuration").json()
    assert document["claims_parameter_supported"] is True
    assert document["acr_values_supported"] == ["pwd", "mfa"]
    assert document["claims_supported"] == ["sub", *PROFILE, "acr"]
    assert document["prompt_values_supported"] == ["none", "login", "select_account"]


def test_discovery_tells_of_consent_where_somebody_is_asked(world: World) -> None:
    """[DSC-11, EXT-2, TOP-13]"""

    def prompts() -> list[str]:
        document = world.http.get("/id/.well-known/openid-configuration").json()
        found: list[str] = document["prompt_values_supported"]
        return found

    assert prompts() == ["none", "login", "select_account"]
    world.change_application(BACKOFFICE, require_consent=True)
    assert prompts() == ["none", "login", "select_account", "consent"]
    world.change_application(BACKOFFICE, is_enabled=False)
    assert prompts() == ["none", "login", "select_account"]
