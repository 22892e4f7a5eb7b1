"""`/profile/me` for each kind of credential [PRF-10..16]."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from mintgate.contract.users import UserType
from tests.site_visits import SiteVisit, quick_passwords
from tests.world import BACKOFFICE, STOCK, World, sqlite_url

ME = "/profile/me"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        world = World(sqlite_url(tmp_path_factory.mktemp("world")))
        world.password_hash = quick_passwords(patch)
        world.start()
        for uri in (BACKOFFICE, STOCK):
            world.change_application(uri, reference_tokens="AuthenticatedUsers")
        try:
            yield world
        finally:
            world.stop()


def personal_token(world: World) -> str:
    token = world.site_token("profile")
    application = world.change_application(BACKOFFICE)
    made = world.http.post(
        "/profile/security/tokens",
        json={"application_id": application.id, "scopes": ["read"], "expires_at": 2e9},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert made.status_code == 201, made.text
    return str(made.json()["value"])


def service_reference(world: World) -> str:
    token = world.site_token("manage", "ada")
    application = world.change_application(STOCK)
    made = world.http.post(
        f"/manage/apps/{application.id}/tokens",
        json={"scopes": ["read"], "expires_at": 2e9},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert made.status_code == 201, made.text
    return str(made.json()["value"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def user_token(login: str = "mira.k", scope: str = "openid profile") -> Callable[[World], Any]:
    return lambda world: bearer(world.user_tokens(login, scope)["access_token"])


CASES: list[tuple[str, Callable[[World], dict[str, str]], int]] = [
    ("PRF-10 a JWT", user_token(), 200),
    ("PRF-10 a PAT", lambda w: bearer(personal_token(w)), 200),
    ("PRF-10 a PAT as API key", lambda w: {"X-API-Key": personal_token(w)}, 200),
    ("PRF-11 a customer", user_token("buyer@client.example"), 200),
    ("PRF-12 read", user_token(scope="openid read"), 200),
    ("PRF-12 update", user_token(scope="openid update"), 200),
    ("PRF-12 neither", user_token(scope="openid"), 403),
    ("PRF-13 a service", lambda w: bearer(w.service_token()), 403),
    ("PRF-13 a SAT", lambda w: bearer(service_reference(w)), 403),
    ("PRF-13 nothing", lambda w: {}, 401),
    ("API-3 a token of nobody", lambda w: bearer("enrt_" + "A" * 64), 401),
    ("API-2 two", lambda w: bearer(personal_token(w)) | {"X-API-Key": "x"}, 400),
    ("API-1 a password", lambda w: {"Authorization": "Basic YTpi"}, 401),
]


@pytest.mark.parametrize(("case", "headers", "status"), CASES, ids=[row[0] for row in CASES])
def test_who_is_told(
    case: str, headers: Callable[[World], dict[str, str]], status: int, stage: World
) -> None:
    answer = stage.http.get(ME, headers=headers(stage))
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Authorization, Cookie"
    if status in {401, 403}:
        assert 'realm="UserProfile"' in answer.headers["www-authenticate"]
        assert set(answer.json()["error"]) == {"message", "code", "type", "info"}
    if "PRF-12 neither" in case:
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_the_cookie_of_the_site_will_do(stage: World) -> None:
    """[PRF-10] and where a token comes with it, the token counts alone"""
    visit = SiteVisit(stage)
    assert visit.http.get(ME).status_code == 401
    visit.open("/profile")
    assert visit.http.get(ME).json()["login"] == "mira.k"
    ada = stage.user_tokens("ada", "openid profile")["access_token"]
    assert visit.http.get(ME, headers=bearer(ada)).json()["login"] == "ada"
    assert visit.http.get(ME, headers=bearer("enrt_" + "A" * 64)).status_code == 401
    stranger = stage.browser()
    stranger.sign_in()  # at the issuer only
    assert stranger.http.get(ME).status_code == 401


def me(stage: World, language: str = "", login: str = "mira.k") -> httpx.Response:
    headers = bearer(stage.user_tokens(login, "openid profile")["access_token"])
    return stage.http.get(ME, headers=headers | {"Accept-Language": language})


def test_what_is_told(stage: World) -> None:
    """[PRF-15, PRF-16]"""
    told = me(stage, "en").json()
    (row,) = [row for row in stage.rows("users") if row["login"] == "mira.k"]
    base = stage.base
    assert told == {
        "id": row["id"],
        "login": "mira.k",
        "name": "Mira Kolarova",
        "email": "mira.k@orion.example",
        "phoneNumber": None,
        "userType": "InternalUser",
        "isAdmin": False,
        "isActive": True,
        "preferredLanguage": "bg",
        "pictureUrl": None,
        "largePictureUrl": None,
        "person": None,
        "domain": None,
        "instance": {"database": "ORION_PROD X-1", "url": base},
        "links": {
            "profile": f"{base}/profile",
            "changePassword": f"{base}/profile/security/password",
            "accessTokens": f"{base}/profile/security/tokens",
            "devices": f"{base}/profile/devices",
        },
    }
    assert me(stage, login="ada").json()["isAdmin"] is True


LANGUAGES = [
    ("", "bg", "Мира Коларова"),
    ("en-GB,bg;q=0.5", "en-GB", "Mira Kolarova"),
    ("bg-BG", "bg-BG", "Мира Коларова"),
    ("de", "de", "Mira Kolarova"),
    ("*", "bg", "Мира Коларова"),
    ("\tnot a language", "bg", "Мира Коларова"),
]


def test_its_language(stage: World) -> None:
    """[PRF-14]"""
    for accepted, language, name in LANGUAGES:
        answer = me(stage, accepted.strip())
        assert (answer.headers["content-language"], answer.json()["name"]) == (language, name)


def test_a_token_says_no_more_than_is_true_now(stage: World) -> None:
    headers = bearer(stage.user_tokens("ada", "openid profile")["access_token"])
    stage.change_user("ada", is_admin=False)
    try:
        assert stage.http.get(ME, headers=headers).json()["isAdmin"] is False
        stage.change_user("ada", is_admin=True, active=False)
        assert stage.http.get(ME, headers=headers).status_code == 401
    finally:
        stage.change_user("ada", is_admin=True, active=True)


@pytest.mark.parametrize("user_type", ["VirtualUserNoLogin", "SystemUserNoLogin"])
def test_a_user_of_another_type_is_told_nothing(user_type: str, stage: World) -> None:
    """[PRF-13] 403 for who was somebody when the token was made"""
    visit = SiteVisit(stage)
    visit.open("/profile")
    given = [user_token()(stage), bearer(personal_token(stage))]
    assert [stage.http.get(ME, headers=one).status_code for one in given] == [200, 200]
    stage.change_user("mira.k", user_type=UserType(user_type))
    try:
        for headers in given:
            answer = stage.http.get(ME, headers=headers)
            assert answer.status_code == 403
            assert 'realm="UserProfile"' in answer.headers["www-authenticate"]
        assert visit.http.get(ME).status_code in {401, 403}
    finally:
        stage.change_user("mira.k", user_type=UserType.INTERNAL)


def disable(stage: World) -> None:
    stage.change_application(BACKOFFICE, is_enabled=False)


def lock_user(stage: World) -> None:
    stage.change_user("mira.k", locked_until=2e9)


def expire(stage: World) -> None:
    stage.clock.advance(3600)


ENDS = [("API-9", expire), ("API-13", disable), ("API-14", lock_user)]


@pytest.mark.parametrize("end", [pytest.param(row[1], id=row[0]) for row in ENDS])
def test_the_checks_of_an_api_hold(end: Callable[[World], None], stage: World) -> None:
    """[PRF-11] 401 with the site's own realm"""
    given = [user_token()(stage)]
    if end is not expire:
        given.append(bearer(personal_token(stage)))
    assert {stage.http.get(ME, headers=one).status_code for one in given} == {200}
    before = stage.clock.now
    end(stage)
    try:
        for headers in given:
            answer = stage.http.get(ME, headers=headers)
            assert answer.status_code == 401
            challenge = answer.headers["www-authenticate"]
            assert challenge.startswith('Bearer realm="UserProfile", error="invalid_token"')
    finally:
        stage.clock.now = before
        stage.change_application(BACKOFFICE, is_enabled=True)
        stage.change_user("mira.k", locked_until=None)


def test_other_methods(stage: World) -> None:
    assert stage.http.post(ME).status_code == 405
    assert stage.http.get(f"{ME}/picture").status_code == 401
