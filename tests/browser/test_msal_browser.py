"""`@azure/msal-browser` from npm, in a page of another site; it takes https only [CLI-7, AUT-7]."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page

from tests.browser.browser_applications import (
    press,
    sign_in,
    sign_in_by_a_window,
    sign_out,
)
from tests.browser.sites import IVAN, NINA, PETAR, Sites

pytestmark = [
    pytest.mark.usefixtures("libraries", "asked"),
    pytest.mark.parametrize("sites", ["https"], indirect=True),
]


def application(sites: Sites) -> str:
    return f"{sites.app.origin}/msal"


def test_from_sign_in_to_sign_out(sites: Sites, page: Page, asked: list[str]) -> None:
    """The answer comes in a fragment; then an API, refresh and sign-out, all across origins."""
    sign_in(page, application(sites), PETAR)
    (request,) = [url for url in asked if url.startswith(f"{sites.issuer}/connect/authorize?")]
    assert parse_qs(urlsplit(request).query)["response_mode"] == ["fragment"]
    assert press(page, "customers") == "Customers: 200"
    asked.clear()
    assert press(page, "renew") == "A new token"
    assert any(url.startswith(f"{sites.issuer}/connect/token") for url in asked)
    assert not any("/connect/authorize" in url for url in asked)  # by its refresh token [LIF-5]
    sign_out(page, application(sites))


def test_by_a_window(sites: Sites, page: Page) -> None:
    sign_in_by_a_window(page, application(sites), NINA)
    assert press(page, "customers") == "Customers: 200"


def test_after_the_session_ended_elsewhere(sites: Sites, page: Page, problems: list[str]) -> None:
    """[END-4, EP-7] No refresh token, no frame: it asks for the person, in its own terms."""
    sign_in(page, application(sites), IVAN)
    other = page.context.new_page()
    other.goto(f"{sites.issuer}/connect/endsession")
    other.click("button[type=submit]")
    other.wait_for_url(f"{sites.issuer}/connect/endsession")
    other.wait_for_function("document.querySelector('form') === null")
    assert press(page, "renew").startswith("InteractionRequiredAuthError")
    # Chromium does not like how the library makes its frame.
    assert all("sandbox" in problem for problem in problems)
    problems.clear()
