"""Instance Manager in a real browser: with a mouse, with a keyboard, and without scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.accessibility import require_accessible
from tests.browser.conftest import OpenContext
from tests.browser.journeys import PHONE, fill_in
from tests.world import STOCK, World, sqlite_url

PAGES = [
    "",
    "/apps",
    "/apps/new",
    "/apps/new?kind=web",
    "/apps/{app}",
    "/apps/{app}/secrets",
    "/apps/{app}/tokens",
    "/apps/{app}/connect",
    "/apps/{app}/disable",
    "/users",
    "/users/new",
    "/users/{user}",
    "/invite",
    "/sessions",
    "/sessions/sign-ins",
    "/licences",
    "/keys",
    "/consents",
    "/audit",
    "/inspector",
    "/settings",
    "/settings/appearance",
    "/settings/appearance/remove-logo",
    "/settings/second-factors",
    "/sites",
    "/apps/events",
    "/apps/install?applicationUri=link.example%2Fa&impersonate=all",
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(sqlite_url(tmp_path_factory.mktemp("world"))).start()
    yield world
    world.stop()


def sign_in(page: Page, stage: World, path: str = "/manage") -> None:
    page.goto(stage.base + path)
    fill_in(page)
    page.wait_for_selector("nav.side", state="attached")


def ids(stage: World) -> dict[str, str]:
    (app,) = [r["id"] for r in stage.rows("applications") if r["application_uri"] == STOCK]
    (user,) = [r["id"] for r in stage.rows("users") if r["login"] == "mira.k"]
    return {"app": app, "user": user}


def test_every_page_is_accessible(stage: World, open_context: OpenContext) -> None:
    """In both themes on a desktop; on a phone nothing is wider than the screen."""
    page = open_context().new_page()
    sign_in(page, stage)
    for path in PAGES:
        page.goto(f"{stage.base}/manage{path.format(**ids(stage))}")
        require_accessible(page)
    context = open_context(**PHONE)
    page = context.new_page()
    sign_in(page, stage)
    for path in PAGES:
        page.goto(f"{stage.base}/manage{path.format(**ids(stage))}")
        inner, outer = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert inner <= outer, path


def test_an_application_with_the_keyboard_only(stage: World, page: Page) -> None:
    """From the list to the secret: nothing is clicked."""
    sign_in(page, stage, "/manage/apps")
    keys = page.keyboard

    def go_to(selector: str) -> None:
        for _ in range(60):
            if page.evaluate(f"document.activeElement.matches({selector!r})"):
                return
            keys.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector}")

    go_to("a[href$='/manage/apps/new']")
    keys.press("Enter")
    page.wait_for_url("**/apps/new")
    go_to("a[href$='kind=web']")
    keys.press("Enter")
    page.wait_for_url("**kind=web")
    go_to("#name_en")
    keys.type("Web shop")
    go_to("#uri")
    keys.type("keys.example/shop")
    go_to("#login_urls")
    keys.type("https://keys.example/callback")
    go_to("#scope_update")
    keys.press("Space")
    go_to("main button[type=submit]")
    keys.press("Enter")
    page.wait_for_selector("#client-secret")
    (made,) = [r for r in stage.rows("applications") if r["application_uri"] == "keys.example/shop"]
    assert made["scope"] == "read update"


def test_a_question_in_a_dialog(stage: World, page: Page) -> None:
    """Asked over the page; Escape leaves everything as it is, and a yes does it."""
    sign_in(page, stage, f"/manage/users/{ids(stage)['user']}")
    page.click("a[href$='/lock']")
    page.wait_for_selector("dialog[open]")
    require_accessible(page)
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.click("a[href$='/lock']")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("[role=status]")
    assert "locked" in page.inner_text("h1")
    page.click("a[href$='/unlock']")
    page.click("dialog button[type=submit]")
    page.wait_for_url("**done=user_unlocked")


def test_without_scripts_on_a_phone(stage: World, open_context: OpenContext) -> None:
    """Reserving a licence, and stopping an application and letting it go on."""
    page = open_context(**PHONE, java_script_enabled=False).new_page()
    sign_in(page, stage, "/manage/licences")
    page.fill("#login", "mira.k")
    page.click("form[action$='/reserve'] button")
    assert page.inner_text("td.main") == "mira.k"
    page.goto(f"{stage.base}/manage/apps/{ids(stage)['app']}")
    for act in ("disable", "enable"):
        page.click(f"a[href$='/{act}']")
        page.click("form.confirm button")
        page.wait_for_url(f"**done=app_{act}d")


def test_the_inspector(stage: World, page: Page) -> None:
    """What is pasted is not in the page that answers."""
    sign_in(page, stage, "/manage/inspector")
    page.fill("#token", "eyJhbGciOiJub25lIn0.e30.")
    page.click("main form button")
    page.wait_for_selector("[role=alert]")
    assert page.input_value("#token") == ""
    require_accessible(page)
