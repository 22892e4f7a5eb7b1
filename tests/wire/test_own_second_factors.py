"""Second factors in Profile, and those of users who have lost them [USR-8]."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.soft_authenticator import SoftAuthenticator
from tests.wire.management_world import MORE, Automation, user_token
from tests.wire.second_factor_world import (
    CODE_PAGE,
    REQUIRED,
    App,
    factors_of,
    give_passkey,
    options,
    user_id_of,
)
from tests.wire.test_profile_tokens import Site
from tests.world import World

FACTORS = "/security/second-factors"


@pytest.fixture
def world(a_world: Callable[..., World]) -> World:
    return a_world(host="localhost", more=MORE)


def post(site: Site, path: str, body: Any = None, status: int = 200) -> Any:
    answer = site("POST", FACTORS + path, body)
    assert answer.status_code == status, answer.text
    return answer.json()


def shown(site: Site) -> Any:
    return site("GET", "/api/second-factors").json()


def new_passkey(site: Site, name: str = "", status: int = 200) -> tuple[SoftAuthenticator, Any]:
    authenticator = SoftAuthenticator(site.world.base)
    asked = post(site, "/passkeys/options")["options"]
    made = {"credential": json.loads(authenticator.register(asked)), "name": name}
    return authenticator, post(site, "/passkeys", made, status)


def test_an_app_from_the_first_code_to_its_end(world: World) -> None:
    site = Site(world)
    assert shown(site) == {
        "rule": "allowed",
        "has_app": False,
        "app_since": None,
        "recovery_codes": 0,
        "passkeys": [],
        "offers_passkeys": True,
        "is_last_one_kept": False,
    }
    post(site, "/app/confirm", {"code": "123456"}, 409)
    post(site, "/recovery-codes", None, 409)
    offer = post(site, "/app")
    assert offer["uri"].startswith("otpauth://totp/orion:mira.k?secret=")
    assert offer["picture"].startswith("data:image/svg+xml")
    app = App(world, offer["secret"])
    wrong = "000000" if app.code() != "000000" else "111111"
    post(site, "/app/confirm", {"code": wrong}, 400)
    assert not shown(site)["has_app"], "it counts with its first code"
    codes = post(site, "/app/confirm", {"code": app.code()})["recovery_codes"]
    assert len(set(codes)) == 10
    assert (shown(site)["has_app"], shown(site)["recovery_codes"]) == (True, 10)
    world.clock.advance(30)
    browser = world.browser()
    assert browser.submit(browser.sign_in(), one_time_code=app.code()).is_redirect

    again = post(site, "/recovery-codes")["recovery_codes"]
    assert not set(again) & set(codes)
    for code, good in ((codes[0], False), (again[0], True)):
        browser = world.browser()
        assert browser.submit(browser.sign_in(), one_time_code=code).is_redirect is good

    other = App(world, post(site, "/app")["secret"])  # another phone
    world.clock.advance(30)
    assert not post(site, "/app/confirm", {"code": other.code()})["recovery_codes"]
    world.clock.advance(30)
    for phone, good in ((app, False), (other, True)):
        browser = world.browser()
        assert browser.submit(browser.sign_in(), one_time_code=phone.code()).is_redirect is good
    assert not post(site, "/app/remove")["has_app"]
    assert world.browser().sign_in().is_redirect
    assert shown(site)["recovery_codes"] == 0
    post(site, "/app/remove", None, 409)
    told = [world.events(f"user.{name}")[0].actor for name in ("totp_added", "totp_removed")]
    assert told == ["mira.k", "mira.k"]


def test_passkeys_are_named_and_removed(world: World) -> None:
    site, other = Site(world), Site(world, "ada")
    authenticator, made = new_passkey(site, "  My\tphone ")
    assert made["passkey"]["name"] == "My phone"
    assert len(made["recovery_codes"]) == 10
    _, second = new_passkey(site)
    assert (second["passkey"]["name"], second["recovery_codes"]) == ("Passkey", [])
    path = f"/passkeys/{made['passkey']['id']}"
    post(other, f"{path}/rename", {"name": "Stolen"}, 404)
    post(other, f"{path}/remove", None, 404)
    names = [p["name"] for p in post(site, f"{path}/rename", {"name": "Key"})["passkeys"]]
    assert sorted(names) == ["Key", "Passkey"]
    browser = world.browser()
    page = browser.authorize()
    asked = options(browser, page, "sign_in").json()
    assert browser.submit(page, credential=authenticator.use(asked)).is_redirect
    (used,) = [p for p in shown(site)["passkeys"] if p["name"] == "Key"]
    assert used["last_used_at"] == world.clock()
    assert len(post(site, f"{path}/remove")["passkeys"]) == 1
    page = browser.authorize(prompt="login")
    asked = options(browser, page, "sign_in").json()
    assert browser.submit(page, credential=authenticator.use(asked)).status_code == 400


def test_a_passkey_is_for_the_sign_in_in_which_it_was_begun(world: World) -> None:
    site, other = Site(world), Site(world, "ada")
    authenticator = SoftAuthenticator(world.base)
    asked = post(site, "/passkeys/options")["options"]
    made = {"credential": json.loads(authenticator.register(asked)), "name": ""}
    post(other, "/passkeys", made, 400)
    post(site, "/passkeys", made)
    post(site, "/passkeys", made, 400)  # the challenge was used
    assert factors_of(world).passkeys == 1
    assert not factors_of(world, "ada").has_any


def test_an_app_is_confirmed_in_the_sign_in_in_which_it_was_begun(world: World) -> None:
    """[USR-8] Another sign-in of the same person has a secret of its own."""
    site, other = Site(world), Site(world)
    offer = post(site, "/app")
    code = App(world, offer["secret"]).code()
    post(other, "/app/confirm", {"code": code}, 409)
    others = post(other, "/app")
    assert others["secret"] != offer["secret"]
    post(other, "/app/confirm", {"code": code}, 400)
    post(site, "/app/confirm", {"code": code})
    late = App(world, others["secret"]).code()
    post(other, "/app/confirm", {"code": late}, 409)  # begun before the one that counts


def test_the_last_factor_stays_where_one_is_required(world: World) -> None:
    site = Site(world)
    _, first = new_passkey(site)
    _, second = new_passkey(site)
    world.instance_settings = REQUIRED
    world.declare()
    paths = [f"/passkeys/{made['passkey']['id']}/remove" for made in (first, second)]
    assert post(site, paths[0])["is_last_one_kept"] is True
    refused = post(site, paths[1], None, 409)
    assert "Set up another one" in str(refused)
    assert factors_of(world).passkeys == 1


def test_where_there_are_none(a_world: Callable[..., World]) -> None:
    world = a_world(instance_settings='second_factor_internal = "off"', host="localhost")
    site = Site(world)
    for path in ("/app", "/passkeys/options"):
        post(site, path, None, 409)
    assert shown(site)["offers_passkeys"] is False


def test_an_administrator_resets_them(world: World) -> None:
    site = Site(world)
    new_passkey(site)
    api = Automation(world)
    path = f"/users/{user_id_of(world)}"
    assert api.get(f"{path}/second-factors")["passkeys"][0]["name"] == "Passkey"
    assert CODE_PAGE in world.browser().sign_in().text
    removed = api.post(f"{path}/reset-second-factors")
    assert removed == {"app": False, "passkeys": 1, "recovery_codes": 10}
    assert world.browser().sign_in().is_redirect
    event = world.events("user.second_factors_reset")[0]
    assert (event.actor, event.subject_id) == ("svc.admin", user_id_of(world))
    assert not world.count_rows("second_factors") + world.count_rows("recovery_codes")


def test_a_user_who_is_removed_leaves_none(world: World) -> None:
    give_passkey(world, "buyer@client.example")
    api = Automation(world)
    user = api("GET", f"/users/{user_id_of(world, 'buyer@client.example')}")
    assert user.status_code == 200
    path = f"/users/{user.json()['Id']}"
    assert api("DELETE", path, If_Match=user.headers["etag"]).status_code == 204
    assert not world.count_rows("passkeys")


def test_what_the_record_of_the_user_says(world: World) -> None:
    """[USR-8] `TwoFactorEnabled`"""
    token = user_token(world, "ada", "openid read sec")
    give_passkey(world)
    query = "Systems_Security_Users?$select=Login,TwoFactorEnabled"
    found = {r["Login"]: r["TwoFactorEnabled"] for r in world.api(query, token).json()["value"]}
    assert {name for name, enabled in found.items() if enabled} == {"mira.k"}
