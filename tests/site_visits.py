"""A person at a site of the instance, without scripts: signs in when asked, fills in forms."""

from __future__ import annotations

import html
import re

import httpx
import pytest
from argon2 import PasswordHasher

from mintgate.identity import passwords
from tests.world import PASSWORD, Browser, World

_FORM = re.compile(r'<form[^>]* method="post" action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)


def quick_passwords(patch: pytest.MonkeyPatch) -> str:
    """Have this process check passwords at little cost; returns the hash of `PASSWORD`.

    Most of a sign-in's time is the cost that a password's hash has on purpose.
    """
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    patch.setattr(passwords, "_hasher", hasher)
    return hasher.hash(PASSWORD)


class SiteVisit:
    """One browser, and whoever signs in there."""

    def __init__(self, world: World, login: str = "mira.k", password: str = PASSWORD) -> None:
        self.world = world
        self.login = login
        self.password = password
        self.browser: Browser = world.browser()
        self.http = self.browser.http
        self.http.headers["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"

    def open(self, path: str, *, sign_in: bool = True) -> httpx.Response:
        """Go to a page; when a sign-in form comes in between, fill it in."""
        page = self.follow(self.http.get(path))
        if sign_in and "<h1>Sign in</h1>" in page.text:
            page = self.submit(page, login=self.login, password=self.password)
        return page

    def follow(self, response: httpx.Response) -> httpx.Response:
        """Follow redirects within the instance, also through a site's own callback."""
        for _ in range(12):
            where = response.headers.get("location", "")
            if not response.is_redirect or not where.startswith(self.world.base):
                return response
            response = self.http.get(where)
        raise AssertionError(f"redirects without end, last to {where}")

    def hidden(self, page: httpx.Response) -> dict[str, str]:
        """The hidden fields of a page's last form."""
        return _forms(page)[-1][1]

    def submit(self, page: httpx.Response, to: str | None = None, **values: str) -> httpx.Response:
        """Send a form of a page with its hidden fields, as a browser does.

        Args:
            to: the end of the form's address; None takes the first one that does not sign out.
        """
        for where, fields in _forms(page):
            if where.endswith(to) if to is not None else not where.endswith("/signout"):
                return self.follow(self.post(where, fields | values))
        raise AssertionError(f"no form to {to}: {page.text}")

    def post(self, where: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """A POST with the headers of a form of the same site."""
        own = {"Origin": "null", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
        sent = {name: value for name, value in (own | headers).items() if value}
        return self.http.post(where, data=fields, headers=sent)

    def cookie(self, name: str) -> str:
        """The value of the one cookie whose name has this in it."""
        (value,) = [c.value or "" for c in self.http.cookies.jar if name in c.name]
        return value


def _forms(page: httpx.Response) -> list[tuple[str, dict[str, str]]]:
    """Where each form of a page goes, and its hidden fields."""
    found = re.findall(
        r'<form[^>]* method="post" action="([^"]*)"[^>]*>(.*?)</form>', page.text, re.S
    )
    return [(html.unescape(where), _fields(inside)) for where, inside in found]


def _fields(inside: str) -> dict[str, str]:
    hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', inside)
    return {html.unescape(name): html.unescape(value) for name, value in hidden}
