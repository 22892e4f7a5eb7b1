"""Instance Manager: who gets in, and what each page shows and does [IMG-1..5]."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mintgate.contract.identifiers import secret_matches
from mintgate.store import audit_counts
from tests.site_visits import SiteVisit
from tests.world import NOW, PASSWORD, SECRET, SPA, STOCK, World, sqlite_url


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server; tests use records of their own where they change something."""
    world = World(sqlite_url(tmp_path_factory.mktemp("world")), customers=True).start()
    yield world
    world.stop()


@pytest.fixture(scope="module")
def signed_in(stage: World) -> SiteVisit:
    visit = SiteVisit(stage, "ada")
    assert visit.open("/manage").status_code == 200
    return visit


@pytest.fixture
def visit(signed_in: SiteVisit) -> SiteVisit:
    signed_in.world.clock.now = NOW
    return signed_in


def app_id(world: World, uri: str) -> str:
    return next(r["id"] for r in world.rows("applications") if r["application_uri"] == uri)


def user_id(world: World, login: str) -> str:
    return next(r["id"] for r in world.rows("users") if r["login"] == login)


def row(world: World, table: str, id_: str) -> dict[str, Any]:
    return next(r for r in world.rows(table) if r["id"] == id_)


def post(visit: SiteVisit, path: str, **fields: str) -> httpx.Response:
    """A form of the site, as from a page that was just open."""
    own = visit.hidden(visit.open("/manage"))["anti_forgery"]
    return visit.follow(visit.post(path, {"anti_forgery": own, **fields}))


def do(visit: SiteVisit, path: str) -> httpx.Response:
    """Ask for an act, and say yes."""
    question = visit.open(path)
    assert question.status_code == 200
    return visit.submit(question, path)


def new_app(visit: SiteVisit, kind: str, uri: str, **fields: str) -> httpx.Response:
    return post(visit, "/manage/apps/new", kind=kind, name_en="Shop", uri=uri, **fields)


# Who gets in.

PATHS = [
    "",
    "?range=month",
    "/sites",
    "/users",
    "/users/new",
    "/users/{user}",
    "/users/{user}/edit",
    "/users/{user}/password",
    "/users/{user}/lock",
    "/invite",
    "/apps",
    "/apps/events",
    "/apps/new",
    "/apps/new?kind=service",
    "/apps/{app}",
    "/apps/{app}/edit",
    "/apps/{app}/secrets",
    "/apps/{app}/secrets/rotate",
    "/apps/{app}/tokens",
    "/apps/{app}/tokens/new",
    "/apps/{app}/connect",
    "/apps/{app}/disable",
    "/sessions",
    "/sessions/sign-ins",
    "/licences",
    "/keys",
    "/keys/rotate/tomorrow",
    "/consents",
    "/audit",
    "/inspector",
    "/settings",
    "/settings/appearance",
    "/settings/appearance/remove-logo",
    "/settings/second-factors",
]


def paths(world: World) -> list[str]:
    values = {"app": app_id(world, STOCK), "user": user_id(world, "mira.k")}
    return ["/manage" + path.format(**values) for path in PATHS]


def test_every_page_for_an_administrator(visit: SiteVisit) -> None:
    """[IMG-2] small, in the language of the person, and never kept by the browser"""
    for path in paths(visit.world):
        page = visit.http.get(path, headers={"Accept-Language": "bg"})
        assert page.status_code == 200, path
        assert '<html lang="bg">' in page.text, path
        assert len(page.content) < 100_000
        assert page.headers["cache-control"] == "no-store"
        assert "style=" not in page.text
        assert "<script>" not in page.text


def test_nobody_else_gets_in(visit: SiteVisit) -> None:
    """[IMG-1] nobody is asked to sign in; whoever is no administrator gets a page that says so"""
    stranger, mira = SiteVisit(visit.world), SiteVisit(visit.world, "mira.k")
    assert mira.open("/manage").status_code == 403
    for path in paths(visit.world):
        answer = stranger.http.get(path)
        assert "/connect/authorize?" in answer.headers.get("location", ""), path
        assert mira.http.get(path).status_code == 403, path


def test_nobody_else_does_anything(visit: SiteVisit) -> None:
    """[IMG-1, PRF-6]"""
    mira = SiteVisit(visit.world, "mira.k")
    mira.open("/manage")
    stock = app_id(visit.world, STOCK)
    path = f"/manage/apps/{stock}/disable"
    own = visit.hidden(visit.open(path))["anti_forgery"]
    assert mira.post(path, {"anti_forgery": own}).status_code == 403
    assert visit.post(path, {"anti_forgery": "x"}).status_code == 403
    assert visit.post(path, {"a": "b"}).status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert visit.post(path, {"anti_forgery": own}, **foreign).status_code == 403
    assert row(visit.world, "applications", stock)["is_enabled"]


def test_an_administrator_no_more(stage: World) -> None:
    """[IMG-1] asked at each request, within the transaction of what is done"""
    stage.clock.now = NOW
    visit = SiteVisit(stage, "ada")
    visit.open("/manage")
    stage.change_user("ada", is_admin=False)
    try:
        assert visit.http.get("/manage").status_code == 403
        own = {"anti_forgery": "x"}
        assert visit.post("/manage/licences/reserve", own).status_code == 403
    finally:
        stage.change_user("ada", is_admin=True)


# The first page.


def test_what_happened_is_counted(visit: SiteVisit) -> None:
    """Tokens by kind and refusals by cause, also before and after they are in the sums."""
    world, before = visit.world, visit.open("/manage").text
    grant = {"grant_type": "client_credentials"}
    for _ in range(3):
        world.http.post("/id/connect/token", data=grant, auth=(STOCK, SECRET)).raise_for_status()
    refused = world.http.post("/id/connect/token", data=grant, auth=(STOCK, "wrong"))
    assert refused.status_code == 401
    assert issued(visit.open("/manage").text) == issued(before) + 3

    async def count(application: Any, instance: Any) -> None:
        await audit_counts.keep_counts(application.database, instance.instance.id)

    for _ in range(2):  # nothing is counted twice
        world.run_in_server(count)
        page = visit.open("/manage")
        assert issued(page.text) == issued(before) + 3
        assert "Wrong credentials of an application" in page.text
    for key in ("week", "month"):
        assert issued(visit.open(f"/manage?range={key}").text) >= 3


def issued(page: str) -> int:
    found = re.search(r'token\.issued">.*?tile-value">([\d,]+)<', page, re.S)
    assert found is not None
    return int(found[1].replace(",", ""))


# Applications.


def test_a_service_from_the_form_to_its_first_token(visit: SiteVisit) -> None:
    """The secret is shown once, and works."""
    page = new_app(
        visit,
        "service",
        "made.example/sync",
        service="on",
        system_user="svc.stock",
        scope_read="on",
    )
    assert page.status_code == 200
    secret = shown(page, "client-secret")
    visit.world.leaks.note("secret", secret)
    made = app_id(visit.world, "made.example/sync")
    assert secret not in visit.open(f"/manage/apps/{made}/secrets").text
    visit.world.sync()
    token = visit.world.http.post(
        "/id/connect/token",
        data={"grant_type": "client_credentials"},
        auth=("made.example/sync", secret),
    )
    assert token.status_code == 200
    added = {e.application: e.actor for e in visit.world.events("application.added")}
    assert added["made.example/sync"] == "ada"


def shown(page: httpx.Response, field: str) -> str:
    found = re.search(rf'id="{field}" value="([^"]*)"', page.text)
    assert found is not None, page.text
    return found[1]


REFUSED: list[tuple[str, str, dict[str, str], str]] = [
    ("TAP-2 name", "web", {"name_en": "", "login_urls": "https://a.example/"}, "name_en-error"),
    (
        "TAP-3 unique",
        "web",
        {"uri": STOCK.upper(), "login_urls": "https://a.example/"},
        "uri-error",
    ),
    ("TAP-22 https", "web", {"login_urls": "http://a.example/cb"}, "login_urls-error"),
    ("TAP-21 absolute", "browser", {"login_urls": "callback"}, "login_urls-error"),
    ("TAP-40 redirect", "browser", {"internal": "on"}, "login_urls-error"),
    ("TAP-11 system user", "service", {"service": "on", "scope_read": "on"}, "system_user-error"),
    (
        "TAP-12 system user",
        "service",
        {"service": "on", "scope_read": "on", "system_user": "buyer@client.example"},
        "system_user-error",
    ),
    (
        "no such user",
        "service",
        {"service": "on", "scope_read": "on", "system_user": "nobody"},
        "system_user-error",
    ),
    ("TAP-41 scope", "service", {"service": "on", "system_user": "svc.stock"}, "scope-error"),
]


@pytest.mark.parametrize(
    ("case", "kind", "fields", "where"), REFUSED, ids=[one[0] for one in REFUSED]
)
def test_what_the_form_does_not_let_through(
    case: str, kind: str, fields: dict[str, str], where: str, visit: SiteVisit
) -> None:
    """The sentence stands at its field, what was typed is there, and nothing was stored."""
    count = visit.world.count_rows("applications")
    given = {"kind": kind, "name_en": "Shop", "uri": "refused.example/x", "notes": "kept", **fields}
    page = post(visit, "/manage/apps/new", **given)
    assert page.status_code == 400
    assert f'id="{where}"' in page.text
    assert ">kept</textarea>" in page.text
    assert visit.world.count_rows("applications") == count


def test_what_a_kind_cannot_have_is_off(visit: SiteVisit) -> None:
    """[TAP-11, TAP-51] whatever a form says that was put together by hand"""
    fields = {"service": "on", "system_user": "svc.stock", "login_urls": "https://p.example/cb"}
    new_app(visit, "browser", "made.example/spa", internal="on", **fields)
    stored = row(visit.world, "applications", app_id(visit.world, "made.example/spa"))
    assert not stored["system_user_allowed"]
    assert stored["system_user"] is None
    assert stored["application_secret_hash"] is None
    assert stored["client_type"] == "Public"


def test_changing_an_application(visit: SiteVisit) -> None:
    """Effective at once [TAP-31]; what two people change at a time is not lost."""
    new_app(visit, "tokens", "made.example/tool", reference_tokens="AuthenticatedUsers")
    made = app_id(visit.world, "made.example/tool")
    path = f"/manage/apps/{made}/edit"
    first, second = (visit.hidden(visit.open(path)) for _ in range(2))
    fields = {"name_en": "Tool", "uri": "made.example/tool", "scope_update": "on"}
    assert visit.post(path, {**first, **fields}).status_code == 303
    stored = row(visit.world, "applications", made)
    assert (stored["name"], stored["scope"]) == ({"en": "Tool"}, "update")
    late = visit.post(path, {**second, **fields, "name_en": "Mine"})
    assert late.status_code == 409
    assert row(visit.world, "applications", made)["name"] == {"en": "Tool"}


def test_the_kill_switch(visit: SiteVisit) -> None:
    """[TAP-4] asked for, done, and taken back"""
    new_app(visit, "tokens", "made.example/kill")
    made = app_id(visit.world, "made.example/kill")
    assert "disabled" in do(visit, f"/manage/apps/{made}/disable").text
    assert not row(visit.world, "applications", made)["is_enabled"]
    do(visit, f"/manage/apps/{made}/enable")
    assert row(visit.world, "applications", made)["is_enabled"]
    do(visit, f"/manage/apps/{made}/remove")
    assert visit.open(f"/manage/apps/{made}").status_code == 404


def test_a_built_in_application_stays_as_it_is(visit: SiteVisit) -> None:
    """[TOP-12]"""
    site = app_id(visit.world, "internal.erp.net/manage")
    own = visit.hidden(visit.open("/manage"))
    assert visit.post(f"/manage/apps/{site}/disable", own).status_code == 403
    assert visit.post(f"/manage/apps/{site}/secrets/rotate", own).status_code == 403
    assert row(visit.world, "applications", site)["is_enabled"]


def test_a_secret_changes_without_a_gap(visit: SiteVisit) -> None:
    """[EXT-10, TAP-32] both live, then only the new one"""
    page = new_app(visit, "service", "made.example/rotated")
    first = shown(page, "client-secret")
    made = app_id(visit.world, "made.example/rotated")
    page = post(visit, f"/manage/apps/{made}/secrets/rotate", kept="86400", life="31536000")
    second = shown(page, "client-secret")
    for secret in (first, second):
        visit.world.leaks.note("secret", secret)
    stored = row(visit.world, "applications", made)
    assert secret_matches(second, stored["application_secret_hash"])
    assert secret_matches(first, stored["second_secret_hash"])
    assert stored["second_secret_end_utc"] == int(NOW) + 86400
    assert stored["application_secret_end_utc"] == int(NOW) + 31536000
    do(visit, f"/manage/apps/{made}/secrets/second/end")
    assert row(visit.world, "applications", made)["second_secret_hash"] is None


def test_a_service_token_is_made_and_ended(visit: SiteVisit) -> None:
    """[IMG-3, IMG-4, REF-3]"""
    stock = app_id(visit.world, STOCK)
    visit.world.change_application(STOCK, reference_tokens="AdministratorsOnly")
    path = f"/manage/apps/{stock}/tokens/new"
    wrong = post(visit, path, scope_read="on", expires="2020-01-01")
    assert wrong.status_code == 400
    page = post(visit, path, scope_read="on", expires="2027-01-01", description="robot")
    value = shown(page, "token-value")
    visit.world.leaks.note("token", value)
    listed = visit.open(f"/manage/apps/{stock}/tokens").text
    assert "Stock service &lt;svc.stock&gt; [SYS]" in listed
    assert value not in listed
    (token,) = [t for t in visit.world.rows("reference_tokens") if t["description"] == "robot"]
    do(visit, f"/manage/apps/{stock}/tokens/{token['id']}/end")
    assert row(visit.world, "reference_tokens", token["id"])["revoked_by"] == "ada"


def test_no_service_token_without_a_way(visit: SiteVisit) -> None:
    """[IMG-4] the button is off, and so is the form"""
    spa = app_id(visit.world, SPA)
    assert "disabled aria-describedby" in visit.open(f"/manage/apps/{spa}/tokens").text
    answer = post(visit, f"/manage/apps/{spa}/tokens/new", scope_read="on", expires="2027-01-01")
    assert answer.status_code == 403


def test_how_to_connect_has_no_secret(visit: SiteVisit) -> None:
    page = visit.open(f"/manage/apps/{app_id(visit.world, STOCK)}/connect").text
    assert "ClientCredentialsAuth" in page
    assert STOCK in page
    assert SECRET not in page


def test_how_a_browser_application_connects(visit: SiteVisit) -> None:
    """[IDT-14, EP-7] The name is asked for, and no library needs a frame to renew."""
    world = visit.world
    page = html.unescape(visit.open(f"/manage/apps/{app_id(world, SPA)}/connect").text)
    for line in (
        'scope: "openid profile read offline_access",',
        "loadUserInfo: true,",
        f'knownAuthorities: ["{world.base.removeprefix("http://")}"],',
        'OIDCOptions: { responseMode: "fragment" },',
        "const claims = JSON.stringify({ id_token: { name: null, preferred_username: null } });",
        'await app.loginRedirect({ scopes: ["read"], claims });',
    ):
        assert line in page, line


# Users.


def test_the_life_of_a_user(visit: SiteVisit) -> None:
    """[USR-1..12] created, locked, disabled, made administrator, removed; each is audited"""
    world = visit.world
    fields = {"user_type": "InternalUser", "login": "nina", "name_en": "Nina"}
    assert "password-error" in post(visit, "/manage/users/new", **fields).text
    page = post(visit, "/manage/users/new", **fields, password=PASSWORD)
    assert page.status_code == 200
    nina = user_id(world, "nina")
    path = f"/manage/users/{nina}"
    assert SiteVisit(world, "nina").open("/profile").status_code == 200
    for act, column, value in [
        ("lock", "locked_until", float("inf")),
        ("unlock", "locked_until", None),
        ("disable", "active", False),
        ("enable", "active", True),
        ("make-admin", "is_admin", True),
        ("take-admin", "is_admin", False),
    ]:
        do(visit, f"{path}/{act}")
        assert row(world, "users", nina)[column] == value, act
    do(visit, f"{path}/sign-out")
    assert not [s for s in world.rows("identity_sessions") if s["user_id"] == nina]
    do(visit, f"{path}/revoke-everything")
    assert world.events("user.everything_revoked")[0].subject_id == nina
    hidden = visit.hidden(visit.open(f"{path}/edit"))
    assert visit.post(f"{path}/edit", {**hidden, "login": "nina.b", "name_en": "N"}).is_redirect
    assert row(world, "users", nina)["login"] == "nina.b"
    do(visit, f"{path}/remove")
    assert visit.open(path).status_code == 404


def test_inviting_somebody(visit: SiteVisit) -> None:
    """[IMG-6] no mail is sent here, so the link is shown this once"""
    assert post(visit, "/manage/invite", email="nowhere", send="show").status_code == 400
    assert post(visit, "/manage/invite", email="new@orion.example", send="mail").status_code == 409
    page = post(visit, "/manage/invite", email="new@orion.example", send="show", kind="community")
    link = shown(page, "invitation-link")
    assert link.startswith(visit.world.base)
    invited = row(visit.world, "users", user_id(visit.world, "new@orion.example"))
    assert invited["user_type"] == "InvitationExternalNoLogin"
    assert visit.world.events("user.invited")[0].actor == "ada"


def test_a_password_is_set(visit: SiteVisit) -> None:
    """[USR-22] and it is in no log"""
    world, mira = visit.world, user_id(visit.world, "mira.k")
    before = row(world, "users", mira)["password_hash"]
    assert post(visit, f"/manage/users/{mira}/password").status_code == 400
    post(visit, f"/manage/users/{mira}/password", password=PASSWORD)
    after = row(world, "users", mira)["password_hash"]
    assert after != before
    assert after.startswith("$argon2id$")


def test_nobody_locks_oneself_out(visit: SiteVisit) -> None:
    ada = user_id(visit.world, "ada")
    own = visit.hidden(visit.open("/manage"))
    for act in ("disable", "lock", "take-admin", "remove", "revoke-everything"):
        assert visit.post(f"/manage/users/{ada}/{act}", own).status_code == 409, act
    assert row(visit.world, "users", ada)["is_admin"]


SEARCHES = [
    ("mir", "mira.k", True),
    ("MIRA.K@orion", "mira.k", True),
    ("ira", "mira.k", True),
    ("%", "mira.k", False),
]


@pytest.mark.parametrize(("search", "login", "found"), SEARCHES)
def test_searching_users(search: str, login: str, found: bool, visit: SiteVisit) -> None:
    page = visit.http.get("/manage/users", params={"search": search})
    assert (f">{login}</a>" in page.text) is found


def test_searching_applications(visit: SiteVisit) -> None:
    page = visit.http.get("/manage/apps", params={"search": "OCK"})
    assert STOCK in page.text
    assert SPA not in page.text


# Sessions, licences, keys.


def test_ending_sessions(visit: SiteVisit) -> None:
    """[SES-23, OPQ-32]"""
    world = visit.world
    token = world.http.post(
        "/id/connect/token", data={"grant_type": "client_credentials"}, auth=(STOCK, SECRET)
    ).json()["access_token"]
    world.leaks.note("token", token)
    bearer = {"Authorization": f"Bearer {token}"}
    customers = "/api/domain/odata/Crm_Sales_Customers?$top=1"
    assert world.http.get(customers, headers=bearer).status_code == 200
    page = visit.open("/manage/sessions")
    (close,) = re.findall(r"/manage/sessions/erp/[0-9A-F]{16}/close", page.text)
    do(visit, close)
    assert "No session is open" in visit.open("/manage/sessions").text
    other = SiteVisit(world, "mira.k")
    other.open("/profile")
    (sid,) = {
        s["sid"]
        for s in world.rows("identity_sessions")
        if s["user_id"] == user_id(world, "mira.k")
    }
    do(visit, f"/manage/sessions/{sid}/end")
    assert other.http.get("/profile").status_code == 303


def test_licences_and_reservations(visit: SiteVisit) -> None:
    """[IMG-5, SES-36]"""
    assert post(visit, "/manage/licences/total", total="many").status_code == 400
    assert post(visit, "/manage/licences/reserve", login="nobody.here").status_code == 400
    post(visit, "/manage/licences/reserve", login="MIRA.K")
    assert ">mira.k<" in visit.open("/manage/licences").text
    assert post(visit, "/manage/licences/total", total="0").status_code == 409
    post(visit, "/manage/licences/release", login="mira.k")
    assert "No licence is reserved" in visit.open("/manage/licences").text
    post(visit, "/manage/licences/total", total="1234")
    assert visit.world.rows("instances")[0]["licences"] == 1234


def test_keys(visit: SiteVisit) -> None:
    """[EXT-14, DSC-14]"""
    before = {key["kid"] for key in visit.world.rows("signing_keys")}
    do(visit, "/manage/keys/rotate/tomorrow")
    (new,) = {key["kid"] for key in visit.world.rows("signing_keys")} - before
    do(visit, f"/manage/keys/{new}/compromised")
    assert visit.world.events("key.compromised")[0].details["kid"] == new  # type: ignore[index]
    assert visit.open("/manage/keys/ABC/compromised").status_code == 404


# The log.


def test_filters_and_pages_of_the_log(visit: SiteVisit) -> None:
    page = visit.open("/manage/audit")
    assert "application.added" in page.text
    page = visit.http.get("/manage/audit", params={"event": ".refused"})
    assert "token.refused" in page.text
    assert "application.added" not in page.text.partition("<tbody")[2].partition("</tbody")[0]
    none = visit.http.get("/manage/audit", params={"event": "token.", "until": "2020-01-01"})
    assert "Nothing was found" in none.text
    assert visit.http.get("/manage/audit", params={"after": "x"}).status_code == 400


def test_the_log_as_a_file(visit: SiteVisit) -> None:
    answer = post(visit, "/manage/audit/export", event="application.added", format="json")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [line for line in answer.text.splitlines() if line]
    assert lines
    assert all('"event":"application.added"' in line for line in lines)
    answer = post(visit, "/manage/audit/export", event="application.added", format="csv")
    assert len(answer.text.splitlines()) == len(lines) + 1
    assert visit.world.events("audit.exported")[0].actor == "ada"


# The inspector.


def test_the_inspector_keeps_no_token(visit: SiteVisit) -> None:
    """Every check is told; the token is in no answer, and (see `leaks`) in no row and no log."""
    token = visit.world.http.post(
        "/id/connect/token", data={"grant_type": "client_credentials"}, auth=(STOCK, SECRET)
    ).json()["access_token"]
    visit.world.leaks.note("token", token)
    page = post(visit, "/manage/inspector", token=token, api="DomainAPI", method="GET")
    assert page.status_code == 200
    assert "The request would be allowed" in page.text
    assert "client_system_user" in page.text
    assert token not in page.text
    broken = post(visit, "/manage/inspector", token=token[:-4] + "AAAA", method="GET")
    assert "The request would be refused" in broken.text
    assert "The request would be refused" in post(visit, "/manage/inspector", token="x").text
    assert post(visit, "/manage/inspector", token=token, api="Nope").status_code == 400


# What is dangerous.

DANGEROUS = [
    "/apps/new",
    "/apps/{app}/edit",
    "/apps/{app}/enable",
    "/users/{user}/edit",
    "/users/{user}/enable",
    "/users/{user}/unlock",
    "/apps/{app}/remove",
    "/apps/{app}/revoke-everything",
    "/apps/{app}/secrets/rotate",
    "/apps/{app}/tokens/new",
    "/users/{user}/make-admin",
    "/users/{user}/password",
    "/users/{user}/remove",
    "/users/{user}/revoke-everything",
    "/keys/rotate/now",
    "/sessions/erp/all/close-all",
    "/settings",
    "/settings/appearance/remove-logo",
    "/settings/second-factors",
    "/users/{user}/reset-second-factors",
]


def test_what_is_dangerous_asks_for_a_new_sign_in(visit: SiteVisit) -> None:
    values = {"app": app_id(visit.world, STOCK), "user": user_id(visit.world, "mira.k")}
    own = visit.hidden(visit.open("/manage"))
    visit.world.clock.advance(601)
    for path in DANGEROUS:
        where = "/manage" + path.format(**values)
        assert "prompt=login" in visit.http.get(where).headers["location"], path
        assert "prompt=login" in visit.post(where, own).headers["location"], path


# Install links.

INSTALLS: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("INS-2 unnamed", {}, {"name": {"en": "(unnamed)"}, "client_type": "None"}),
    ("INS-3 case", {"clientType": "confidential"}, {"client_type": "Confidential"}),
    ("INS-23 secret", {"requestSecret": "TRUE"}, {"client_type": "Confidential"}),
    (
        "INS-5 all",
        {"impersonate": "all", "redirectUri": "https://i.example/cb", "clientType": "Public"},
        {
            "impersonate_as_internal_user_allowed": True,
            "impersonate_as_community_user_allowed": True,
            "impersonate_login_url": "https://i.example/cb",
        },
    ),
    (
        "INS-7 service",
        {"serviceAccess": "clientcredentials", "scope": "read"},
        {"system_user_allowed": True, "scope": "read"},
    ),
    (
        "SCP-21 all",
        {"scope": "openid profile read update offline_access"},
        {"scope": "openid profile read update offline_access"},
    ),
    (
        "INS-8 tokens",
        {"referenceTokens": "AuthenticatedUsers", "nobody": "knows"},
        {"reference_tokens": "AuthenticatedUsers"},
    ),
]


@pytest.mark.parametrize(("case", "link", "stored"), INSTALLS, ids=[one[0] for one in INSTALLS])
def test_an_install_link(
    case: str, link: dict[str, str], stored: dict[str, Any], visit: SiteVisit
) -> None:
    """[INS-26] nothing is there before the confirmation, and then what it showed"""
    uri = f"installed.example/{case.replace(' ', '-')}"
    page = visit.http.get("/manage/apps/install", params={"applicationUri": uri, **link})
    assert page.status_code == 200
    assert uri in page.text
    assert uri not in {r["application_uri"] for r in visit.world.rows("applications")}
    assert visit.submit(page, "/confirmed").status_code == 200
    made = row(visit.world, "applications", app_id(visit.world, uri))
    assert {name: made[name] for name in stored} == stored


def test_an_install_with_secret_and_token(visit: SiteVisit) -> None:
    """[INS-6, INS-7, INS-31, USR-24] shown once; once more is refused [INS-27]"""
    uri = "installed.example/full"
    link = {
        "applicationUri": uri,
        "requestSecret": "true",
        "serviceAccess": "referenceToken",
        "scope": "openid read",
    }
    page = visit.http.get("/manage/apps/install", params=link)
    made = visit.submit(page, "/confirmed")
    secret, token = shown(made, "client-secret"), shown(made, "token-value")
    visit.world.leaks.note("secret", secret)
    visit.world.leaks.note("token", token)
    assert re.fullmatch(r"[A-Za-z0-9]{24}", secret)
    stored = row(visit.world, "applications", app_id(visit.world, uri))
    assert stored["system_user"] == user_id(visit.world, "SYSTEM_APPLICATION_USER")
    (sat,) = [
        t for t in visit.world.rows("reference_tokens") if t["application_id"] == stored["id"]
    ]
    assert (sat["scopes"], sat["expires_at"]) == (["read"], NOW + 365 * 24 * 3600)
    again = visit.submit(page, "/confirmed")  # back, and once more
    assert again.status_code == 409
    assert visit.http.get("/manage/apps/install", params=link).status_code == 409


BAD_LINKS: list[tuple[str, dict[str, str]]] = [
    ("INS-20 no uri", {"applicationUri": ""}),
    ("INS-21 no redirect", {"clientType": "Public", "impersonate": "all"}),
    ("INS-21 nobody", {"clientType": "Public", "redirectUri": "https://i.example/"}),
    (
        "INS-21 secret",
        {
            "clientType": "Public",
            "redirectUri": "https://i.example/",
            "impersonate": "all",
            "requestSecret": "true",
        },
    ),
    (
        "INS-22 service",
        {
            "clientType": "Public",
            "redirectUri": "https://i.example/",
            "impersonate": "all",
            "serviceAccess": "clientCredentials",
        },
    ),
    ("INS-24 http", {"redirectUri": "http://i.example/"}),
    ("INS-25 enum", {"impersonate": "everybody"}),
    ("INS-25 scope", {"scope": "read everything"}),
    ("SCP-21 sec", {"scope": "read sec"}),
    ("SCP-21 obsolete", {"scope": "DomainApi read"}),
    ("INS-31 scopes", {"serviceAccess": "referenceToken", "scope": "openid"}),
]


@pytest.mark.parametrize(("case", "link"), BAD_LINKS, ids=[one[0] for one in BAD_LINKS])
def test_a_link_that_breaks_a_rule(case: str, link: dict[str, str], visit: SiteVisit) -> None:
    given = {"applicationUri": "installed.example/bad", **link}
    assert visit.http.get("/manage/apps/install", params=given).status_code == 400


def test_links_of_two_tabs_are_not_mixed_up(visit: SiteVisit) -> None:
    """[INS-26] what is done is what that page showed"""
    first, second = (
        visit.http.get("/manage/apps/install", params={"applicationUri": f"tabs.example/{n}"})
        for n in (1, 2)
    )
    assert visit.submit(first, "/confirmed").status_code == 409
    assert visit.submit(second, "/confirmed").status_code == 200
    twice = visit.http.get("/manage/apps/install?applicationUri=a&applicationUri=b")
    assert twice.status_code == 400


def test_an_uninstall_link(visit: SiteVisit) -> None:
    """[INS-28]"""
    new_app(visit, "tokens", "installed.example/gone")
    link = {"applicationUri": "Installed.example/GONE"}
    page = visit.http.get("/manage/apps/uninstall", params=link)
    assert "is uninstalled" in visit.submit(page, "/confirmed").text
    assert visit.http.get("/manage/apps/uninstall", params=link).status_code == 404


def test_a_link_survives_the_sign_in(stage: World) -> None:
    """[IMG-1] back to the same link"""
    stage.clock.now = NOW
    visit = SiteVisit(stage, "ada")
    page = visit.open("/manage/apps/install?applicationUri=via.example/x&impersonate=none")
    assert "via.example/x" in page.text
