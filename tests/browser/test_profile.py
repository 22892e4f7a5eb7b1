"""Profile as a person uses it in a real browser, at a desk and on a phone, also without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.site_visits import quick_passwords
from tests.world import BACKOFFICE, PASSWORD, STOCK, World, sqlite_url

CUSTOMERS = "Crm_Sales_Customers?$top=1"
SCREENS = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


PROBLEMS: list[str] = []


def note(kind: str, text: str) -> None:
    """What a browser complains of, but for a form that is answered with 400 on purpose."""
    if kind in {"error", "warning"} and "status of 400" not in text:
        PROBLEMS.append(text)


@pytest.fixture(autouse=True)
def problems() -> Iterator[None]:
    """No script fails, and nothing is against the policy of a page.

    Looked at afterwards: what is raised in a listener ends the connection to the browser.
    """
    PROBLEMS.clear()
    yield
    assert PROBLEMS == []


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        world = World(sqlite_url(tmp_path_factory.mktemp("world")), customers=True)
        world.password_hash = quick_passwords(patch)
        world.start()
        world.change_user("mira.k", default_language="en")
        for uri in (BACKOFFICE, STOCK):
            world.change_application(uri, reference_tokens="AuthenticatedUsers")
        try:
            yield world
        finally:
            world.stop()


@pytest.fixture
def browser(chromium_browser: Browser) -> Browser:
    return chromium_browser


def context_of(browser: Browser, screen: str, **options: Any) -> BrowserContext:
    return browser.new_context(viewport=SCREENS[screen], locale="en-GB", **options)  # type: ignore[arg-type]


def signed_in(world: World, context: BrowserContext, path: str = "/profile") -> Page:
    """A page of the site, after the sign-in that it asks for; see `problems`."""
    page = context.new_page()
    page.on("pageerror", lambda error: PROBLEMS.append(str(error)))
    page.on("console", lambda told: note(told.type, told.text))
    page.goto(world.base + path)
    page.get_by_label("Login or email").fill("mira.k")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(world.base + path)
    return page


def go_to(page: Page, screen: str, name: str) -> None:
    """By the navigation, which a phone keeps behind a button."""
    if screen == "phone":
        page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def fits(page: Page) -> bool:
    """Whether nothing is wider than the screen."""
    wide: bool = page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    return wide


@pytest.mark.parametrize("screen", SCREENS)
def test_a_token_from_its_making_to_its_end(screen: str, world: World, browser: Browser) -> None:
    """[PRF-3..6]"""
    context = context_of(browser, screen)
    page = signed_in(world, context)
    go_to(page, screen, "Tokens")
    page.get_by_role("link", name=re.compile("New token|Make the first one")).first.click()
    page.get_by_role("link", name="Back office").click()
    page.get_by_label("What is it for?").fill(f"Excel of the {screen}")
    page.get_by_label("30 days").check()
    assert page.get_by_label("Read data in your name").is_checked()
    assert fits(page)
    page.get_by_role("button", name="Make the token").click()
    value = page.get_by_label("Token", exact=True).input_value()
    assert world.api(CUSTOMERS, value).status_code == 200
    assert value in page.get_by_label("Try it in a terminal").input_value()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert fits(page)
    page.reload()
    expect(page.get_by_text("This token was shown already")).to_be_visible()
    page.go_back()
    assert value not in page.content()
    page.goto(f"{world.base}/profile/security/tokens")
    row = page.get_by_role("row").filter(has_text=f"Excel of the {screen}")
    row.get_by_role("link", name="Revoke").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("End this token?")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    row.get_by_role("link", name="Revoke").press("Enter")
    dialog.get_by_role("button", name="End it").click()
    expect(page.get_by_text("The token works no more.")).to_be_visible()
    assert world.api(CUSTOMERS, value).status_code == 401
    context.close()


@pytest.mark.parametrize("screen", SCREENS)
def test_the_account(screen: str, world: World, browser: Browser, tmp_path: Path) -> None:
    """Picture, name and language, sign-ins, history, and out."""
    context, elsewhere = context_of(browser, screen), context_of(browser, "desk")
    other = signed_in(world, elsewhere)
    page = signed_in(world, context)
    file = tmp_path / "me.webp"
    Image.new("RGB", (500, 300), "#2060a0").save(file)
    page.get_by_label(re.compile("Add a picture|Another picture")).set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    shown = page.get_by_role("img", name="Your picture")
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.naturalWidth") == 128
    page.get_by_label("Language", exact=True).select_option("bg")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("За мен")
    assert fits(page)
    page.get_by_label("Език", exact=True).select_option("en")
    page.get_by_role("button", name="Запис").click()
    go_to(page, screen, "Sign-ins")
    page.get_by_role("button", name="Sign out all others").click()
    expect(page.get_by_text("All other browsers are signed out.")).to_be_visible()
    other.goto(f"{world.base}/profile")
    expect(other.get_by_role("heading", level=1)).to_have_text("Sign in")
    go_to(page, screen, "History")
    expect(page.get_by_text("The picture was changed").first).to_be_visible()
    assert fits(page)
    page.locator("button[popovertarget=account-menu]").click()
    page.locator("#account-menu").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    page.goto(f"{world.base}/profile")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    for one in (context, elsewhere):
        one.close()


def test_everything_without_scripts(world: World, browser: Browser) -> None:
    """A token, a password that is shown to be wrong, and a confirmation that is a page."""
    context = context_of(browser, "phone", java_script_enabled=False)
    page = signed_in(world, context, "/profile/security/tokens/new")
    page.get_by_role("link", name="Back office").click()
    page.get_by_label("What is it for?").fill("Without scripts")
    page.get_by_role("button", name="Make the token").click()
    assert page.get_by_label("Token", exact=True).input_value().startswith("enrt_")
    assert page.get_by_role("button", name="Copy").count() == 0  # it would do nothing
    page.get_by_role("link", name="I have copied it").click()
    row = page.get_by_role("row").filter(has_text="Without scripts")
    row.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_text("The token works no more.")).to_be_visible()
    page.goto(f"{world.base}/profile/security/password")
    page.get_by_label("Current password").fill("not this one")
    page.get_by_label("New password").fill("a long new sentence")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_label("Current password")).to_have_attribute("aria-invalid", "true")
    context.close()
