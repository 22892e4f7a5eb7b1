"""The parts that all pages are made of, on a page of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
import uvicorn
from jinja2 import ChoiceLoader, FileSystemLoader
from playwright.sync_api import Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from mintgate.contract.instance import Instance
from mintgate.sites import charts, rendering
from mintgate.sites.assets import Assets
from mintgate.sites.rendering import Entry, PageRenderer, Shell
from tests.browser.accessibility import require_accessible
from tests.browser.conftest import OpenContext
from tests.browser.journeys import PHONE

DAYS = [(f"{day} Nov", (day * 3 % 17 * 10, day * 5 % 11 * 8)) for day in range(1, 31)]
SHELL = Shell(
    site="Instance Manager",
    home="/parts",
    entries=[
        Entry("Dashboard", "/dashboard", "chart"),
        Entry("Applications", "/parts", "apps"),
        Entry("Keys", "/keys", "key"),
    ],
    current="/parts",
    user_name="Мира Коларова",
    login="mira.k@orion.example",
    sign_out_url="/signed-out",
    anti_forgery="x",
    others=[Entry("Profile", "/profile", "user")],
)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """A server of these pages; gives its base URL."""
    listener = create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    renderer = PageRenderer(Instance(id="1", name="orion", database="X", base_url=url))
    environment = rendering.environment("en")
    before = environment.loader
    assert before is not None
    environment.loader = ChoiceLoader([before, FileSystemLoader(Path(__file__).parent / "parts")])

    async def page(request: Request) -> Response:
        values: dict[str, Any] = {
            "bar_chart": charts.stacked_bars(["access", "refresh"], DAYS),
            "line_chart": charts.lines(["expired", "revoked"], DAYS),
        }
        name = {"/confirm": "confirm.html"}.get(request.url.path, "parts.html")
        return renderer.page(request, name, shell=SHELL, **values)

    paths = ("/parts", "/confirm", "/revoked", "/keys", "/signed-out")
    routes = [Route(path, page, methods=["GET", "POST"]) for path in paths]
    app = Starlette(routes=[*routes, Mount("/id/assets", Assets())])
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield url
    server.should_exit = True
    thread.join(10)
    environment.loader = before


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_the_parts_are_accessible(
    device: dict[str, Any], base: str, open_context: OpenContext
) -> None:
    page = open_context(**device).new_page()
    page.goto(f"{base}/parts")
    require_accessible(page)
    inner, outer = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert inner <= outer
    page.goto(f"{base}/confirm")
    require_accessible(page)


def test_a_confirmation_is_a_dialog(base: str, page: Page) -> None:
    """Esc and Cancel close it, and the focus is where it was; the form is that of the page."""
    page.goto(f"{base}/parts")
    link = page.locator("a[data-confirm]").first
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    require_accessible(page)
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert link.evaluate("link => link === document.activeElement")
    link.click()
    page.click("dialog [data-close]")
    page.wait_for_selector("dialog", state="detached")
    link.click()
    with page.expect_request(f"{base}/revoked") as sent:
        page.click("dialog button[type=submit]")
    assert sent.value.post_data == "id=1"


def test_a_confirmation_without_scripts_is_a_page(base: str, open_context: OpenContext) -> None:
    page = open_context(java_script_enabled=False).new_page()
    page.goto(f"{base}/parts")
    page.locator("a[data-confirm]").first.click()
    assert page.inner_text("h1") == "Revoke this token?"

    with page.expect_request(f"{base}/revoked"):
        page.click(".confirm button[type=submit]")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_navigation_on_a_phone(scripts: bool, base: str, open_context: OpenContext) -> None:
    """It is behind a button, which needs no script."""
    page = open_context(java_script_enabled=scripts, **PHONE).new_page()
    page.goto(f"{base}/parts")
    assert page.is_hidden("#navigation")
    page.click(".menu-button")
    assert page.is_visible("#navigation")
    if scripts:
        require_accessible(page)
    page.click("#navigation a[href$='/keys']")
    page.wait_for_url(f"{base}/keys")


def test_the_menu_of_the_account(base: str, page: Page) -> None:
    page.goto(f"{base}/parts")
    page.focus("[popovertarget=account-menu]")
    page.keyboard.press("Enter")
    assert page.is_visible("#account-menu")
    page.keyboard.press("Escape")
    assert page.is_hidden("#account-menu")
    page.keyboard.press("Enter")
    with page.expect_request(f"{base}/signed-out") as sent:
        page.click("#account-menu button[type=submit]")
    assert sent.value.post_data == "anti_forgery=x"


def test_the_keyboard_can_skip_the_navigation(base: str, page: Page) -> None:
    page.goto(f"{base}/keys")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_a_value_is_copied(base: str, open_context: OpenContext) -> None:
    page = open_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    page.goto(f"{base}/parts")
    page.click("[data-copy=token]")
    page.wait_for_function("document.querySelector('[data-copy=token]').innerText === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == page.input_value("#token")


def test_leaving_a_changed_form_is_asked(base: str, page: Page) -> None:
    page.goto(f"{base}/parts")
    asked = []

    def answer(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    page.fill("#name", "changed")
    page.goto(f"{base}/keys")
    assert asked == ["beforeunload"]
