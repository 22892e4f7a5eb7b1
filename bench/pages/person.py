"""An administrator at the browser, and somebody whom the server does not know at another one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from urllib.parse import urlsplit

from bench.pages.browser import Browser, Visit
from bench.pages.company import ADMINISTRATOR, Company
from bench.pages.filling import PASSWORD
from bench.pages.findings import Asked
from bench.pages.lists import next_in
from bench.pages.visited import Page, authorization, pages
from bench.problems import Unmeasurable

SIGNING_IN = "sign-in with the password, up to Profile"
WRONG = "sign-in with a wrong password"
INSPECTED = "token inspector, the answer"
JSON_LINES, CSV = "audit log as JSON lines, first part", "audit log as CSV, first part"
REFUSED = "new user, refused"
EXCUSED = dict.fromkeys((SIGNING_IN, WRONG), "checking a password takes its time on purpose")
ONCE = frozenset({WRONG})
"""Asked for once a round: who goes on with wrong passwords is made to wait."""
_NO_TOKEN = "enrt_" + "0" * 64


class Person:
    """Asks for pages by their names.

    Args:
        known: the browser in which the administrator signs in.
        unknown: another one.
        now: Unix seconds.
    """

    def __init__(self, known: Browser, unknown: Browser, company: Company, now: float) -> None:
        self._known = known
        self._unknown = unknown
        self._pages = {page.name: page for page in pages(company, now)}
        self._places: dict[str, str] = {}
        self._strangers = itertools.cycle(one.login for one in company.people[1:])
        self._acts: dict[str, Callable[[], Asked]] = {
            SIGNING_IN: self._sign_in,
            WRONG: self._wrong_password,
            INSPECTED: self._inspected,
            REFUSED: self._refused,
            JSON_LINES: lambda: self._export("json"),
            CSV: lambda: self._export("csv"),
        }

    def begin(self) -> list[str]:
        """Sign in anew and find the later pages of lists; returns the names of all pages."""
        self._known.forget()
        for path in ("/manage", "/profile"):
            page = self._known.open(path)
            if 'id="password"' in page.text:
                page = self._filled_in(self._known, page, PASSWORD)
            _require(page, "/signout", 200)
        self._places = {name: self._place_of(one) for name, one in self._pages.items()}
        return [*self._pages, *self._acts]

    def ask(self, name: str) -> Asked:
        """Raises Unmeasurable: it is another page than it should be."""
        act = self._acts.get(name)
        if act is not None:
            return act()
        page = self._pages[name]
        browser = self._known if page.signed_in else self._unknown
        if not page.signed_in:
            browser.forget()
        visit = browser.open(self._places[name])
        _require(visit, page.holds, page.status)
        return _with_assets(browser, visit)

    def _place_of(self, page: Page) -> str:
        place = page.path
        for _ in range(page.further):
            text = self._known.open(place).text
            place = next_in(text) or place
        return place

    def _filled_in(
        self, browser: Browser, page: Visit, password: str, login: str = ADMINISTRATOR
    ) -> Visit:
        action, fields = page.form()
        form = {**fields, "login": login, "password": password, "action": "sign_in"}
        return browser.open(action, form)

    def _sign_in(self) -> Asked:
        self._unknown.forget()
        page = self._unknown.open("/profile")
        visit = self._filled_in(self._unknown, page, PASSWORD)
        _require(visit, "About me</h1>", 200)
        return _with_assets(self._unknown, visit)

    def _wrong_password(self) -> Asked:
        self._unknown.forget()
        page = self._unknown.open(authorization())
        visit = self._filled_in(self._unknown, page, "wrong", next(self._strangers))
        _require(visit, 'role="alert"', 400)
        return _with_assets(self._unknown, visit)

    def _inspected(self) -> Asked:
        action, fields = self._known.open("/manage/inspector").form("/inspector")
        visit = self._known.open(action, {**fields, "token": _NO_TOKEN, "api": "DomainAPI"})
        _require(visit, "Token inspector</h1>", 200)
        return _with_assets(self._known, visit)

    def _refused(self) -> Asked:
        action, fields = self._known.open("/manage/users/new").form("/users/new")
        form = {**fields, "user_type": "InternalUser", "login": ADMINISTRATOR, "name_en": "M"}
        visit = self._known.open(action, form)
        _require(visit, 'role="alert"', 400)
        return _with_assets(self._known, visit)

    def _export(self, kind: str) -> Asked:
        action, fields = self._known.open("/manage/audit").form("/audit/export")
        waited, part = self._known.first_bytes(action, {**fields, "format": kind})
        if not part:
            raise Unmeasurable("an empty export")
        return Asked(page_ms=waited, page_bytes=0)


def _with_assets(browser: Browser, visit: Visit) -> Asked:
    waited, received = browser.load(visit.needs())
    return Asked(
        page_ms=visit.milliseconds,
        page_bytes=visit.received,
        assets_ms=waited,
        assets_bytes=received,
    )


def _require(visit: Visit, holds: str, status: int) -> None:
    if visit.status != status or holds not in visit.text:
        where = urlsplit(visit.url).path
        raise Unmeasurable(f"{where}: {visit.status} without {holds!r}: {visit.text[:1500]}")
