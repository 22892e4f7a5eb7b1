"""A world with a mail server, and people who forget their passwords."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qs, urlsplit

import httpx

from mintgate.identity.mail.settings import SmtpSettings, Tls
from mintgate.identity.mail.smtp import SmtpPost
from tests.mail_server import MailServer
from tests.world import Browser, World

MIRA, BUYER = "mira.k@orion.example", "buyer@client.example"


def post_to(server: MailServer) -> SmtpPost:
    settings = SmtpSettings(
        host="127.0.0.1", port=server.port, sender="login@orion.example", tls=Tls.NONE
    )
    return SmtpPost(settings)


def secret_of(url: str) -> str:
    """What a link proves itself with."""
    return parse_qs(urlsplit(url).query)["link"][0]


def forget(world: World, login: str, browser: Browser | None = None) -> httpx.Response:
    """Ask for a link; returns the page that says so."""
    browser = browser or world.browser()
    return browser.submit(browser.http.get("/id/password/forgot"), login=login)


def choose(world: World, url: str, password: str) -> httpx.Response:
    """Open a link in a browser of its own, and choose a password."""
    browser = world.browser()
    page = browser.http.get(url)
    return browser.submit(page, password=password) if "<form" in page.text else page


def heading(page: httpx.Response) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page.text)
    assert found is not None, page.text
    return html.unescape(found[1])


def comparable(page: httpx.Response) -> str:
    """A page without what is new in each."""
    return re.sub(r'(name="anti_forgery" value=)"[^"]*"', r"\1", page.text)


def link_to(path: str, page: httpx.Response) -> str:
    """The address of a page that goes on with the same request of an application."""
    found = re.findall(r'href="([^"]*)"', page.text)
    return next(html.unescape(u) for u in found if f"{path}?interaction=" in u)
