"""Signing in to the instance's own sites, and what ends it [PRF-2, PRF-6, IMG-1, SES-24]."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from mintgate.contract.first_party import PROFILE_CLIENT
from mintgate.contract.identifiers import new_guid
from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.sites.visiting import Visitor
from mintgate.sites.visiting.cookies import SiteCookies
from mintgate.sites.visiting.door import Form
from mintgate.sites.visiting.making import SiteGround
from mintgate.store import applications, sessions, users
from tests.site_visits import SiteVisit, quick_passwords
from tests.world import NOW, PASSWORD_HASH, World, sqlite_url

_numbers = itertools.count()


def query_of(response: httpx.Response) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlsplit(response.headers["location"]).query).items()}


DONE: list[tuple[str, Form]] = []


def probe_of(site: str, **options: Any) -> Callable[[SiteGround], list[BaseRoute]]:
    """Pages that only these tests have, in place of the site's own."""

    def routes(ground: SiteGround) -> list[BaseRoute]:
        root = ground.instance.base_url + "/" + site

        async def show(request: Request, visitor: Visitor) -> Response:
            form = (
                f'<form method="post" action="{root}{{path}}">'
                f'<input type="hidden" name="anti_forgery" value="{visitor.anti_forgery}"></form>'
            )
            forms = form.format(path="/signout") + form.format(path="/danger")
            told = f"login={visitor.user.login} draft={dict(visitor.draft)}"
            return Response(forms + told, media_type="text/html")

        async def act(request: Request, visitor: Visitor, form: Form) -> Response:
            DONE.append((visitor.user.login, form))
            return RedirectResponse(root, status_code=303)

        return [
            ground.door.page("", show=show),
            ground.door.page("/quick", act=act),
            ground.door.page("/danger", show=show, act=act, needs_fresh=True, keeps=("text",)),
        ]

    return routes


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server; every test has a person of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mintgate.sites.profile.routes", probe_of("profile"))
        patch.setattr("mintgate.sites.manage.routes", probe_of("manage"))
        world = World(sqlite_url(tmp_path_factory.mktemp("world")))
        world.password_hash = quick_passwords(patch)
        world.start()
        try:
            yield world
        finally:
            world.stop()


def person_in(world: World, **attributes: Any) -> User:
    name = f"person{next(_numbers)}"
    given = {"user_type": UserType.INTERNAL} | attributes
    user = User(id=new_guid(), login=name, name={"en": name.title()}, **given)
    with world.database.begin() as tx:
        users.add(tx, world.instance.id, user, world.password_hash)
    world.sync()
    return user


@pytest.fixture
def visit(stage: World) -> SiteVisit:
    stage.clock.now = NOW
    DONE.clear()
    return SiteVisit(stage, person_in(stage).login)


def sessions_of(visit: SiteVisit) -> list[dict[str, Any]]:
    """The person's, at any site."""
    (user,) = [row for row in visit.world.rows("users") if row["login"] == visit.login]
    return [r for r in visit.world.rows("site_sessions") if r["user_id"] == user["id"]]


def test_a_page_asks_for_a_sign_in_and_comes_back_to_itself(visit: SiteVisit) -> None:
    """[PRF-2, SES-24, TOP-12]"""
    world = visit.world
    first = visit.http.get("/profile?tab=1")
    assert first.status_code == 303
    asked = query_of(first)
    assert asked["client_id"] == PROFILE_CLIENT
    assert asked["redirect_uri"] == f"{world.base}/profile/signin-oidc"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert len(asked["code_challenge"]) == 43
    assert {"state", "nonce"} < asked.keys()
    page = visit.open("/profile?tab=1")
    assert (page.status_code, str(page.url)) == (200, f"{world.base}/profile?tab=1")
    assert f"login={visit.login}" in page.text
    assert world.count_rows("erp_sessions") == 0
    assert world.count_rows("refresh_tokens") == 0  # nothing is asked for that is not used
    issued = next(e for e in world.events("token.issued") if e.actor == visit.login)
    assert issued.application == PROFILE_CLIENT  # by the grant itself, so it is in the audit log


def test_the_cookie(visit: SiteVisit) -> None:
    """[SGN-4]"""
    visit.open("/profile")
    (row,) = sessions_of(visit)
    value = visit.cookie("mintgate-profile-")
    assert len(value) == 64
    assert value not in str(row)
    names = {c.name for c in visit.http.cookies.jar}
    suffix = visit.world.instance.cookie_suffix
    assert {f"mintgate-profile-{suffix}", f"mintgate-start-{suffix}"} <= names


def test_the_cookie_over_https() -> None:
    """[SGN-4]"""
    instance = Instance(id=new_guid(), name="x", database="X", base_url="https://x.example")
    response = Response()
    SiteCookies(instance, "profile").set_session(response, "v")
    told = response.headers["set-cookie"]
    assert told.startswith(f"__Host-mintgate-profile-{instance.cookie_suffix}=v;")
    for flag in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert flag in told
    assert "Domain" not in told
    assert "Max-Age" not in told


def test_who_is_signed_in_is_not_asked_again(visit: SiteVisit) -> None:
    """[AUT-47] and every sign-in has another cookie, so that a planted one is worth nothing"""
    visit.open("/profile")
    before = visit.cookie("mintgate-profile-")
    forget_session(visit)
    page = visit.open("/profile", sign_in=False)
    assert f"login={visit.login}" in page.text
    assert visit.cookie("mintgate-profile-") != before


def test_a_planted_cookie_gets_nobody_in(visit: SiteVisit) -> None:
    """Session fixation: the value that stood there before the sign-in is no session after it."""
    suffix = visit.world.instance.cookie_suffix
    name, planted = f"mintgate-profile-{suffix}", "A" * 64
    visit.http.cookies.set(name, planted, domain="127.0.0.1", path="/")
    assert f"login={visit.login}" in visit.open("/profile").text
    other = visit.world.browser()
    other.http.cookies.set(name, planted)
    assert other.http.get("/profile").status_code == 303


CALLBACKS: list[tuple[str, dict[str, str | None]]] = [
    ("without a state", {"state": None}),
    ("with another state", {"state": "x.y"}),
    ("without an issuer", {"iss": None}),
    ("of another issuer", {"iss": "https://evil.example/id"}),
    ("with a code of somebody else", {"code": "A" * 64}),
    ("without anything", {"code": None}),
]


def test_a_callback_that_is_not_the_answer(visit: SiteVisit) -> None:
    """RFC 6749 §10.12, RFC 9207 §2.4"""
    callback = query_of(answer_of_issuer(visit))
    for case, changes in CALLBACKS:
        query = {k: v for k, v in (callback | changes).items() if v is not None}
        page = visit.http.get("/profile/signin-oidc", params=query)
        assert page.status_code == 400, case
    assert sessions_of(visit) == []
    assert visit.http.get("/profile/signin-oidc", params=callback).status_code == 303


def test_another_browser_cannot_be_signed_in_by_a_link(visit: SiteVisit) -> None:
    """Login CSRF: an attacker sends the own answer to somebody else."""
    callback = answer_of_issuer(visit)
    victim = SiteVisit(visit.world)
    victim.http.get("/profile")  # it has begun a sign-in of its own
    assert victim.http.get(callback.headers["location"]).status_code == 400
    assert visit.http.get(callback.headers["location"]).status_code == 303


def test_the_code_is_used_once_and_back_goes_on(visit: SiteVisit) -> None:
    callback = answer_of_issuer(visit)
    where = callback.headers["location"]
    assert visit.http.get(where).headers["location"] == f"{visit.world.base}/profile"
    again = visit.http.get(where)  # the back button: the session is there, so is the page
    assert again.headers["location"] == f"{visit.world.base}/profile"
    stranger = visit.world.browser()
    assert stranger.http.get(where).status_code == 400
    assert len(sessions_of(visit)) == 1


def test_a_sign_in_that_took_too_long(visit: SiteVisit) -> None:
    started = visit.http.get("/profile")
    visit.world.clock.advance(3600 + 300 + 1)
    page = visit.http.get(
        "/profile/signin-oidc",
        params={
            "state": query_of(started)["state"],
            "code": "A" * 64,
            "iss": visit.world.issuer,
        },
    )
    assert page.status_code == 400


OUTSIDE = [
    "/profile//evil.example",
    "/profile/..%2f..%2fid",
    "/profile/%2e%2e/id",
    "/profile/\\evil.example",
    "/profile?next=https://evil.example",
    "/profile?x=%0d%0aSet-Cookie:a=b",
    "/profile/x%0d%0aSet-Cookie:a=b",
]


def forget_session(visit: SiteVisit) -> None:
    visit.http.cookies.delete(f"mintgate-profile-{visit.world.instance.cookie_suffix}")


def test_no_address_leads_out_of_the_site(visit: SiteVisit) -> None:
    """[SGN-5] Whatever is asked for, the way back is a page of the site."""
    visit.browser.sign_in(visit.login)
    for path in OUTSIDE:
        answer = visit.http.get(path)
        if answer.status_code == 404:
            continue
        back = visit.http.get(answer.headers["location"]).headers["location"]
        where = visit.http.get(back).headers["location"]
        assert where.startswith(f"{visit.world.base}/profile"), path
        assert "evil" not in urlsplit(where).netloc + urlsplit(where).path
        forget_session(visit)


def answer_of_issuer(visit: SiteVisit, path: str = "/profile") -> httpx.Response:
    """The redirect to the site's callback, not followed."""
    first = visit.http.get(path)
    page = visit.browser.follow(visit.http.get(first.headers["location"]))
    if not page.is_redirect:
        page = visit.browser.submit(page, login=visit.login, password=visit.password)
    assert "/signin-oidc?" in page.headers["location"]
    return page


# What ends a site session: everything that ends its sign-in, and what closes the site.


def sign_out(visit: SiteVisit) -> None:
    page = visit.http.get("/id/connect/endsession")
    visit.browser.submit(page)


def end_by_administrator(visit: SiteVisit) -> None:
    sid = sessions_of(visit)[0]["sid"]
    with visit.world.database.begin() as tx:
        sessions.end(tx, visit.world.instance.id, sid, "ended")


def change_password(visit: SiteVisit) -> None:
    with visit.world.database.begin() as tx:
        user = users.by_login(tx.connection, visit.world.instance.id, visit.login)
        assert user is not None
        users.set_password(tx, visit.world.instance.id, user.id, PASSWORD_HASH)


def remove_user(visit: SiteVisit) -> None:
    with visit.world.database.begin() as tx:
        user = users.by_login(tx.connection, visit.world.instance.id, visit.login)
        assert user is not None
        users.remove(tx, visit.world.instance.id, user.id)


def change_user(**changes: Any) -> Callable[[SiteVisit], None]:
    return lambda visit: void(visit.world.change_user(visit.login, **changes))


def change_site(**changes: Any) -> Callable[[SiteVisit], None]:
    return lambda visit: void(visit.world.change_application(PROFILE_CLIENT, **changes))


def void(_: object) -> None:
    return None


def block(visit: SiteVisit) -> None:
    visit.world.block_user(visit.login, PROFILE_CLIENT)


def revoke_everything_of_site(visit: SiteVisit) -> None:
    with visit.world.database.begin() as tx:
        instance_id = visit.world.instance.id
        site = applications.by_uri(tx.connection, instance_id, PROFILE_CLIENT)
        assert site is not None
        assert applications.revoke_everything(tx, instance_id, site.id, "ada")


def revoke_everything_of_user(visit: SiteVisit) -> None:
    with visit.world.database.begin() as tx:
        user = users.by_login(tx.connection, visit.world.instance.id, visit.login)
        assert user is not None
        users.revoke_everything(tx, visit.world.instance.id, user.id, "ada")


def wait_a_day(visit: SiteVisit) -> None:
    visit.world.clock.advance(24 * 3600)


def another_person_signs_in(visit: SiteVisit) -> None:
    visit.browser.sign_in("ada", prompt="login")


ENDS: list[tuple[str, Callable[[SiteVisit], None]]] = [
    ("signed out", sign_out),
    ("ended by an administrator", end_by_administrator),
    ("password changed", change_password),
    ("user disabled", change_user(active=False)),
    ("user locked", change_user(locked_until=NOW + 1e6)),
    ("user removed", remove_user),
    ("site disabled", change_site(is_enabled=False)),
    ("user kept out of the site", block),
    ("everything of the site revoked", revoke_everything_of_site),
    ("everything of the user revoked", revoke_everything_of_user),
    ("its time is over", wait_a_day),
    ("another person signed in at this browser", another_person_signs_in),
]


@pytest.mark.parametrize(("event", "act"), ENDS, ids=[row[0] for row in ENDS])
def test_what_ends_a_site_session(
    event: str, act: Callable[[SiteVisit], None], visit: SiteVisit
) -> None:
    assert visit.open("/profile").status_code == 200
    act(visit)
    visit.world.sync()
    answer = visit.http.get("/profile")
    change_site(is_enabled=True)(visit)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{visit.world.issuer}/connect/authorize?")


def test_a_new_sign_in_of_the_same_person_goes_on(visit: SiteVisit) -> None:
    """[SES-51]"""
    visit.open("/profile")
    visit.browser.sign_in(visit.login, prompt="login")
    assert visit.http.get("/profile").status_code == 200


# Forms, and what needs a sign-in of a moment ago.


def form_of(visit: SiteVisit, path: str = "/profile") -> str:
    """The anti-forgery value of the person's forms."""
    return visit.hidden(visit.open(path))["anti_forgery"]


HEADERS: list[tuple[str, dict[str, str], int]] = [
    ("of this site", {}, 303),
    ("by hand", {"Sec-Fetch-Site": "none"}, 303),
    ("from a subdomain", {"Sec-Fetch-Site": "same-site"}, 403),
    ("from another site", {"Sec-Fetch-Site": "cross-site"}, 403),
    ("an old browser of this site", {"Sec-Fetch-Site": ""}, 303),
    (
        "an old browser from another site",
        {"Sec-Fetch-Site": "", "Origin": "https://e.example"},
        403,
    ),
]


@pytest.mark.parametrize(("case", "headers", "status"), HEADERS, ids=[row[0] for row in HEADERS])
def test_where_a_form_comes_from(
    case: str, headers: dict[str, str], status: int, visit: SiteVisit
) -> None:
    """[PRF-6]"""
    own = form_of(visit)
    answer = visit.post("/profile/quick", {"anti_forgery": own, "text": "x"}, **headers)
    assert answer.status_code == status
    assert len(DONE) == (status == 303)


def test_every_form_carries_the_value_of_its_session(visit: SiteVisit) -> None:
    """[PRF-6] nobody else's, none of an earlier sign-in, none at all"""
    own = form_of(visit)
    other = SiteVisit(visit.world, person_in(visit.world).login)
    for value in (form_of(other), "", own[:-1]):
        assert visit.post("/profile/quick", {"anti_forgery": value}).status_code == 403
    assert visit.post("/profile/quick", {"a": "b"}).status_code == 403
    assert DONE == []
    assert visit.post("/profile/quick", {"anti_forgery": own, "a": "b"}).status_code == 303
    assert [(visit.login, {"a": "b"})] == DONE
    stranger = visit.world.browser()
    answer = stranger.http.post("/profile/quick", data={"anti_forgery": own})
    assert "/connect/authorize?" in answer.headers["location"]
    assert len(DONE) == 1


def test_what_is_dangerous_asks_for_a_new_sign_in(visit: SiteVisit) -> None:
    """Ten minutes after a sign-in, the same person proves it once more and comes back."""
    visit.open("/profile")
    visit.world.clock.advance(600)
    assert visit.http.get("/profile/danger").status_code == 200
    visit.world.clock.advance(1)
    asked = visit.http.get("/profile/danger?x=1")
    assert query_of(asked)["prompt"] == "login"
    form = visit.follow(asked)
    assert f'value="{visit.login}"' in form.text  # who it is stands there already
    page = visit.submit(form, login=visit.login, password=visit.password)
    assert str(page.url) == f"{visit.world.base}/profile/danger?x=1"
    assert visit.http.get("/profile").status_code == 200
    assert len(sessions_of(visit)) == 1


def test_what_was_typed_is_there_again(visit: SiteVisit) -> None:
    own = form_of(visit, "/profile/danger")
    visit.world.clock.advance(601)
    fields = {"anti_forgery": own, "text": "a description", "new_password": "of nobody's business"}
    asked = visit.post("/profile/danger", fields)
    assert query_of(asked)["prompt"] == "login"
    assert DONE == []
    assert "nobody's business" not in str(sessions_of(visit))
    page = visit.submit(visit.follow(asked), login=visit.login, password=visit.password)
    assert "draft={'text': 'a description'}" in page.text
    assert "draft={}" in visit.open("/profile/danger").text  # once
    again = visit.hidden(page)["anti_forgery"]
    assert again != own
    assert visit.post("/profile/danger", {"anti_forgery": again}).status_code == 303
    assert len(DONE) == 1


def test_nobody_else_can_answer_for_the_person(visit: SiteVisit) -> None:
    """Who signs in instead gets the own page, and none of what was typed."""
    other = person_in(visit.world)
    own = form_of(visit, "/profile/danger")
    visit.world.clock.advance(601)
    asked = visit.follow(visit.post("/profile/danger", {"anti_forgery": own, "text": "mine"}))
    page = visit.submit(asked, login=other.login, password=visit.password)
    assert f"login={other.login} draft={{}}" in page.text
    assert sessions_of(visit) == []


def test_whoever_presses_cancel_goes_on_with_the_rest(visit: SiteVisit) -> None:
    visit.open("/profile")
    visit.world.clock.advance(601)
    page = visit.submit(visit.follow(visit.http.get("/profile/danger")), action="cancel")
    assert str(page.url) == f"{visit.world.base}/profile"


def test_signing_out_of_a_site_is_signing_out(visit: SiteVisit) -> None:
    """[END-4] one click, no second question, and applications are told as by any other way"""
    page = visit.open("/profile")
    gone = visit.submit(page, "/profile/signout")
    assert "You are signed out" in gone.text
    assert sessions_of(visit) == []
    assert not [c for c in visit.http.cookies.jar if "mintgate-profile" in c.name and c.value]
    assert "<h1>Sign in</h1>" in visit.open("/profile", sign_in=False).text
    assert visit.world.events("user.signed_out")[0].actor == visit.login


def test_nobody_signs_another_out(visit: SiteVisit) -> None:
    visit.open("/profile")
    assert visit.post("/profile/signout", {"a": "b"}).status_code == 403
    assert visit.http.get("/profile").status_code == 200


def test_manage_is_for_administrators(stage: World) -> None:
    """[IMG-1] asked at every request"""
    stage.clock.now = NOW
    user = person_in(stage, is_admin=True)
    visit = SiteVisit(stage, user.login)
    page = visit.open("/manage?x=1")
    assert str(page.url) == f"{stage.base}/manage?x=1"
    own = visit.hidden(page)["anti_forgery"]
    stage.change_user(user.login, is_admin=False)
    assert visit.http.get("/manage").status_code == 403
    assert visit.post("/manage/quick", {"anti_forgery": own}).status_code == 403
    stage.change_user(user.login, is_admin=True)
    assert visit.http.get("/manage").status_code == 200
    assert visit.http.get("/profile", follow_redirects=False).status_code == 303  # its own session


def test_manage_is_not_for_customers(stage: World) -> None:
    """[AUT-34, IMG-1]"""
    stage.clock.now = NOW
    visit = SiteVisit(stage, person_in(stage, user_type=UserType.COMMUNITY).login)
    assert visit.open("/manage").status_code == 403
    assert f"login={visit.login}" in visit.open("/profile").text


def test_one_site_is_not_the_other(stage: World) -> None:
    """A cookie of one is none of the other."""
    stage.clock.now = NOW
    visit = SiteVisit(stage, person_in(stage, is_admin=True).login)
    visit.open("/profile")
    suffix = stage.instance.cookie_suffix
    stranger = stage.browser()
    stranger.http.cookies.set(f"mintgate-manage-{suffix}", visit.cookie("mintgate-profile-"))
    assert stranger.http.get("/manage").status_code == 303


def test_a_page_that_is_not_there(stage: World) -> None:
    answer = stage.http.get("/profile/nowhere")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert stage.http.put("/profile").status_code == 405
    assert stage.http.get("/profile/quick").status_code == 405
