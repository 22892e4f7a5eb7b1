"""What persons do in the pages of `tests/browser/applications`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page

from tests.browser.journeys import fill_in
from tests.browser.sites import Person

_KNOWS = "document.querySelector('h1').textContent !== '…'"
_IS_DONE = "document.querySelector('#note').textContent !== '…'"


def who(page: Page) -> str:
    """Whom the application greets."""
    page.wait_for_function(_KNOWS)
    return page.inner_text("h1")


def prove_and_agree(page: Page, person: Person) -> None:
    """The password, and that the application may have what it asks for."""
    fill_in(page, person.login)
    page.wait_for_selector(".scopes")
    page.click("button[value=allow]")


def sign_in(page: Page, application: str, person: Person) -> None:
    """From the application's page and back to it."""
    page.goto(application)
    assert who(page) == "Nobody"
    page.click("#sign-in")
    prove_and_agree(page, person)
    page.wait_for_url(application)
    assert who(page) == person.name


def sign_in_by_a_window(page: Page, application: str, person: Person) -> None:
    """The page stays, another window opens for a while, and keeps its opener to the end.

    These libraries find the page without it; their elders, and many that people write, do not.
    """
    page.goto(application)
    assert who(page) == "Nobody"
    with page.expect_popup() as opened:
        page.click("#sign-in-window")
    window = opened.value
    with window.expect_event("close"):
        fill_in(window, person.login)
        window.wait_for_selector(".scopes")
        assert window.evaluate("window.opener !== null")
        window.click("button[value=allow]")
    page.wait_for_function(_IS_DONE)
    assert page.inner_text("#note") == "The window is closed"
    assert who(page) == person.name


def press(page: Page, button: str) -> str:
    """Press a button of the application that leads nowhere; returns what the page says then."""
    page.click(f"#{button}")
    page.wait_for_function(_IS_DONE)
    return page.inner_text("#note")


def sign_out(page: Page, application: str) -> None:
    """And back to the application; who wants in again has to show a password [END-4]."""
    with coming_back(page, application):
        page.click("#sign-out")
    assert who(page) == "Nobody"
    page.click("#sign-in")
    page.wait_for_selector("#password")


@contextmanager
def coming_back(page: Page, application: str) -> Iterator[None]:
    """What is done inside loads the application's page anew."""
    with page.expect_navigation(url=lambda url: url.partition("?")[0] == application):
        yield
