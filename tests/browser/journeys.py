"""What persons do on the identity service's pages, and the application that they return to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

from playwright.sync_api import Page

from tests.world import BACKOFFICE, PASSWORD, World

PHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}


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
