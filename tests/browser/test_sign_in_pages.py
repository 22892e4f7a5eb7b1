"""The pages of signing in, as a person meets them in a real browser."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Response

from tests.browser.accessibility import require_accessible
from tests.browser.conftest import OpenContext
from tests.browser.journeys import (
    PHONE,
    an_application,
    answer_of,
    authorize_url,
    fill_in,
)
from tests.world import BACKOFFICE, PASSWORD, World, sqlite_url

MAX_PAGE_BYTES = 100_000


@pytest.fixture(scope="module")
def callback() -> Iterator[str]:
    with an_application() as redirect_uri:
        yield redirect_uri


@pytest.fixture(scope="module")
def asking_world(tmp_path_factory: pytest.TempPathFactory, callback: str) -> Iterator[World]:
    """Whose back office asks for consent."""
    world = World(sqlite_url(tmp_path_factory.mktemp("world"))).start()
    world.change_application(BACKOFFICE, require_consent=True, impersonate_login_url=callback)
    yield world
    world.stop()


@pytest.fixture
def usual_world(world: World, callback: str) -> World:
    world.change_application(BACKOFFICE, impersonate_login_url=callback)
    return world


def h1(page: Page) -> str:
    return page.inner_text("h1")


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_every_page_is_accessible(
    device: dict[str, Any], asking_world: World, callback: str, open_context: OpenContext
) -> None:
    """In both themes; and none is wider than the screen.

    On a phone the same elements are narrower, and nothing else: axe-core need not look again.
    """
    context = open_context(**device)
    page = context.new_page()
    seen = []

    def look() -> None:
        seen.append(h1(page))
        if not device:
            require_accessible(page)
        inner, outer = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert inner <= outer, seen[-1]

    page.goto(asking_world.base)
    look()
    page.goto(authorize_url(asking_world, callback))
    look()
    fill_in(page, password="wrong")
    page.wait_for_selector("[role=alert]")
    look()
    fill_in(page)
    page.wait_for_selector(".scopes")
    look()
    page.goto(authorize_url(asking_world, callback, prompt="select_account"))
    look()
    page.goto(f"{asking_world.issuer}/connect/endsession")
    look()
    page.click("button[type=submit]")
    page.wait_for_function("document.querySelector('form') === null")
    look()
    for address in ("/id/signin?interaction=x", "/id/connect/authorize", "/id/nothing"):
        page.goto(asking_world.base + address)
        look()
    assert seen == [
        "Sites",
        "Sign in",
        "Sign in",
        "Allow Back office?",
        "Choose an account",
        "Sign out?",
        "You are signed out",
        "This page has expired",
        "This request can't be answered",
        "There is no such page",
    ]


def test_with_the_keyboard_only(asking_world: World, callback: str, page: Page) -> None:
    """From the address to the application: nothing is clicked."""
    page.goto(authorize_url(asking_world, callback))
    keys = page.keyboard
    page.wait_for_selector("#login:focus")  # the cursor is there already
    keys.type("ada")
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Tab")  # show the password
    keys.press("Tab")
    keys.press("Space")
    assert page.is_checked("#remember")
    keys.press("Tab")
    keys.press("Enter")
    page.wait_for_selector(".scopes")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.value") == "allow"
    keys.press("Enter")
    assert "code" in answer_of(page, callback)


def test_without_scripts(asking_world: World, callback: str, open_context: OpenContext) -> None:
    page = open_context(java_script_enabled=False).new_page()
    page.goto(authorize_url(asking_world, callback, prompt="consent"))
    assert page.is_hidden("[data-reveal]")
    fill_in(page, password="wrong")
    assert page.inner_text("[role=alert]").startswith("The login or the password is not right.")
    fill_in(page)
    page.click("button[value=deny]")
    assert answer_of(page, callback)["error"] == "access_denied"
    page.goto(f"{asking_world.issuer}/connect/endsession")
    page.click("button[type=submit]")
    assert h1(page) == "You are signed out"


def test_after_a_wrong_password(usual_world: World, callback: str, page: Page) -> None:
    """All that was typed is there, but the password; and the cursor is where it is needed."""
    page.goto(authorize_url(usual_world, callback))
    page.check("#remember")
    fill_in(page, "mira.k", "wrong")
    page.wait_for_selector("[role=alert]")
    assert page.input_value("#login") == "mira.k"
    assert page.input_value("#password") == ""
    assert page.is_checked("#remember")
    assert page.evaluate("document.activeElement.id") == "password"


def test_a_password_can_be_shown(usual_world: World, callback: str, page: Page) -> None:
    page.goto(authorize_url(usual_world, callback))
    page.fill("#password", "secret")
    page.click("[data-reveal]")
    assert page.get_attribute("#password", "type") == "text"
    assert page.get_attribute("[data-reveal]", "aria-pressed") == "true"
    page.click("[data-reveal]")
    assert page.get_attribute("#password", "type") == "password"


def test_caps_lock_is_told(usual_world: World, callback: str, page: Page) -> None:
    page.goto(authorize_url(usual_world, callback))
    page.focus("#password")
    press = """on => document.getElementById("password").dispatchEvent(
        new KeyboardEvent("keydown", { key: "A", bubbles: true, modifierCapsLock: on }))"""
    page.evaluate(press, True)
    assert page.inner_text("[data-caps]") == "Caps Lock is on"
    page.evaluate(press, False)
    assert page.inner_text("[data-caps]") == ""


def test_pressed_twice(usual_world: World, callback: str, page: Page) -> None:
    """One sign-in, and the person is where they wanted to be."""
    page.goto(authorize_url(usual_world, callback))
    page.fill("#login", "ada")
    page.fill("#password", PASSWORD)
    page.dblclick("button[value=sign_in]")
    assert "code" in answer_of(page, callback)
    assert len(usual_world.events("user.signed_in")) == 1


def test_back_to_a_form_that_is_done(usual_world: World, callback: str, page: Page) -> None:
    """The page says what is, and the form can't be sent once more."""
    page.goto(authorize_url(usual_world, callback))
    fill_in(page)
    answer_of(page, callback)
    page.go_back()
    assert h1(page) == "This page has expired"


def test_in_several_tabs(usual_world: World, callback: str, page: Page) -> None:
    """Each has a request of its own; signing in at one does not break the other."""
    other = page.context.new_page()
    page.goto(authorize_url(usual_world, callback, state="first"))
    other.goto(authorize_url(usual_world, callback, state="second"))
    fill_in(page)
    assert answer_of(page, callback)["state"] == "first"
    fill_in(other)
    assert answer_of(other, callback)["state"] == "second"


def test_a_form_that_was_open_too_long(usual_world: World, callback: str, page: Page) -> None:
    page.goto(authorize_url(usual_world, callback))
    usual_world.clock.advance(86_400)
    fill_in(page)
    page.wait_for_function("document.querySelector('form') === null")
    assert h1(page) == "This page has expired"
    page.goto(authorize_url(usual_world, callback))
    fill_in(page)
    assert "code" in answer_of(page, callback)


def test_in_the_language_of_the_browser(
    usual_world: World, callback: str, open_context: OpenContext
) -> None:
    page = open_context(locale="bg-BG").new_page()
    page.goto(authorize_url(usual_world, callback))
    assert h1(page) == "Вход"
    assert page.get_attribute("html", "lang") == "bg"
    require_accessible(page)


@pytest.mark.parametrize("scripts", [True, False])
def test_an_answer_that_is_a_form(
    scripts: bool, usual_world: World, callback: str, open_context: OpenContext
) -> None:
    """[AUT-43] It sends itself; without scripts there is a button."""
    page = open_context(java_script_enabled=scripts).new_page()
    page.goto(authorize_url(usual_world, callback, response_mode="form_post"))
    fill_in(page)
    if not scripts:
        assert h1(page) == "Back to the application"
        page.click("main button")
    page.wait_for_url(callback)


def test_with_a_name_a_colour_and_a_logo_of_its_own(
    a_world: Callable[..., World], callback: str, page: Page
) -> None:
    """Read from the declared file; a yellow that nobody could read becomes one that can be."""
    picture = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    logo = f"data:image/svg+xml;base64,{b64encode(picture).decode()}"
    settings = f'display_name = "Orion Trade"\naccent_colour = "#ffe600"\nlogo = "{logo}"'
    world = a_world(instance_settings=settings)
    world.change_application(BACKOFFICE, impersonate_login_url=callback)
    page.goto(authorize_url(world, callback))
    assert page.title() == "Sign in · Orion Trade"
    assert page.evaluate("document.querySelector('.mark img').naturalWidth") > 0
    require_accessible(page)
    address = page.get_attribute(".mark img", "src")
    policy = world.http.get(str(address)).headers["content-security-policy"]
    assert policy.endswith("sandbox")  # opened by itself it runs nothing either


def test_small_quick_and_steady(
    asking_world: World, callback: str, open_context: OpenContext
) -> None:
    """Under 100 KB, nothing from elsewhere, and nothing moves while it loads."""
    page = open_context().new_page()
    loaded: list[Response] = []
    page.on("response", lambda one: loaded.append(one))
    page.goto(authorize_url(asking_world, callback), wait_until="networkidle")
    assert all(one.url.startswith(asking_world.base) for one in loaded)
    assert sum(len(one.body()) for one in loaded if one.status == 200) < MAX_PAGE_BYTES
    shift = """() => new Promise((tell) => {
        new PerformanceObserver((list) => tell(list.getEntries().length))
          .observe({ type: "layout-shift", buffered: true });
        setTimeout(() => tell(0), 300);
    })"""
    assert page.evaluate(shift) == 0
