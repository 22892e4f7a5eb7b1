"""Every page of Profile and Instance Manager, as an administrator looks at them."""

from __future__ import annotations

import time

from sqlalchemy import select

from bench.pages.browser import Browser, Visit
from bench.pages.company import Company, Person, Program
from bench.pages.lists import next_in
from bench.pages.visited import of_sites
from bench.plans.place import Place
from bench.plans.visitors import LOGIN, PASSWORD, WEB
from bench.problems import Unmeasurable
from mintgate.store.tables import applications, users

USER_ACTS = ("disable", "lock", "sign-out", "revoke-everything", "remove")
APPLICATION_ACTS = ("disable", "revoke-everything", "secrets/rotate", "tokens/new")


def run(place: Place) -> None:
    """Every page once, and lists also further on.

    Raises:
        Unmeasurable: a page was refused or is not there.
    """
    company = _company(place)
    user, application = company.people[1], company.programs[0]
    with Browser(place.base_url) as browser:
        _sign_in(browser, "/manage")
        _sign_in(browser, "/profile")
        for page in of_sites(company, time.time()):
            visit = _opened(browser, page.path)
            for _ in range(page.further):
                following = next_in(visit.text)
                if following is None:
                    break
                visit = _opened(browser, following)
        for act in USER_ACTS:
            _opened(browser, f"/manage/users/{user.id}/{act}")
        for act in APPLICATION_ACTS:
            _opened(browser, f"/manage/apps/{application.id}/{act}")
        action, fields = _opened(browser, "/manage/audit").form("/audit/export")
        browser.first_bytes(action, {**fields, "format": "csv"})


def _company(place: Place) -> Company:
    """The administrator, somebody else whom `filling` made, and an application."""

    def of(login: str | None) -> Person:
        statement = select(users.c.id, users.c.login).where(
            users.c.login == login if login else users.c.login != LOGIN
        )
        found = place.database.read_now(lambda c: c.execute(statement.limit(1)).one())
        return Person(found.id, found.login)

    statement = select(applications.c.id).where(applications.c.application_uri == WEB)
    application = place.database.read_now(lambda c: c.execute(statement).scalar_one())
    return Company(
        instance_id=place.instance_id,
        people=[of(LOGIN), of(None)],
        programs=[Program(application, WEB)],
    )


def _sign_in(browser: Browser, path: str) -> None:
    page = browser.open(path)
    if 'id="password"' in page.text:
        action, fields = page.form()
        given = {"login": LOGIN, "password": PASSWORD, "action": "sign_in"}
        page = browser.open(action, {**fields, **given})
    _require(page)


def _opened(browser: Browser, path: str) -> Visit:
    visit = browser.open(path)
    _require(visit)
    return visit


def _require(visit: Visit) -> None:
    if visit.status != 200 or "/signout" not in visit.text:
        raise Unmeasurable(f"{visit.url}: {visit.status} {visit.text[:1500]}")
