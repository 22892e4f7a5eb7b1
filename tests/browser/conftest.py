"""A real Chromium: Debian's package `chromium`, or whatever of its family is on the `PATH`.

One browser serves all tests of a process, each test has contexts of its own. While it runs, no
test of the process can call `asyncio.run`: that is how Playwright's synchronous API works.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.clients.conftest import missing

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT = 60_000
"""Milliseconds. A page takes a tenth of a second, and a busy machine its time."""
OpenContext = Callable[..., BrowserContext]

# Tells of every violation as an error of the console, which `problems` collects.
_REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


def chromium() -> str | None:
    """Path of the browser's program."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@pytest.fixture(scope="package")
def chromium_browser() -> Iterator[Browser]:
    program = chromium()
    if program is None:
        missing("Chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """What pages did against their policy or by mistake; a test fails when there is any.

    A test that wants a problem looks for it here, and clears the list.
    """
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def open_context(chromium_browser: Browser, problems: list[str]) -> Iterator[OpenContext]:
    """Opens a browser profile of its own; takes Playwright's options of `new_context`."""
    opened: list[BrowserContext] = []

    def open_one(**options: Any) -> BrowserContext:
        context = chromium_browser.new_context(**options)
        opened.append(context)
        context.set_default_timeout(TIMEOUT)
        context.add_init_script(_REPORT_VIOLATIONS)
        context.on("console", lambda message: _note(message, problems))
        context.on("weberror", lambda error: problems.append(str(error.error)))
        return context

    yield open_one
    for context in opened:
        context.close()


@pytest.fixture
def page(open_context: OpenContext) -> Page:
    """A page in a browser profile of its own."""
    return open_context().new_page()


def _note(message: ConsoleMessage, problems: list[str]) -> None:
    if message.type not in {"error", "warning"}:
        return
    # A page that answers with 400 or 404 is no mistake; a missing asset is.
    if "the server responded with a status of 4" in message.text:
        if "/assets/" in message.location["url"]:
            problems.append(f"{message.text} ({message.location['url']})")
        return
    problems.append(message.text)
