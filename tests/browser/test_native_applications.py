"""Applications of phones and desktops: the browser's way back to them (RFC 8252) [CLI-9, SGN-9].

No browser of a test has such an application to open. What it does is seen in its requests: a
redirect that the page's policy lets through is one, a redirect that it blocks is none.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pyotp
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import OpenContext
from tests.browser.journeys import fill_in
from tests.browser.sites import ANA, MIRA, NATIVE, Sites
from tests.wire.test_serve import free_port
from tests.world import payload_of, pkce

SCHEME = "com.example.app:/callback"
LOOPBACK = ["http://127.0.0.1:{port}/native", "http://[::1]:{port}/native"]
VERIFIER, CHALLENGE = pkce()
TARGET = re.compile(r"(form-action 'self') [^ ;]+")


def authorize_url(sites: Sites, redirect_uri: str, **more: str) -> str:
    asked = {
        "client_id": NATIVE,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": "openid profile read",
        "state": "s-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return f"{sites.issuer}/connect/authorize?{urlencode(asked | more)}"


def leave(page: Page, button: str, address: str) -> dict[str, str]:
    """Press the last button; returns what the application at `address` is told."""
    with page.expect_request(lambda request: request.url.startswith(address)) as leaving:
        page.click(button)
    return dict(parse_qsl(urlsplit(leaving.value.url).query))


def h1(page: Page) -> str:
    return page.inner_text("h1")


def redeem(sites: Sites, code: str, redirect_uri: str) -> dict[str, Any]:
    """What the application does next, without a browser and without a secret."""
    form = {
        "grant_type": "authorization_code",
        "client_id": NATIVE,
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": VERIFIER,
    }
    answer = sites.direct.post("/id/connect/token", data=form)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def test_the_return_to_a_custom_scheme(sites: Sites, page: Page) -> None:
    """After the password and after consent; the cookies are those of [SGN-4]."""
    page.goto(authorize_url(sites, SCHEME, prompt="consent"))
    fill_in(page, MIRA.login)
    page.wait_for_selector(".scopes")
    answer = leave(page, "button[value=allow]", SCHEME)
    assert answer["state"] == "s-1"
    assert answer["iss"] == sites.issuer
    tokens = redeem(sites, answer["code"], SCHEME)
    assert payload_of(tokens["access_token"])["name"] == MIRA.name
    for cookie in page.context.cookies():
        assert cookie["name"].startswith("__Host-mintgate-" if sites.is_https else "mintgate-")
        assert cookie["secure"] is sites.is_https


@pytest.mark.parametrize("redirect", LOOPBACK, ids=["127.0.0.1", "[::1]"])
def test_the_return_to_a_loopback_address(redirect: str, sites: Sites, page: Page) -> None:
    """[TAP-23] With any port; from https, too, where a browser warns of other plain http."""
    redirect_uri = redirect.format(port=free_port())
    page.goto(authorize_url(sites, redirect_uri, prompt="consent"))
    fill_in(page, MIRA.login)
    page.wait_for_selector(".scopes")
    answer = leave(page, "button[value=allow]", redirect_uri)
    assert "access_token" in redeem(sites, answer["code"], redirect_uri)


def test_with_a_second_factor_on_the_way(sites: Sites, open_context: OpenContext) -> None:
    """It is set up, then used: the pages of both let the browser leave."""
    page = open_context().new_page()
    page.goto(authorize_url(sites, SCHEME))
    fill_in(page, ANA.login)
    page.wait_for_selector("#secret", state="attached")
    secret = str(page.text_content("#secret")).replace(" ", "")
    page.fill("#one_time_code", pyotp.TOTP(secret).now())
    page.click("button[value=confirm]")
    page.wait_for_selector("#codes")
    recovery_code = page.input_value("#codes").split()[0]
    page.click("button[value=continue]")
    page.wait_for_selector(".scopes")
    assert "code" in leave(page, "button[value=allow]", SCHEME)

    page = open_context().new_page()
    page.goto(authorize_url(sites, SCHEME))
    fill_in(page, ANA.login)
    page.click("a[href*='use=recovery']")
    page.fill("#one_time_code", recovery_code)
    answer = leave(page, "button[value=verify]", SCHEME)
    id_token = redeem(sites, answer["code"], SCHEME)["id_token"]
    assert payload_of(id_token)["amr"] == ["pwd", "otp", "mfa"]


@pytest.mark.parametrize("refuse", ["cancel", "deny"])
def test_who_does_not_want_to_gets_back_too(refuse: str, sites: Sites, page: Page) -> None:
    """[AUT-33]"""
    page.goto(authorize_url(sites, SCHEME, prompt="consent"))
    if refuse == "deny":
        fill_in(page, MIRA.login)
        page.wait_for_selector(".scopes")
    answer = leave(page, f"button[value={refuse}]", SCHEME)
    assert answer["error"] == "access_denied"
    assert answer["state"] == "s-1"


def test_sign_out_and_back(sites: Sites, page: Page) -> None:
    """[END-8] The page that says so has a link to the application's own scheme.

    It is opened in another tab: in the first one Chromium asks whether to open the application.
    """
    page.goto(authorize_url(sites, SCHEME, prompt="consent"))
    fill_in(page, MIRA.login)
    page.wait_for_selector(".scopes")
    leave(page, "button[value=allow]", SCHEME)
    page = page.context.new_page()
    back = "com.example.app:/signed-out"
    asked = {"client_id": NATIVE, "post_logout_redirect_uri": back, "state": "s-2"}
    page.goto(f"{sites.issuer}/connect/endsession?{urlencode(asked)}")
    page.click("button[type=submit]")
    page.wait_for_selector("#return")
    assert leave(page, "#return", back) == {"state": "s-2"}


def test_a_page_without_the_way_back_in_its_policy(
    sites: Sites, page: Page, problems: list[str]
) -> None:
    """[SGN-9] Shows that the tests above see it: the browser obeys, and the person is stuck."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    take_targets_out_of_policies(page)
    page.goto(authorize_url(sites, SCHEME, prompt="consent"))
    fill_in(page, MIRA.login)
    page.wait_for_selector(".scopes")
    with page.expect_console_message(lambda message: "policy violated" in message.text):
        page.click("button[value=allow]")
    assert h1(page) == "Allow Shop on the phone?"
    assert not any(url.startswith(SCHEME) for url in asked)
    assert all("form-action" in problem for problem in problems)
    problems.clear()


def take_targets_out_of_policies(page: Page) -> None:
    """Let the browser see pages whose forms may lead to the instance only."""
    session = page.context.new_cdp_session(page)

    def go_on(paused: dict[str, Any]) -> None:
        name = {"requestId": paused["requestId"]}
        if paused.get("responseStatusCode") != 200:
            session.send("Fetch.continueRequest", name)
            return
        headers = paused["responseHeaders"]
        for header in headers:
            if header["name"].lower() == "content-security-policy":
                header["value"], changes = TARGET.subn(r"\1", header["value"])
                assert changes == 1, header
        body = session.send("Fetch.getResponseBody", name)["body"]
        answer = {"responseCode": 200, "responseHeaders": headers, "body": body}
        session.send("Fetch.fulfillRequest", name | answer)

    session.on("Fetch.requestPaused", go_on)
    pattern = {"resourceType": "Document", "requestStage": "Response"}
    session.send("Fetch.enable", {"patterns": [pattern]})
