"""`/connect/endsession` (§3.9)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.world import BACKOFFICE, FULL, LOGOUT, REDIRECT, SPA, Browser, World, answer_of

# In the language of who is or was signed in.
SIGN_OUT, SIGNED_OUT = "<h1>Изход?</h1>", "<h1>Излязохте</h1>"
ENDPOINT = "/id/connect/endsession"


def signed_in(world: World) -> tuple[Browser, dict[str, Any]]:
    browser = world.browser()
    code = answer_of(browser.sign_in(scope=FULL))["code"]
    tokens: dict[str, Any] = world.redeem(code).json()
    return browser, tokens


def is_signed_in(browser: Browser) -> bool:
    return "code" in answer_of(browser.authorize(prompt="none"))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_with_a_hint(method: str, world: World) -> None:
    """[END-2, END-4, END-5, END-6, LIF-15, DIF-48]"""
    browser, tokens = signed_in(world)
    parameters = {
        "id_token_hint": tokens["id_token"],
        "post_logout_redirect_uri": LOGOUT,
        "state": "a b&c",
    }
    world.clock.advance(1000)  # [END-3] an expired hint is fine
    if method == "GET":
        answer = browser.http.get(ENDPOINT, params=parameters)
    else:
        answer = browser.follow(browser.http.post(ENDPOINT, data=parameters))
        assert tokens["id_token"] not in str(answer.url)
    assert answer.status_code == 303
    assert answer.headers["location"] == LOGOUT + "?state=a%20b%26c"
    assert not is_signed_in(browser)
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.api("Crm_Sales_Customers", tokens["access_token"]).status_code == 200


def test_without_a_hint_the_person_is_asked(world: World) -> None:
    """[END-2, END-8]"""
    browser, tokens = signed_in(world)
    parameters = {"client_id": BACKOFFICE, "post_logout_redirect_uri": LOGOUT, "state": "x"}
    page = browser.http.get(ENDPOINT, params=parameters)
    assert SIGN_OUT in page.text
    assert is_signed_in(browser)
    done = browser.submit(page)
    assert SIGNED_OUT in done.text
    assert f'href="{LOGOUT}?state=x"' in done.text
    assert not is_signed_in(browser)
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_forged_confirmation_signs_nobody_out(world: World) -> None:
    """[END-2, SGN-5]"""
    browser, _ = signed_in(world)
    page = browser.follow(browser.http.post(ENDPOINT, data={"anti_forgery": "forged"}))
    assert SIGN_OUT in page.text
    assert is_signed_in(browser)


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("https://evil.example/", id="END-7-unknown"),
        pytest.param(REDIRECT, id="TAP-24"),
        pytest.param(LOGOUT + "x", id="END-6-prefix"),
        pytest.param(LOGOUT[:-1], id="END-6-slash"),
    ],
)
def test_unregistered_uri(uri: str, world: World) -> None:
    """[END-7] signed out all the same, and no redirect."""
    browser, tokens = signed_in(world)
    answer = browser.http.get(
        ENDPOINT,
        params={"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": uri},
    )
    assert answer.status_code == 200
    assert SIGNED_OUT in answer.text
    assert uri not in answer.text
    assert not is_signed_in(browser)


def tamper(token: str) -> str:
    head, payload, signature = token.split(".")
    return f"{head}.{payload}.{'A' * 20}{signature[20:]}"


@pytest.mark.parametrize("kind", ["tampered", "garbage", "access token", "other client"])
def test_void_hint(kind: str, world: World) -> None:
    """[END-3] as if there was no hint: the person is asked, nobody is redirected."""
    browser, tokens = signed_in(world)
    hint = {
        "tampered": tamper(tokens["id_token"]),
        "garbage": "x.y.z",
        "access token": tokens["access_token"],
        "other client": tokens["id_token"],
    }[kind]
    parameters = {"id_token_hint": hint, "post_logout_redirect_uri": LOGOUT}
    if kind == "other client":
        parameters["client_id"] = SPA
    page = browser.http.get(ENDPOINT, params=parameters)
    assert SIGN_OUT in page.text
    assert "Обратно към приложението" not in browser.submit(page).text


def test_hint_of_another_session(world: World) -> None:
    """[END-2]"""
    _, others = signed_in(world)
    browser, _ = signed_in(world)
    page = browser.http.get(ENDPOINT, params={"id_token_hint": others["id_token"]})
    assert SIGN_OUT in page.text


def test_nobody_is_signed_in(shared_world: World) -> None:
    answer = shared_world.http.get(ENDPOINT)
    assert "You are signed out" in answer.text


def test_sign_out_drops_the_cookie(world: World) -> None:
    browser, tokens = signed_in(world)
    answer: httpx.Response = browser.http.get(
        ENDPOINT, params={"id_token_hint": tokens["id_token"]}
    )
    assert "max-age=0" in answer.headers["set-cookie"].lower()


def test_a_genuine_hint_ends_what_the_session_gave(world: World) -> None:
    """[END-4, LIF-15] also when the browser's session is over already."""
    browser, tokens = signed_in(world)
    world.clock.advance(24 * 3600)
    answer = browser.http.get(
        ENDPOINT,
        params={"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": LOGOUT},
    )
    assert answer.headers["location"] == LOGOUT
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_hint_ends_no_sign_in_of_another_browser(world: World) -> None:
    """[END-2] who holds an ID token, however old, can end nothing from where nobody is signed in"""
    browser, tokens = signed_in(world)
    elsewhere = world.browser().http.get(
        ENDPOINT,
        params={"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": LOGOUT},
    )
    assert elsewhere.headers["location"] == LOGOUT  # there, nobody is signed in
    assert world.events("user.signed_out") == []
    assert "code" in answer_of(browser.authorize(prompt="none"))
    assert world.refresh(tokens["refresh_token"]).status_code == 200


def test_the_hint_is_stored_nowhere(world: World) -> None:
    """[TOK-14]"""
    browser, tokens = signed_in(world)
    hint = tokens["id_token"]
    page = browser.follow(browser.http.post(ENDPOINT, data={"id_token_hint": hint + "x"}))
    browser.http.post(ENDPOINT, data={"id_token_hint": hint, "padding": "y" * 50_000})
    assert hint not in page.text
    path = world.database_url.removeprefix("sqlite:///")
    for suffix in ("", "-wal"):
        with open(path + suffix, "rb") as file:
            data = file.read()
        assert hint.encode() not in data
        assert b"y" * 100 not in data


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_state_comes_back_whole(method: str, world: World) -> None:
    """[END-6] also one of many kilobytes; one that is too long is refused, never cut"""
    browser, tokens = signed_in(world)
    state = "/заявка?" + "x" * 12_000

    def ask(state: str) -> httpx.Response:
        asked = {
            "id_token_hint": tokens["id_token"],
            "post_logout_redirect_uri": LOGOUT,
            "state": state,
        }
        if method == "GET":
            return browser.http.get(ENDPOINT, params=asked)
        return browser.follow(browser.http.post(ENDPOINT, data=asked))

    refused = ask("x" * 20_000)
    assert refused.status_code == 400
    assert "too long" in refused.text
    assert is_signed_in(browser)
    assert answer_of(ask(state)) == {"state": state}
    assert not is_signed_in(browser)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ui_locales(method: str, world: World) -> None:
    """[END-1, AUT-11] for who has chosen no language"""

    def ask(browser: Browser, locales: str) -> httpx.Response:
        asked = {"ui_locales": locales}
        if method == "GET":
            return browser.http.get(ENDPOINT, params=asked)
        return browser.follow(browser.http.post(ENDPOINT, data=asked))

    assert SIGNED_OUT in ask(world.browser(), "xx bg").text
    assert "You are signed out" in ask(world.browser(), "xx <bg>").text
    mira, ada = world.browser(), world.browser()
    mira.sign_in("mira.k")
    assert SIGN_OUT in ask(mira, "en").text
    ada.sign_in("ada")
    page = ask(ada, "bg en")
    assert SIGN_OUT in page.text
    assert SIGNED_OUT in ada.submit(page).text


def test_methods(shared_world: World) -> None:
    """[EP-9]"""
    for path in ("signin", "connect/endsession", "consent"):
        answer = shared_world.http.put(f"/id/{path}")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
