"""Profile and second factors, looked at by axe-core in both themes, and with the keyboard only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyotp
import pytest
from playwright.sync_api import Page

from mintgate.identity.mail.post import ConsolePost
from tests.browser.accessibility import require_accessible
from tests.browser.conftest import OpenContext
from tests.browser.journeys import PHONE, an_application, authorize_url, fill_in
from tests.browser.test_passkeys import Phone, without_offers
from tests.wire.second_factor_world import REQUIRED
from tests.world import BACKOFFICE, PASSWORD, World

PAGES = [
    "",
    "/email",
    "/security/password",
    "/security/second-factors",
    "/security/second-factors/app",
    "/security/second-factors/app/remove",
    "/security/tokens",
    "/security/tokens/new",
    "/security/sign-ins",
    "/security/history",
    "/applications",
    "/devices",
]


@pytest.fixture(scope="module")
def callback() -> Iterator[str]:
    with an_application() as redirect_uri:
        yield redirect_uri


def sign_in(page: Page, world: World) -> None:
    page.goto(world.base + "/profile")
    fill_in(page)
    page.wait_for_url(world.base + "/profile")


def fits(page: Page) -> bool:
    wide: bool = page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    return wide


def test_every_page_of_profile(a_world: Callable[..., World], open_context: OpenContext) -> None:
    """In both themes on a desktop; on a phone nothing is wider than the screen."""
    world = a_world(host="localhost", post=ConsolePost())
    world.change_application(BACKOFFICE, reference_tokens="AuthenticatedUsers")
    world.change_user("ada", email="ada@orion.example")
    for device in ({}, PHONE):
        page = open_context(**device).new_page()
        sign_in(page, world)
        for path in PAGES:
            page.goto(world.base + "/profile" + path)
            assert fits(page), path
            if not device:
                require_accessible(page)


def test_every_page_of_second_factors(
    a_world: Callable[..., World], callback: str, open_context: OpenContext
) -> None:
    """[USR-8] set up at a sign-in, codes, the second step in each of its ways, and Profile"""
    world = a_world(host="localhost", instance_settings=REQUIRED)
    world.change_application(BACKOFFICE, impersonate_login_url=callback)
    page = open_context().new_page()
    Phone(page)
    seen: list[str] = []

    def look() -> None:
        seen.append(page.inner_text("h1"))
        require_accessible(page)

    def code(secret: str) -> str:
        return pyotp.TOTP(secret).at(int(world.clock()))

    page.goto(authorize_url(world, callback))
    fill_in(page)
    page.wait_for_selector("ol.steps")
    look()
    page.click("summary")
    secret = page.inner_text("#secret").replace(" ", "")
    page.fill("#one_time_code", "000000" if code(secret) != "000000" else "111111")
    page.click("button[value=confirm]")
    page.wait_for_selector("[role=alert]:visible")
    look()
    page.fill("#one_time_code", code(secret))
    page.click("button[value=confirm]")
    page.wait_for_selector("#codes")
    look()
    page.click("button[value=continue]")
    page.wait_for_url(f"{callback}?*")

    page.goto(authorize_url(world, callback, prompt="login"))
    fill_in(page)
    page.wait_for_selector("#one_time_code")
    look()
    page.fill("#one_time_code", "1")
    page.click("button[value=verify]")
    page.wait_for_selector("[role=alert]:visible")
    look()
    page.click("a[href*='use=recovery']")
    look()
    world.clock.advance(30)
    page.click("p.after a")
    page.fill("#one_time_code", code(secret))
    page.click("button[value=verify]")
    page.wait_for_url(f"{callback}?*")

    root = f"{world.base}/profile/security/second-factors"
    page.goto(root)
    look()
    page.goto(root + "/app")
    look()
    page.fill("#one_time_code", "1")
    page.click("main button[type=submit]")
    page.wait_for_selector("p.error:visible")
    look()
    page.goto(root)
    page.fill("#name", "Laptop")
    page.click("button[data-passkey-use]")
    page.wait_for_selector("td:has-text('Laptop')")
    look()
    for link in ("/rename", "/remove"):
        page.click(f"a[href$='{link}'][href*='/passkeys/']")
        page.wait_for_selector("dialog[open]")
        look()
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
    page.click("button:has-text('Make new recovery codes')")
    page.wait_for_selector("#codes")
    look()
    page.click("text=I have kept them")  # who leaves otherwise is asked
    without_offers(page)  # or the phone signs in by itself, in the field for the login
    page.goto(authorize_url(world, callback, prompt="login"))
    fill_in(page)
    page.wait_for_selector("button[data-passkey-use]:visible")  # both ways are offered
    look()
    assert seen == [
        *["Set up a second factor"] * 2,
        "Recovery codes",
        *["Second step"] * 3,
        "Second factors",
        *["Set up an app"] * 2,
        *["Second factors"] * 3,
        "Recovery codes",
        "Second step",
    ]


def test_a_token_with_the_keyboard_only(a_world: Callable[..., World], page: Page) -> None:
    """[PRF-4] from the sign-in to the value: nothing is clicked."""
    world = a_world()
    world.change_application(BACKOFFICE, reference_tokens="AuthenticatedUsers")
    keys = page.keyboard

    def go_to(selector: str) -> None:
        for _ in range(60):
            if page.evaluate(f"document.activeElement.matches({selector!r})"):
                return
            keys.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector}")

    page.goto(world.base + "/profile/security/tokens")
    page.wait_for_selector("#login:focus")
    keys.type("ada")
    go_to("#password")
    keys.type(PASSWORD)
    keys.press("Enter")
    page.wait_for_url("**/security/tokens")
    go_to("a[href$='/security/tokens/new']")
    keys.press("Enter")
    page.wait_for_url("**/tokens/new*")
    if page.locator("#description").count() == 0:
        go_to("a[href*='?application=']")
        keys.press("Enter")
        page.wait_for_selector("#description")
    go_to("#description")
    keys.type("Keyboard")
    go_to("[name=days]")
    keys.press("ArrowUp")  # from a year to 90 days
    go_to("main form button[type=submit]")
    keys.press("Enter")
    page.wait_for_selector("input[value^='enrt_']")
    (made,) = world.rows("reference_tokens")
    assert made["description"] == "Keyboard"
