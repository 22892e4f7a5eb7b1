"""What persons do on the identity service's pages, and the application that they return to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from playwright.sync_api import Page, expect

from tests.world import BACKOFFICE, PASSWORD, World

PHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}
SCREENS: dict[str, dict[str, Any]] = {"desktop": {}, "phone": PHONE}
WAYS = SCREENS | {"no scripts": PHONE | {"java_script_enabled": False}}
"""Options of a browser's context, by what a person has before them."""

# Five seconds, what Playwright waits unless told, are not enough for a busy machine.
expect.set_options(timeout=30_000)


class _Application(BaseHTTPRequestHandler):
    """An empty page at every address."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b'<!doctype html><html lang="en"><link rel="icon" href="data:,">')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Not into the output of the tests."""


@contextmanager
def an_application() -> Iterator[str]:
    """Listens on this machine; gives the redirect URI of an application there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Application)
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/callback"
    server.shutdown()
    server.server_close()


def authorize_url(world: World, redirect_uri: str, **more: str) -> str:
    """Where the back office sends a person."""
    asked = {
        "client_id": BACKOFFICE,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": "openid profile read update offline_access",
        "state": "s",
    }
    return f"{world.issuer}/connect/authorize?{urlencode(asked | more)}"


def fill_in(page: Page, login: str = "ada", password: str = PASSWORD) -> None:
    """The sign-in form; and send it."""
    page.fill("#login", login)
    page.fill("#password", password)
    page.click("button[value=sign_in]")


def answer_of(page: Page, redirect_uri: str) -> dict[str, str]:
    """What the application got, once the browser is there."""
    page.wait_for_url(f"{redirect_uri}?*")
    return dict(parse_qsl(urlsplit(page.url).query))


def fits(page: Page) -> bool:
    """Whether nothing is wider than the screen."""
    wide: bool = page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    return wide


def is_at(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    assert fits(page), heading


def redeemed(
    stage: World, page: Page, callback: str, client_id: str = BACKOFFICE
) -> dict[str, Any]:
    """What the application gets for the code that the browser brought to it."""
    answer = stage.redeem(answer_of(page, callback)["code"], client_id, redirect_uri=callback)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens
