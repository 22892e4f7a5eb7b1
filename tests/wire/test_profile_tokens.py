"""A person's own grants under /profile, and an application's under /manage [PRF-3..7, IMG-3]."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.world import BACKOFFICE, NOW, SPA, STOCK, World, answer_of, payload_of

CUSTOMERS = "Crm_Sales_Customers?$top=1"
DAY = 24 * 3600


class Site:
    """A site of the instance, for one person."""

    def __init__(self, world: World, login: str = "mira.k", site: str = "profile") -> None:
        self.world, self.root = world, f"/{site}"
        self.token = world.site_token(site, login)

    def __call__(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.world.http.request(method, self.root + path, json=body, headers=headers)

    def items(self, path: str) -> list[Any]:
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        items: list[Any] = answer.json()["items"]
        return items


def application(world: World, uri: str, **changes: Any) -> str:
    return world.change_application(uri, **changes).id


@pytest.fixture
def profile(world: World) -> Site:
    application(world, BACKOFFICE, reference_tokens="AuthenticatedUsers")
    return Site(world)


def make(site: Site, application_id: str, **changes: Any) -> httpx.Response:
    body = {"application_id": application_id, "scopes": ["read"], "expires_at": NOW + DAY}
    return site("POST", "/security/tokens", body | changes)


def test_a_personal_token_is_made_used_listed_and_ended(profile: Site) -> None:
    """[PRF-3, PRF-5, PRF-7, REF-13, REF-50, REF-51]"""
    world = profile.world
    made = make(profile, application(world, BACKOFFICE), description="Excel")
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    value, token = made.json()["value"], made.json()["token"]
    assert (token["kind"], token["created_by"]) == ("PAT", "mira.k")
    assert token["principal"] == "Мира Коларова <mira.k> [INT]"
    assert world.api(CUSTOMERS, value).status_code == 200
    family = world.user_tokens()
    listed = profile.items("/api/tokens")
    assert sorted((g["kind"], g["application"], g["state"]) for g in listed) == [
        ("reference_token", BACKOFFICE, "live"),
        ("refresh_token", "internal.erp.net/profile", "live"),
        ("refresh_token", BACKOFFICE, "live"),
    ]
    assert value not in profile("GET", "/api/tokens").text
    assert profile.items("/api/reminders")[0]["id"] == token["id"]
    (refresh,) = [
        g["id"] for g in listed if g["kind"] == "refresh_token" and g["application"] == BACKOFFICE
    ]
    for one in (token["id"], refresh):
        assert profile("POST", f"/security/tokens/{one}/revoke").json()["was_live"] is True
    assert world.api(CUSTOMERS, value).status_code == 401
    assert world.refresh(family["refresh_token"]).json()["error"] == "invalid_grant"
    (created,) = world.events("reference_token.created")
    assert created.actor == "mira.k"


def test_what_is_somebody_elses_does_not_exist(profile: Site) -> None:
    """[PRF-7]"""
    world = profile.world
    token = make(profile, application(world, BACKOFFICE)).json()["token"]["id"]
    tokens = world.user_tokens()
    sid = payload_of(tokens["access_token"])["sid"]
    ada = Site(world, "ada")
    assert [g["kind"] for g in ada.items("/api/tokens")] == ["refresh_token"]
    (own,) = [
        g["id"]
        for g in profile.items("/api/tokens")
        if g["application"] == BACKOFFICE and g["kind"] == "refresh_token"
    ]
    for path in (
        f"/security/tokens/{token}/revoke",
        f"/security/tokens/{own}/revoke",
        f"/api/sessions/{sid}/end",
        "/security/tokens/nobodys/revoke",
    ):
        assert ada("POST", path).status_code == 404
    assert world.refresh(tokens["refresh_token"]).status_code == 200


POLICY: list[tuple[str, str, str, int]] = [
    ("REF-10", "None", "mira.k", 403),
    ("REF-11", "AuthenticatedUsers", "mira.k", 201),
    ("REF-12-user", "AdministratorsOnly", "mira.k", 403),
    ("REF-12-admin", "AdministratorsOnly", "ada", 201),
    ("REF-15", "AuthenticatedUsers", "buyer@client.example", 403),
]


@pytest.mark.parametrize(
    ("policy", "login", "status"), [pytest.param(*row[1:], id=row[0]) for row in POLICY]
)
def test_policy(policy: str, login: str, status: int, world: World) -> None:
    """[PRF-4, REF-20] What the list offers is what the server allows."""
    wanted = application(world, BACKOFFICE, reference_tokens=policy)
    site = Site(world, login)
    offered = [item["id"] for item in site.items("/api/token-applications")]
    assert offered == ([wanted] if status == 201 else [])
    answer = make(site, wanted)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["type"] == "access_denied"


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": []},
        {"scopes": ["openid"]},
        {"scopes": ["read", "sec"]},
        {"expires_at": NOW},
        {"description": "x" * 129},
        {"user_id": "somebody"},
    ],
    ids=["REF-16", "REF-17", "SCP-3", "REF-18", "REF-16-text", "REF-13"],
)
def test_bad_input(change: dict[str, Any], profile: Site) -> None:
    answer = make(profile, application(profile.world, BACKOFFICE), **change)
    assert answer.status_code == 400
    assert make(profile, "unknown").status_code == 404


def test_a_disabled_application_is_not_offered(profile: Site) -> None:
    """[PRF-4]"""
    wanted = application(profile.world, BACKOFFICE, is_enabled=False)
    assert profile.items("/api/token-applications") == []
    assert make(profile, wanted).status_code == 403


def test_own_sign_ins(profile: Site) -> None:
    """[END-4]"""
    world = profile.world
    elsewhere = world.browser()
    tokens = world.redeem(elsewhere.code(scope="openid offline_access")).json()
    sid = payload_of(tokens["access_token"])["sid"]
    assert sid in {session["sid"] for session in profile.items("/api/sessions")}
    assert profile("POST", f"/api/sessions/{sid}/end").json() == {"sessions": 1, "grants": 1}
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert "<h1>Sign in</h1>" in elsewhere.authorize().text
    assert sid not in {session["sid"] for session in profile.items("/api/sessions")}


def test_consents_are_listed_and_withdrawn(profile: Site) -> None:
    """[EXT-2]"""
    world = profile.world
    wanted = application(world, BACKOFFICE, require_consent=True)
    browser = world.browser()
    consent_page = browser.sign_in(scope="openid read offline_access")
    code = browser.submit(consent_page, action="allow")
    assert code.is_redirect, code.text
    assert [(c["application"], c["scopes"]) for c in profile.items("/api/consents")] == [
        (BACKOFFICE, ["offline_access", "openid", "read"])
    ]
    assert browser.authorize(scope="openid read").is_redirect
    assert profile("POST", f"/api/consents/{wanted}/withdraw").status_code == 200
    assert not browser.authorize(scope="openid read").is_redirect
    assert profile("POST", f"/api/consents/{wanted}/withdraw").status_code == 404
    assert world.events("consent.withdrawn")[0].actor == "mira.k"


def test_a_reminder_comes_a_month_before(profile: Site) -> None:
    wanted = application(profile.world, BACKOFFICE)
    make(profile, wanted, expires_at=NOW + 31 * DAY)
    assert profile.items("/api/reminders") == []
    profile.world.clock.advance(DAY + 1)
    profile = Site(profile.world)
    assert len(profile.items("/api/reminders")) == 1


def test_tokens_of_an_application(world: World) -> None:
    """[IMG-1, IMG-3, IMG-4, REF-14]"""
    manage = Site(world, "ada", "manage")
    stock = application(world, STOCK, reference_tokens="AuthenticatedUsers")
    spa = application(world, SPA, reference_tokens="AuthenticatedUsers")
    body = {"scopes": ["read"], "expires_at": NOW + DAY}
    assert manage("POST", f"/apps/{spa}/tokens", body).status_code == 403  # [TAP-43]
    made = manage("POST", f"/apps/{stock}/tokens", body).json()
    assert world.api(CUSTOMERS, made["value"]).status_code == 200
    assert [token["id"] for token in manage.items(f"/apps/{stock}/tokens")] == [made["token"]["id"]]
    other = f"/apps/{spa}/tokens/{made['token']['id']}/revoke"
    assert manage("POST", other).status_code == 404
    assert manage("POST", other.replace(spa, stock)).json()["was_live"] is True
    assert world.api(CUSTOMERS, made["value"]).status_code == 401


def test_the_sites_get_no_sec(world: World) -> None:
    """[SCP-3]"""
    answer = world.browser().authorize(
        client_id="internal.erp.net/manage",
        redirect_uri=f"{world.base}/manage/signin-oidc",
        scope="openid sec",
        code_challenge="x" * 43,
        code_challenge_method="S256",
    )
    assert answer_of(answer)["error"] == "invalid_scope"
