"""Profile as a person uses it, without scripts [PRF-1..7]."""

from __future__ import annotations

import html
import io
import itertools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image

from mintgate.contract.identifiers import new_guid
from mintgate.contract.users import User, UserType
from mintgate.store import users
from tests.site_visits import SiteVisit, quick_passwords
from tests.world import BACKOFFICE, NOW, PASSWORD, STOCK, World, sqlite_url

DAY = 24 * 3600
CUSTOMERS = "Crm_Sales_Customers?$top=1"
TOKENS = "/profile/security/tokens"
NEW_PASSWORD = "another horse, another battery"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server; every test has a person of its own."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(sqlite_url(tmp_path_factory.mktemp("world")), customers=True)
        world.password_hash = quick_passwords(patch)
        world.start()
        world.change_application(BACKOFFICE, reference_tokens="AuthenticatedUsers")
        try:
            yield world
        finally:
            world.stop()


def person_in(world: World, **attributes: Any) -> User:
    given: dict[str, Any] = {"user_type": UserType.INTERNAL, "name": {"en": "Ivo Ivov"}}
    name = f"ivo{next(_numbers)}"
    user = User(id=new_guid(), login=name, **(given | attributes))
    with world.database.begin() as tx:
        users.add(tx, world.instance.id, user, world.password_hash)
    world.sync()
    return user


@pytest.fixture
def visit(stage: World) -> SiteVisit:
    stage.clock.now = NOW
    return SiteVisit(stage, person_in(stage).login)


def user_of(visit: SiteVisit) -> User:
    found = visit.world.database.read_now(
        lambda c: users.by_login(c, visit.world.instance.id, visit.login)
    )
    assert found is not None
    return found


def rows_of(visit: SiteVisit, table: str) -> list[dict[str, Any]]:
    """Those of the person."""
    own = user_of(visit).id
    return [row for row in visit.world.rows(table) if row["user_id"] == own]


def elsewhere(visit: SiteVisit, user_agent: str = "") -> SiteVisit:
    """The same person in another browser."""
    other = SiteVisit(visit.world, visit.login, visit.password)
    other.http.headers["User-Agent"] = user_agent
    return other


def test_every_page_opens_in_both_languages(visit: SiteVisit) -> None:
    """[PRF-1, PRF-5] with the security headers, and no word untranslated between the tags"""
    visit.open("/profile")
    for path in (
        "",
        "/email",
        "/devices",
        "/security/password",
        "/security/tokens",
        "/security/tokens/new",
    ):
        page = visit.http.get(f"/profile{path}")
        assert page.status_code == 200, path
        assert page.headers["cache-control"] == "no-store"
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["content-language"] == "en"
    visit.world.change_user(visit.login, default_language="bg")
    page = visit.http.get("/profile/security/sign-ins")
    assert page.headers["content-language"] == "bg"
    assert '<html lang="bg">' in page.text
    assert "Входове" in page.text


# About me.


def test_name_and_language(visit: SiteVisit) -> None:
    page = visit.open("/profile")
    saved = visit.submit(page, "/details", name_en="Ivo I.", name_bg="Иво И.", language="bg")
    assert "Записано." in saved.text
    user = user_of(visit)
    assert (user.name, user.default_language) == ({"en": "Ivo I.", "bg": "Иво И."}, "bg")
    visit.submit(saved, "/details", name_en="", name_bg="Иво", language="")
    user = user_of(visit)
    assert (user.name, user.default_language) == ({"bg": "Иво"}, None)
    assert visit.world.events("user.changed")[0].actor == visit.login


@pytest.mark.parametrize(
    "fields", [{"name_en": ""}, {"name_en": "x", "language": "not a language"}]
)
def test_details_that_cannot_be(fields: dict[str, str], visit: SiteVisit) -> None:
    answer = visit.submit(visit.open("/profile"), "/details", **fields)
    assert answer.status_code == 400
    assert user_of(visit).name == {"en": "Ivo Ivov"}


def test_nothing_else_can_be_changed(visit: SiteVisit) -> None:
    page = visit.open("/profile")
    visit.submit(page, "/details", name_en="Ivo", IsAdmin="on", is_admin="1", email="a@b.example")
    user = user_of(visit)
    assert (user.is_admin, user.email) == (False, None)


# Pictures.


def upload(visit: SiteVisit, data: bytes, name: str = "picture.png") -> httpx.Response:
    page = visit.open("/profile")
    own = visit.hidden(page)["anti_forgery"]
    return visit.follow(
        visit.http.post(
            "/profile/picture",
            data={"anti_forgery": own},
            files={"picture": (name, data, "image/png")},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
    )


def picture(kind: str, size: tuple[int, int] = (300, 200), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#c04020").save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_drawn_anew(kind: str, visit: SiteVisit) -> None:
    """[PRF-20..22]"""
    exif = Image.Exif()
    exif[0x010E] = "taken at home, secretly"
    page = upload(visit, picture(kind, exif=exif.tobytes()))
    assert "Your picture was changed." in page.text
    for path, size in (("", 64), ("/64", 64), ("/128", 128)):
        answer = visit.http.get(f"/profile/me/picture{path}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["cache-control"] == "private, max-age=7200"
        assert answer.headers["vary"] == "Authorization, Cookie"
        drawn = Image.open(io.BytesIO(answer.content))
        assert (drawn.size, drawn.info) == ((size, size), {})
        assert b"secretly" not in answer.content
    assert visit.http.head("/profile/me/picture").headers["content-type"] == "image/png"
    assert visit.http.get("/profile/me/picture/32").status_code == 404
    visit.submit(page, "/picture/remove")
    assert visit.http.get("/profile/me/picture").status_code == 404
    assert visit.world.events("user.picture_removed")[0].actor == visit.login


def bomb() -> bytes:
    """A file of some kilobytes that says that it has 900 million pixels."""
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    return out.getvalue()


def test_what_is_no_picture_is_refused(visit: SiteVisit) -> None:
    gif = picture("GIF")
    broken = picture("JPEG")[:200]
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    for data in (b"x", gif, svg, broken, bomb()):
        assert upload(visit, data).status_code == 400, data[:20]
    assert upload(visit, b"\0" * (5 * 1024 * 1024 + 20_000)).status_code == 400
    assert rows_of(visit, "user_pictures") == []


def test_a_picture_needs_an_own_form(visit: SiteVisit) -> None:
    """[PRF-6]"""
    visit.open("/profile")
    answer = visit.http.post("/profile/picture", files={"picture": ("a.png", picture("PNG"))})
    assert answer.status_code == 403
    assert rows_of(visit, "user_pictures") == []


# Password.


def test_a_new_password_ends_every_other_sign_in(visit: SiteVisit) -> None:
    """[USR-22]"""
    other = elsewhere(visit)
    other.open("/profile")
    tokens = visit.world.user_tokens(visit.login)
    page = visit.open("/profile/security/password")
    before = visit.cookie("mintgate-profile-")
    changed = visit.submit(page, current=PASSWORD, new=NEW_PASSWORD)
    assert "Your password was changed." in changed.text
    assert visit.cookie("mintgate-profile-") != before
    assert visit.http.get("/profile").status_code == 200
    assert other.http.get("/profile").status_code == 303
    assert visit.world.refresh(tokens["refresh_token"]).status_code == 400
    # And the browser is signed in, also for applications.
    assert visit.browser.authorize(prompt="none").is_redirect
    (own,) = rows_of(visit, "identity_sessions")
    assert own["amr"] == ["pwd"]
    anew = SiteVisit(visit.world, visit.login, NEW_PASSWORD)
    assert anew.open("/profile").status_code == 200
    (event, *_) = visit.world.events("user.changed")
    assert (event.actor, event.details["attributes"]) == (visit.login, ["Password"])


WRONG_PASSWORDS = [
    ("the current one is wrong", "wrong horse", NEW_PASSWORD, "not right"),
    ("too short", PASSWORD, "short", "at least 8"),
    ("the same", PASSWORD, PASSWORD, "is the current one"),
    ("the login", PASSWORD, "", "must not be your login"),
    ("too long", PASSWORD, "x" * 1025, "too long"),
]


def test_passwords_that_are_refused(stage: World) -> None:
    stage.clock.now = NOW
    visit = SiteVisit(stage, person_in(stage, email="ivo.ivov@orion.example").login)
    page = visit.open("/profile/security/password")
    for case, current, new, told in WRONG_PASSWORDS:
        answer = visit.submit(page, current=current, new=new or "ivo.ivov@orion.example")
        assert answer.status_code == 400, case
        assert told in html.unescape(answer.text), case
    assert visit.http.get("/profile").status_code == 200


def test_guessing_the_current_password_is_limited(visit: SiteVisit) -> None:
    """[SGN-6] as at the sign-in itself: a stolen session is no way around it"""
    page = visit.open("/profile/security/password")
    for _ in range(5):
        visit.submit(page, current="guess, guess", new=NEW_PASSWORD)
    assert visit.submit(page, current=PASSWORD, new=NEW_PASSWORD).status_code == 400
    assert visit.world.events("user.sign_in_throttled")[0].actor == visit.login


# Sign-ins.


def test_where_one_is_signed_in(visit: SiteVisit) -> None:
    """[END-4, PRF-7]"""
    windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0"
    other = elsewhere(visit, windows)
    other.open("/profile")
    third = elsewhere(visit, "<script>alert(1)</script>")
    third.open("/profile")
    page = visit.open("/profile/security/sign-ins")
    assert "Firefox on Windows" in page.text
    assert "<script>alert" not in page.text
    assert page.text.count("127.0.0.1</div>") == 3
    form = r'action="([^"]*/end)">(?:(?!</form>).)*Sign out Firefox on Windows'
    (wanted,) = re.findall(form, page.text, re.DOTALL)
    visit.submit(page, wanted)
    assert other.http.get("/profile").status_code == 303
    assert third.http.get("/profile").status_code == 200
    stranger = SiteVisit(visit.world, person_in(visit.world).login)
    own = stranger.hidden(stranger.open("/profile"))["anti_forgery"]
    sid = next(
        r["sid"] for r in visit.world.rows("site_sessions") if r["user_id"] == user_of(visit).id
    )
    foreign = stranger.post(f"/profile/security/sign-ins/{sid}/end", {"anti_forgery": own})
    assert foreign.status_code == 404
    done = visit.submit(visit.open("/profile/security/sign-ins"), "/end-others")
    assert "All other browsers are signed out." in done.text
    assert third.http.get("/profile").status_code == 303
    assert visit.http.get("/profile").status_code == 200
    assert stranger.http.get("/profile").status_code == 200


# Applications, history.


def test_what_was_allowed_is_taken_back(visit: SiteVisit) -> None:
    """[EXT-2]"""
    world = visit.world
    wanted = world.change_application(STOCK, require_consent=True).id
    with world.database.begin() as tx:
        from mintgate.store import applications

        allowed = frozenset({"openid", "read"})
        applications.remember_consent(tx, world.instance.id, user_of(visit).id, wanted, allowed)
    page = visit.open("/profile/applications")
    assert "Know who you are; Read data in your name" in page.text
    asked = visit.open(f"/profile/applications/{wanted}/withdraw")
    done = visit.submit(asked, "/withdraw")
    assert "You were asked by no application yet" in done.text
    assert visit.http.get(f"/profile/applications/{wanted}/withdraw").status_code == 404
    assert world.events("consent.withdrawn")[0].actor == visit.login


def test_history_tells_of_this_person_only(visit: SiteVisit) -> None:
    visit.open("/profile")
    other = SiteVisit(visit.world, person_in(visit.world).login, "the wrong password")
    other.open("/profile")
    page = visit.open("/profile/security/history")
    assert page.text.count("Signed in") == 1
    assert "A sign-in was refused" not in page.text
    elsewhere(visit).browser.sign_in(visit.login, "the wrong password")
    assert "A sign-in was refused" in visit.open("/profile/security/history").text


def test_history_in_parts(visit: SiteVisit) -> None:
    page = visit.open("/profile")
    for number in range(26):
        page = visit.submit(page, "/details", name_en=f"Ivo {number}")
    first = visit.open("/profile/security/history")
    assert first.text.count("The account was changed") == 25
    (following,) = re.findall(r'rel="next" href="([^"]*)"', first.text)
    second = visit.http.get(html.unescape(following))
    assert second.text.count("The account was changed") == 1
    assert 'rel="next"' not in second.text
    assert visit.http.get("/profile/security/history?from=nonsense").status_code == 400


# Tokens.


def new_form(visit: SiteVisit) -> httpx.Response:
    return visit.open(TOKENS + "/new")


def token_on(page: httpx.Response) -> str:
    found = re.search(r'id="token-value" value="(enrt_[0-9A-F]{64})"', page.text)
    assert found is not None, page.text
    return found[1]


def make(visit: SiteVisit, **values: str) -> httpx.Response:
    fields = {"description": "Excel", "scope_read": "on", "days": "30"} | values
    return visit.submit(new_form(visit), TOKENS, **{k: v for k, v in fields.items() if v})


def test_a_token_is_made_shown_once_used_and_ended(visit: SiteVisit) -> None:
    """[PRF-3, PRF-5, REF-50]"""
    world = visit.world
    shown = make(visit)
    value = token_on(shown)
    assert shown.headers["cache-control"] == "no-store"
    assert f"Authorization: Bearer {value}" in html.unescape(shown.text)
    assert world.api(CUSTOMERS, value).status_code == 200
    again = visit.http.get(str(shown.url))
    assert "This token was shown already" in again.text
    assert value not in again.text
    listed = visit.open(TOKENS)
    assert "Excel" in listed.text
    assert value not in listed.text
    (where,) = re.findall(r'href="([^"]*/revoke)"', listed.text)
    done = visit.submit(visit.open(where), "/revoke")
    assert "The token works no more." in done.text
    assert world.api(CUSTOMERS, value).status_code == 401
    assert "No tokens yet" in done.text
    assert "revoked" in visit.open(TOKENS + "?all=1").text


def test_however_often_a_form_is_sent_it_makes_one_token(visit: SiteVisit) -> None:
    """Two at the same moment, and once more later; the value stays with the first page."""
    form = new_form(visit)
    fields = visit.hidden(form) | {"scope_read": "on", "days": "7"}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: visit.post(TOKENS, fields), range(2)))
    assert {a.status_code for a in answers} == {303}
    (where,) = {a.headers["location"] for a in answers}
    token_on(visit.http.get(where))
    last = visit.follow(visit.post(TOKENS, fields))
    assert "This token was shown already" in last.text
    assert len(rows_of(visit, "reference_tokens")) == 1


def test_the_value_is_for_the_one_who_made_it(visit: SiteVisit) -> None:
    """[PRF-7] neither another person nor another browser of the same one gets it by the address"""
    fields = visit.hidden(new_form(visit)) | {"scope_read": "on", "days": "7"}
    where = visit.post(TOKENS, fields).headers["location"]
    stranger = SiteVisit(visit.world, person_in(visit.world).login)
    for other in (stranger, elsewhere(visit)):
        page = other.open(where)
        assert "This token was shown already" in page.text
        assert "enrt_" not in page.text
    token_on(visit.open(where))


def test_a_foreign_token_does_not_exist(visit: SiteVisit) -> None:
    """[PRF-7]"""
    make(visit)
    (row,) = rows_of(visit, "reference_tokens")
    stranger = SiteVisit(visit.world, person_in(visit.world).login)
    own = stranger.hidden(stranger.open("/profile"))["anti_forgery"]
    revoke = f"{TOKENS}/{row['id']}/revoke"
    assert stranger.http.get(revoke).status_code == 404
    assert stranger.post(revoke, {"anti_forgery": own}).status_code == 404
    assert stranger.http.get(f"{TOKENS}/nothing/revoke").status_code == 404
    assert visit.http.get(revoke).status_code == 200


BAD_FORMS: list[tuple[str, dict[str, str], str]] = [
    ("REF-16 no scope", {"scope_read": ""}, "Choose at least one permission."),
    ("REF-18 no day", {"days": "date"}, "Choose a day after today."),
    ("REF-18 a day that was", {"days": "date", "date": "2020-01-01"}, "Choose a day after today."),
    ("a day that is none", {"days": "date", "date": "2031-02-30"}, "Choose a day after today."),
    ("another preset", {"days": "5000"}, "Choose a day after today."),
    ("REF-16 a long description", {"description": "x" * 129}, "at most 128 characters"),
]


def test_what_cannot_be_is_told_beside_the_field(visit: SiteVisit) -> None:
    for case, values, told in BAD_FORMS:
        answer = make(visit, **values)
        assert answer.status_code == 400, case
        assert told in html.unescape(answer.text), case
    assert not [
        r for r in visit.world.rows("reference_tokens") if r["user_id"] == user_of(visit).id
    ]
    filled = make(visit, description="Kept", days="date")
    assert 'value="Kept"' in filled.text


def test_a_day_that_one_chooses(visit: SiteVisit) -> None:
    """All of it, in UTC."""
    make(visit, days="date", date="2026-12-24")
    (row,) = rows_of(visit, "reference_tokens")
    assert row["expires_at"] == 1_798_156_800  # 2026-12-25T00:00:00Z


def test_only_what_the_policy_allows(stage: World) -> None:
    """[PRF-4, REF-12, REF-15, REF-17, REF-20]"""
    stage.clock.now = NOW
    stage.change_application(STOCK, reference_tokens="AdministratorsOnly")
    visit = SiteVisit(stage, person_in(stage).login)
    admin = SiteVisit(stage, person_in(stage, is_admin=True).login)
    customer = SiteVisit(stage, person_in(stage, user_type=UserType.COMMUNITY).login)
    assert "For which application?" in new_form(admin).text
    form = new_form(visit)
    assert "What may it do?" in form.text  # there is one, so nobody is asked
    hidden = visit.hidden(form)
    stock = stage.change_application(STOCK).id
    forged = visit.post(TOKENS, hidden | {"application": stock, "scope_read": "on", "days": "7"})
    assert forged.status_code == 404
    sec = visit.post(TOKENS, hidden | {"scope_sec": "on", "days": "7"})
    assert sec.status_code == 400
    assert "You can make no tokens" in new_form(customer).text
    disabled = stage.change_application(BACKOFFICE, is_enabled=False)
    late = visit.post(TOKENS, hidden | {"scope_read": "on", "days": "7"})
    stage.change_application(BACKOFFICE, is_enabled=True)
    assert disabled.id == hidden["application"]
    assert late.status_code == 404


def test_an_old_sign_in_makes_no_token(visit: SiteVisit) -> None:
    """What was typed is there again after the person has signed in anew."""
    form = new_form(visit)
    visit.world.clock.advance(601)
    fields = visit.hidden(form) | {"description": "Kept", "scope_update": "on", "days": "7"}
    asked = visit.follow(visit.post(TOKENS, fields))
    assert "<h1>Sign in</h1>" in asked.text
    page = visit.submit(asked, login=visit.login, password=visit.password)
    assert str(page.url).endswith("/security/tokens/new")
    assert 'value="Kept"' in page.text
    assert re.search(r'name="scope_update"[^>]* checked', page.text)
    assert not re.search(r'name="scope_read"[^>]* checked', page.text)
    token_on(visit.submit(page, TOKENS, description="Kept", scope_update="on", days="7"))


def test_the_longest_life(stage: World) -> None:
    """[EXT-9]"""
    from sqlalchemy import update

    from mintgate.contract.feed import ChangedInstance
    from mintgate.store.tables import instances

    def limit(days: int | None) -> None:
        with stage.database.begin() as tx:
            tx.connection.execute(update(instances).values(max_reference_token_days=days))
            tx.changed(stage.instance.id, stage.instance.id, ChangedInstance())
        stage.sync()

    stage.clock.now = NOW
    visit = SiteVisit(stage, person_in(stage).login)
    limit(60)
    try:
        form = new_form(visit)
        assert re.findall(r'name="days" value="(\w+)"', form.text) == ["7", "30", "date"]
        answer = make(visit, days="date", date="2027-12-24")
        assert answer.status_code == 400
        assert "at most 60 days" in answer.text
    finally:
        limit(None)
