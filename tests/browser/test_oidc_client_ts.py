"""`oidc-client-ts` from npm, in a page of another site, on loopback and on https [CLI-7, EP-8]."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.browser_applications import (
    coming_back,
    press,
    prove_and_agree,
    sign_in,
    sign_in_by_a_window,
    sign_out,
    who,
)
from tests.browser.sites import BORIS, MIRA, VERA, Sites

pytestmark = pytest.mark.usefixtures("libraries", "asked")


def application(sites: Sites) -> str:
    return f"{sites.app.origin}/oidc-client-ts"


def test_from_sign_in_to_sign_out(sites: Sites, page: Page, asked: list[str]) -> None:
    """Code and PKCE, userinfo, an API, refresh, revocation and sign-out, all across origins."""
    sign_in(page, application(sites), MIRA)
    assert press(page, "customers") == "Customers: 200"
    asked.clear()
    assert press(page, "renew") == "A new token"
    assert f"{sites.issuer}/connect/token" in asked
    assert not any("/connect/authorize" in url for url in asked)  # by its refresh token [LIF-5]
    assert press(page, "customers") == "Customers: 200"
    sign_out(page, application(sites))
    assert f"{sites.issuer}/connect/revocation" in asked


def test_by_a_window(sites: Sites, page: Page) -> None:
    sign_in_by_a_window(page, application(sites), BORIS)
    assert press(page, "customers") == "Customers: 200"


def test_a_frame_renews_nothing(sites: Sites, page: Page) -> None:
    """[EP-7] Without a refresh token it tries a frame, to which a browser sends no cookie [SGN-4].

    The answer says so, and whoever presses the button is in again without a page [AUT-32, AUT-47].
    """
    page.goto(application(sites))
    page.uncheck("#offline")
    page.click("#sign-in")
    prove_and_agree(page, VERA)
    page.wait_for_url(application(sites))
    assert who(page) == VERA.name
    assert press(page, "renew").startswith("login_required: ")
    assert who(page) == VERA.name
    page.uncheck("#offline")
    with coming_back(page, f"{application(sites)}/callback"):
        page.click("#sign-in")
    assert who(page) == VERA.name
