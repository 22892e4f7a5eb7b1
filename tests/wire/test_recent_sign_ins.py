"""What the two sites do only after a sign-in of the last minutes [SES-50, USR-8, IMG-1..5]."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mintgate.contract.automation.routes import MANAGE, PROFILE
from mintgate.sites.visiting.door import Door
from mintgate.store import sessions
from tests.site_visits import SiteVisit
from tests.wire.test_manage_pages import app_id, row, user_id
from tests.world import BACKOFFICE, NOW, PASSWORD, STOCK, World, answer_of, payload_of, pkce

# Pages that change something and ask for no new sign-in: they end or stop something, or change
# what is of no use to a thief. Whoever adds one here says which.
HARMLESS = {
    "/profile/details",  # names and language
    "/profile/picture",
    "/profile/picture/remove",
    "/profile/devices/{device_id}/remove",
    "/profile/applications/{application_id}/withdraw",
    "/profile/security/tokens/{token_id}/revoke",
    "/profile/security/sign-ins/end-others",
    "/profile/security/sign-ins/{sid}/end",
    "/profile/signout",
    "/manage/apps/{application_id}/disable",
    "/manage/apps/{application_id}/tokens/{token_id}/end",
    "/manage/apps/{application_id}/grants/{grant_id}/end",
    "/manage/apps/install/confirmed",  # look themselves, as they lead back to the link
    "/manage/apps/uninstall/confirmed",
    "/manage/consents/{user_id}/{application_id}/withdraw",
    "/manage/inspector",  # of a token that one has
    "/manage/licences/reserve",  # seats, and no rights
    "/manage/licences/release",
    "/manage/sessions/{sid}/end",
    "/manage/sessions/erp/{session_id}/close",
    "/manage/users/{user_id}/disable",
    "/manage/users/{user_id}/lock",
    "/manage/users/{user_id}/sign-out",
    "/manage/users/{user_id}/tokens/{token_id}/end",
    "/manage/users/{user_id}/grants/{grant_id}/end",
    "/manage/signout",
}


def test_every_page_that_asks_for_none(
    a_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, bool] = {}
    page = Door.page

    def noted(door: Door, path: str, **options: Any) -> Any:
        made = page(door, path, **options)
        if options.get("act") or options.get("upload"):
            found[made.path] = bool(options.get("needs_fresh") or options.get("act_needs_fresh"))
        return made

    monkeypatch.setattr(Door, "page", noted)
    world = a_world()
    for site in ("/profile", "/manage"):
        world.http.get(site)
    assert {path for path, needs_fresh in found.items() if not needs_fresh} == HARMLESS


@pytest.fixture
def visit(world: World) -> SiteVisit:
    visit = SiteVisit(world, "ada")
    assert visit.open("/manage").status_code == 200
    return visit


def sent_too_late(visit: SiteVisit, path: str, **typed: str) -> Any:
    """The page to which a form leads that was open for too long, after the new sign-in."""
    form = visit.hidden(visit.open(path.partition("?")[0] if "edit" in path else path))
    visit.world.clock.advance(601)
    asked = visit.post(path.partition("?")[0], form | typed)
    assert "prompt=login" in asked.headers["location"]
    page = visit.follow(asked)
    return visit.submit(page, login=visit.login, password=visit.password)


def test_where_letters_go_is_not_changed_by_an_old_sign_in(visit: SiteVisit) -> None:
    """[USR-3] A forgotten password is chosen anew by whoever gets the letter."""
    world = visit.world
    person = user_id(world, "mira.k")
    typed = {
        "user_type": "InternalUser",
        "login": "mira.k",
        "name_en": "Mira",
        "email": "mira@new.example",
        "email_confirmed": "on",
    }
    page = sent_too_late(visit, f"/manage/users/{person}/edit", **typed)
    assert row(world, "users", person)["email"] != "mira@new.example"
    assert 'value="mira@new.example"' in page.text
    assert 'name="email_confirmed" value="on" checked' in " ".join(page.text.split())
    fields = {name: text for name, text in typed.items() if name != "email"}
    visit.submit(page, "/edit", **fields, email="mira@new.example")
    stored = row(world, "users", person)
    assert (stored["email"], stored["email_confirmed"]) == ("mira@new.example", True)


def test_no_secret_is_shown_to_an_old_sign_in(visit: SiteVisit) -> None:
    """[IMG-2] What was typed is there again, with the kind of application that it was for."""
    world = visit.world
    typed = {"uri": "late.example/x", "name_en": "Late", "scope_sec": "on", "system_user": "ada"}
    page = sent_too_late(visit, "/manage/apps/new?kind=service", **typed, service="on")
    assert "late.example/x" not in {r["application_uri"] for r in world.rows("applications")}
    assert visit.hidden(page)["kind"] == "service"
    assert 'value="late.example/x"' in page.text
    made = visit.submit(page, "/new", **typed, service="on")
    assert made.status_code == 200
    assert app_id(world, "late.example/x")


def test_an_application_is_not_changed_by_an_old_sign_in(visit: SiteVisit) -> None:
    """[IMG-2] Nothing of the form is lost on the way, so that Save takes nothing away."""
    world = visit.world
    world.declare(more='\n[[apis]]\nName = "Reports"\n')
    app = app_id(world, BACKOFFICE)
    path = f"/manage/apps/{app}/edit"
    before = row(world, "applications", app)
    typed = {"uri": BACKOFFICE, "name_en": "Shop", "internal": "on", "audience_Reports": "on"}
    urls = {"login_urls": "https://evil.example/cb\nhttps://shop.example/cb"}
    page = sent_too_late(visit, path, **typed, **urls)
    assert row(world, "applications", app) == before
    assert "https://evil.example/cb\nhttps://shop.example/cb</textarea>" in page.text
    assert 'name="audience_Reports" value="on" checked' in " ".join(page.text.split())
    visit.submit(page, "/edit", **typed, **urls)
    after = row(world, "applications", app)
    assert after["impersonate_login_url"] == "https://evil.example/cb,https://shop.example/cb"


def test_another_kind_of_application_survives_the_sign_in(visit: SiteVisit) -> None:
    path = f"/manage/apps/{app_id(visit.world, STOCK)}/edit"
    page = sent_too_late(visit, path, client_type="None", uri=STOCK)
    assert visit.hidden(page)["client_type"] == "None"


@pytest.mark.parametrize("kind", ["install", "uninstall"])
def test_a_link_that_was_open_for_too_long(kind: str, visit: SiteVisit) -> None:
    """[INS-26] Its answer has a secret: the person signs in anew, and is at the link again."""
    world = visit.world
    uri = "installed.example/late" if kind == "install" else STOCK
    more = "&requestSecret=true" if kind == "install" else ""
    link = f"/manage/apps/{kind}?applicationUri={uri.replace('/', '%2F')}{more}"
    page = visit.open(link)

    def is_there() -> bool:
        return uri in {r["application_uri"] for r in world.rows("applications")}

    before = is_there()
    world.clock.advance(601)
    late = visit.submit(page, "/confirmed")
    assert "<h1>Sign in</h1>" in late.text
    assert is_there() is before
    again = visit.submit(late, login="ada", password=visit.password)
    assert str(again.url) == world.base + link
    assert visit.submit(again, "/confirmed").status_code == 200
    assert is_there() is not before


@pytest.mark.parametrize("act", ["enable", "unlock"])
def test_who_was_stopped_is_not_let_in_by_an_old_sign_in(act: str, visit: SiteVisit) -> None:
    """[USR-4, SGN-10]"""
    path = f"/manage/users/{user_id(visit.world, 'mira.k')}/{act}"
    own = visit.hidden(visit.open("/manage"))
    visit.world.clock.now = NOW + 601
    assert "prompt=login" in visit.post(path, own).headers["location"]


# The JSON addresses.

AT_ANY_TIME = {
    "own_grants.list",
    "own_tokens.applications",
    "own_tokens.reminders",
    "own_grants.revoke",
    "own_consents.list",
    "own_consents.withdraw",
    "own_sessions.list",
    "own_sessions.end",
    "application_tokens.list",
    "application_tokens.revoke",
}
TABLES = {"profile": PROFILE, "manage": MANAGE}


class Client:
    """A program with tokens of a site, for a person in one browser."""

    def __init__(self, world: World, site: str, login: str = "ada") -> None:
        self.world, self.site, self.login = world, site, login
        self.browser = world.browser()
        self.browser.sign_in(login)
        self.token = ""
        self.get_token()

    def get_token(self, prompt: str = "none") -> None:
        verifier, challenge = pkce()
        client_id = f"internal.erp.net/{self.site}"
        callback = f"{self.world.base}/{self.site}/signin-oidc"
        answer = self.browser.authorize(
            client_id=client_id,
            redirect_uri=callback,
            scope="openid profile update offline_access",
            code_challenge=challenge,
            code_challenge_method="S256",
            prompt=prompt,
        )
        if prompt == "login":
            answer = self.browser.submit(answer, login=self.login, password=PASSWORD)
        code = answer_of(answer)["code"]
        self.token = self.world.request_token(
            grant_type="authorization_code",
            client_id=client_id,
            redirect_uri=callback,
            code=code,
            code_verifier=verifier,
        ).json()["access_token"]

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.token}"} | headers
        return self.world.http.request(method, f"/{self.site}{path}", json=body, headers=sent)


@pytest.mark.parametrize("site", TABLES)
def test_addresses_refuse_what_pages_refuse(site: str, world: World) -> None:
    """RFC 9470 §3: by the sign-in of the token, however new the token is"""
    client = Client(world, site)

    def refused() -> set[str]:
        found = set()
        for route in TABLES[site]:
            # An id that nobody has: what is allowed does no harm.
            answer = client(route.method, re.sub(r"\{\w+\}", "0" * 32, route.path))
            if answer.status_code == 401:
                found.add(route.name)
                assert answer.json()["error"]["type"] == "insufficient_user_authentication"
                told = answer.headers["www-authenticate"]
                assert 'error="insufficient_user_authentication"' in told
                assert told.endswith(', max_age="600"')
        return found

    world.clock.advance(600)
    client.get_token()
    assert refused() == set()
    world.clock.advance(1)
    dangerous = {route.name for route in TABLES[site]} - AT_ANY_TIME
    assert refused() == dangerous
    client.get_token()
    assert refused() == dangerous
    client.get_token(prompt="login")
    assert refused() == set()


def test_an_old_sign_in_makes_nothing_that_lives_long(world: World) -> None:
    """[PRF-4, REF-13, USR-8] Nor is an answer of before repeated to it."""
    app = world.change_application(BACKOFFICE, reference_tokens="AuthenticatedUsers").id
    client = Client(world, "profile", "mira.k")
    body = {"application_id": app, "scopes": ["read"], "expires_at": NOW + 86_400.0}
    once = {"Idempotency-Key": "once"}
    assert client("POST", "/security/tokens", body, **once).status_code == 201
    world.clock.advance(601)
    client.get_token()
    for headers in (once, {}):
        answer = client("POST", "/security/tokens", body, **headers)
        assert (answer.status_code, "value" in answer.json()) == (401, False)
    assert client("POST", "/security/second-factors/app").status_code == 401
    assert world.count_rows("reference_tokens") == 1
    assert not world.count_rows("totp_offers")
    refused = world.events("management.refused")[0]
    assert refused.cause == "insufficient_user_authentication: signed in 601 seconds ago"


def test_a_sign_in_that_has_ended_is_none(world: World) -> None:
    """[END-4, END-5] An access token lives on, and is no proof of who sits there."""
    client = Client(world, "profile", "mira.k")
    assert client("GET", "/api/second-factors").status_code == 200
    with world.database.begin() as tx:
        sessions.end(tx, world.instance.id, payload_of(client.token)["sid"], "signed_out")
    world.sync()
    assert client("GET", "/api/tokens").status_code == 200
    assert client("GET", "/api/second-factors").status_code == 401
