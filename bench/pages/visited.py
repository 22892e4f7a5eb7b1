"""Every page: where it is, and what must be on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import msgspec

from bench.pages.company import Company
from bench.pages.filling import ASKS, REDIRECT

SOMEBODY = "petrov"
"""A family name: it stands in the middle of logins, addresses and names."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Args:
    holds: what only this page has on it.
    status: of its answer.
    signed_in: whether the administrator looks at it; else nobody whom the server knows.
    further: of a list, the pages after this one that are looked at instead of it.
    """

    name: str
    path: str
    holds: str
    status: int = 200
    signed_in: bool = True
    further: int = 0


def authorization(**more: str) -> str:
    """The way into an application that asks for consent."""
    asked = {
        "client_id": ASKS,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "openid profile read update",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",  # RFC 7636 B
        "code_challenge_method": "S256",
        "state": "x",
    }
    return f"/id/connect/authorize?{urlencode(asked | more)}"


def pages(company: Company, now: float) -> list[Page]:
    """Those that are asked for with GET. Args: now: Unix seconds."""
    return [*_signing_in(), *of_sites(company, now)]


def of_sites(company: Company, now: float) -> list[Page]:
    """Those of Profile and Instance Manager."""
    return [
        *_profile(),
        *_lists(company),
        *_records(company),
        *_audit(company, now),
        *_others(),
    ]


def _signing_in() -> list[Page]:
    return [
        Page(name="landing", path="/", holds="<h1>", signed_in=False),
        Page(
            name="sign-in, from the application on",
            path=authorization(),
            holds='id="password"',
            signed_in=False,
        ),
        Page(
            name="sign-in, from Profile on", path="/profile", holds='id="password"', signed_in=False
        ),
        Page(
            name="no application of this name",
            path="/id/connect/authorize?client_id=nobody",
            holds="<code>",
            status=400,
            signed_in=False,
        ),
        Page(
            name="sign-in that has ended",
            path="/id/signin?interaction=gone",
            holds="<h1>",
            status=400,
            signed_in=False,
        ),
        Page(name="consent", path=authorization(prompt="consent"), holds='value="allow"'),
        Page(
            name="account chooser",
            path=authorization(prompt="select_account"),
            holds="<h1>Choose an account",
        ),
        Page(name="sign-out", path="/id/connect/endsession", holds="<h1>Sign out"),
    ]


def _profile() -> list[Page]:
    security = "/profile/security"
    return [
        Page(name="profile", path="/profile", holds="About me</h1>"),
        Page(name="profile: password", path=f"{security}/password", holds='id="current"'),
        Page(
            name="profile: second factors",
            path=f"{security}/second-factors",
            holds="Second factors</h1>",
        ),
        Page(
            name="profile: authenticator app",
            path=f"{security}/second-factors/app",
            holds="<svg",
        ),
        Page(name="profile: tokens", path=f"{security}/tokens", holds="Tokens</h1>"),
        Page(name="profile: tokens, also ended", path=f"{security}/tokens?all", holds="<table"),
        Page(
            name="profile: tokens, second page",
            path=f"{security}/tokens",
            holds="Tokens</h1>",
            further=1,
        ),
        Page(
            name="profile: new token, by a part",
            path=f"{security}/tokens/new?search=shop",
            holds="shop",
        ),
        Page(name="profile: new token", path=f"{security}/tokens/new", holds="<h1>"),
        Page(name="profile: sign-ins", path=f"{security}/sign-ins", holds="Sign-ins</h1>"),
        Page(name="profile: applications", path="/profile/applications", holds="<h1>"),
        Page(name="profile: history", path=f"{security}/history", holds='rel="next"'),
        Page(
            name="profile: history, third page",
            path=f"{security}/history",
            holds='rel="prev"',
            further=2,
        ),
    ]


def _lists(company: Company) -> list[Page]:
    users, apps, sessions = "/manage/users", "/manage/apps", "/manage/sessions"
    login = company.people[len(company.people) // 2].login
    mail = quote(f"{login}@company.example")
    return [
        Page(name="users", path=users, holds='rel="next"'),
        Page(name="users, second page", path=users, holds='rel="prev"', further=1),
        Page(name="users that begin so", path=f"{users}?search={login[:4]}", holds="<table"),
        Page(name="users by address", path=f"{users}?search={mail}", holds=login),
        Page(name="users by a part", path=f"{users}?search={SOMEBODY}", holds="Petrov</div>"),
        Page(name="users by a part that nobody has", path=f"{users}?search=x-y-z", holds="<h2>"),
        Page(name="applications", path=apps, holds='rel="next"'),
        Page(name="applications, second page", path=apps, holds='rel="prev"', further=1),
        Page(name="applications by a part", path=f"{apps}?search=payroll", holds="payroll"),
        Page(name="ERP sessions", path=sessions, holds='rel="next"'),
        Page(name="ERP sessions, second page", path=sessions, holds="<table", further=1),
        Page(name="sign-ins", path=f"{sessions}/sign-ins", holds='rel="next"'),
        Page(name="sign-ins, second page", path=f"{sessions}/sign-ins", holds="<table", further=1),
        Page(name="consents", path="/manage/consents", holds='rel="next"'),
        Page(name="consents, second page", path="/manage/consents", holds="<table", further=1),
    ]


def _records(company: Company) -> list[Page]:
    first, somebody = company.people[0], company.people[len(company.people) // 2]
    user, app = "/manage/users", f"/manage/apps/{company.programs[0].id}"
    return [
        Page(name="user", path=f"{user}/{somebody.id}", holds=somebody.login),
        Page(name="user with much of everything", path=f"{user}/{first.id}", holds=first.login),
        Page(name="user, to change", path=f"{user}/{somebody.id}/edit", holds=somebody.login),
        Page(name="user, a password", path=f"{user}/{somebody.id}/password", holds="<form"),
        Page(name="user, to lock", path=f"{user}/{somebody.id}/lock", holds=somebody.login),
        Page(name="new user", path=f"{user}/new", holds="<form"),
        Page(name="invite", path="/manage/invite", holds="<h1>"),
        Page(name="application", path=app, holds=company.programs[0].uri),
        Page(name="application, to change", path=f"{app}/edit", holds=company.programs[0].uri),
        Page(name="application, to connect", path=f"{app}/connect", holds="<details"),
        Page(name="application, secrets", path=f"{app}/secrets", holds="Orders 0"),
        Page(name="application with many tokens", path=f"{app}/tokens", holds="Orders 0"),
        Page(name="application, to remove", path=f"{app}/remove", holds=company.programs[0].uri),
        Page(name="new application", path="/manage/apps/new", holds="?kind="),
        Page(name="new application, web", path="/manage/apps/new?kind=web", holds='id="uri"'),
        Page(
            name="install link",
            path="/manage/apps/install?applicationUri=new.example/app&impersonate=none",
            holds="new.example/app",
        ),
    ]


def _audit(company: Company, now: float) -> list[Page]:
    day = (datetime.fromtimestamp(now, UTC) - timedelta(days=90)).date()
    month = day + timedelta(days=30)
    person = company.people[len(company.people) // 2].login
    asked = {
        "audit log": {},
        "audit log of somebody": {"actor": person},
        "audit log of who has much": {"actor": company.people[0].login},
        "audit log of a kind": {"event": "token.refused"},
        "audit log of a group": {"event": "user."},
        "audit log of an ending": {"event": ".refused"},
        "audit log of a rare kind": {"event": "application.changed"},
        "audit log of an application": {"application": company.programs[0].uri},
        "audit log of an application that does little": {"application": company.programs[-1].uri},
        "audit log of one request": {"request_id": "0" * 16},
        "audit log of a month": {"since": f"{day}", "until": f"{month}"},
        "audit log of somebody in a month": {
            "since": f"{day}",
            "until": f"{month}",
            "actor": person,
        },
        "audit log of a kind of somebody": {"event": "user.signed_in", "actor": person},
    }
    return [
        Page(
            name=name,
            path="/manage/audit" + (f"?{urlencode(query)}" if query else ""),
            holds="Audit log</h1>",
        )
        for name, query in asked.items()
    ] + [
        Page(name="audit log, fourth page", path="/manage/audit", holds='rel="prev"', further=3),
        Page(
            name="audit log of somebody, further back",
            path=f"/manage/audit?actor={person}",
            holds="Audit log</h1>",
            further=1,
        ),
    ]


def _others() -> list[Page]:
    return [
        Page(name="dashboard, a day", path="/manage", holds="<svg"),
        Page(name="dashboard, a week", path="/manage?range=week", holds="<svg"),
        Page(name="dashboard, a month", path="/manage?range=month", holds="<svg"),
        Page(name="web sites", path="/manage/sites", holds="<h1>"),
        Page(name="licences", path="/manage/licences", holds="<h1>"),
        Page(name="signing keys", path="/manage/keys", holds="<h1>"),
        Page(name="token inspector", path="/manage/inspector", holds='id="token"'),
        Page(name="settings", path="/manage/settings", holds="<form"),
    ]
