"""One person's browser, and what it is to draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page

from picturing.instance import APPLICATION, PASSWORD, REDIRECT, Served

ALERT = "[role=alert]"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B
_SHOWN = 600
"""Characters of a page that was not the right one."""


class NotThere(Exception):
    """What a step needs is not on the page; the message has what is there instead."""


@dataclass(frozen=True)
class Visit:
    """Args:
    kept: what a step has left for those after it, on the same device.
    """

    page: Page
    served: Served
    kept: dict[str, Any]

    @property
    def base(self) -> str:
        return self.served.demo

    def go(self, path: str) -> None:
        """Open a page of the demo, or any other by its whole address.

        Raises:
            NotThere: the server failed.
        """
        answer = self.page.goto(path if path.startswith("http") else self.base + path)
        if answer is not None and answer.status >= 500:
            raise NotThere(self.told(f"{answer.status}"))

    def require(self, selector: str) -> None:
        """Raises NotThere at once: what the server draws is there when the page is loaded."""
        if self.page.query_selector(selector) is None:
            raise NotThere(self.told(f"no {selector}"))

    def link(self, selector: str) -> str:
        """Where a link of the page leads; raises NotThere."""
        self.require(selector)
        return str(self.page.eval_on_selector(selector, "link => link.href"))

    def fill(self, **values: str) -> None:
        """Fields by their ids; raises NotThere."""
        for name, value in values.items():
            self.require(f"#{name}")
            self.page.fill(f"#{name}", value)

    def send(self, selector: str = "main form .actions button", then: str | None = None) -> None:
        """Press a button and wait for the page that comes; raises NotThere."""
        self.require(selector)
        with self.page.expect_navigation():
            self.page.click(selector)
        if then is not None:
            self.require(then)

    def authorize(self, base: str | None = None, **more: str) -> None:
        """Come from an application, as somebody who is to sign in."""
        asked = {
            "client_id": APPLICATION,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": "openid profile read update offline_access",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",  # RFC 7636 B
            "code_challenge_method": "S256",
        }
        self.go(f"{base or self.base}/id/connect/authorize?{urlencode(asked | more)}")

    def sign_in(self, login: str) -> None:
        """Be signed in, and nowhere in particular."""
        self.authorize(prompt="login consent")
        self.fill_in(login, PASSWORD)
        self.require("button[value=allow]")

    def fill_in(self, login: str, password: str) -> None:
        """The form for signing in; raises NotThere."""
        self.fill(login=login, password=password)
        self.send("button[value=sign_in]")

    def told(self, problem: str) -> str:
        """A problem, with where it happened and what the page says."""
        text = " ".join(self.page.inner_text("body").split())[:_SHOWN]
        return f"{problem} at {self.page.url} ({self.page.title()}): {text}"


Steps = Callable[[Visit], None]


@dataclass(frozen=True)
class Shot:
    """A page to draw. They are drawn in their order: later ones may find what earlier ones made.

    Args:
        name: of its files.
        there: the path, or the steps that lead to it.
        login: who is signed in; None for nobody.
        is_whole: whether all of the page is drawn, or what is on the screen.
    """

    name: str
    there: str | Steps
    login: str | None = None
    is_whole: bool = True


def first_of(path: str, text: str, below: str = "") -> Steps:
    """To the page of the first entry of a list that has this text, and on from there."""

    def go(visit: Visit) -> None:
        visit.go(f"{path}?search={text}")
        visit.go(visit.link("td.main a") + below)

    return go
