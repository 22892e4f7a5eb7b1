"""Devices in Profile, and what removing one means [PRF-8, SGN-6]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.site_visits import SiteVisit
from tests.wire.second_factor_world import user_id_of
from tests.world import World

DEVICES = "/profile/devices"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
WRONG = "not the password"


@pytest.fixture
def world(a_world: Callable[..., World]) -> World:
    return a_world()


def visit_of(world: World, agent: str = "curl/8", login: str = "mira.k") -> SiteVisit:
    world.change_user("mira.k", default_language="en")
    visit = SiteVisit(world, login)
    visit.http.headers["User-Agent"] = agent
    assert visit.open("/profile").status_code == 200
    return visit


def rows(world: World) -> list[dict[str, Any]]:
    return sorted(world.rows("user_devices"), key=lambda row: row["created_at"])


def remove(visit: SiteVisit, device_id: str) -> httpx.Response:
    path = f"{DEVICES}/{device_id}/remove"
    return visit.submit(visit.open(path), path)


def test_each_browser_is_one(world: World) -> None:
    """Listed with what it says of itself; signing in again makes no other, and names no secret."""
    desk = visit_of(world, FIREFOX)
    world.clock.advance(60)
    visit_of(world)
    page = desk.open(DEVICES)
    assert page.text.index("curl") < page.text.index("Firefox on Linux")
    assert page.text.count("this browser") == 1
    world.clock.advance(60)
    desk.browser.sign_in(prompt="login")
    assert len(rows(world)) == 2
    assert rows(world)[0]["last_sign_in_at"] == world.clock()
    name = desk.cookie("device").partition(".")[0]
    assert name not in str(rows(world))
    assert rows(world)[0]["device_hash"] not in desk.open(DEVICES).text


def test_a_device_that_is_removed(world: World) -> None:
    """Signed out there, at once, and as unknown as any other; the others go on."""
    desk, lost = visit_of(world, FIREFOX), visit_of(world)
    world.clock.advance(60)
    assert "signed out there" in remove(desk, rows(world)[1]["id"]).text
    assert lost.http.get("/profile").status_code == 303
    assert desk.open(DEVICES).text.count("/remove") == 1
    (event,) = world.events("user.device_removed")
    assert (event.actor, event.subject_id) == ("mira.k", user_id_of(world))
    assert desk.http.get(f"{DEVICES}/{rows(world)[1]['id']}/remove").status_code == 404


def test_its_cookie_counts_no_more(world: World) -> None:
    """[SGN-6] strangers' tries make it wait like any other, until the next sign-in there."""
    desk, lost = visit_of(world, FIREFOX), visit_of(world)
    stranger = world.browser()
    for _ in range(5):
        stranger.sign_in(password=WRONG)
    for visit in (desk, lost):
        assert visit.browser.sign_in(prompt="login").is_redirect  # known: not made to wait
    world.clock.advance(60)
    remove(desk, next(r["id"] for r in rows(world) if "curl" in r["info"]))
    assert not lost.browser.sign_in(prompt="login").is_redirect
    assert desk.browser.sign_in(prompt="login").is_redirect
    world.clock.advance(300)
    assert lost.browser.sign_in(prompt="login").is_redirect
    assert desk.open(DEVICES).text.count("/remove") == 2
    for _ in range(5):
        stranger.sign_in(password=WRONG)
    world.clock.advance(1)
    assert lost.browser.sign_in(prompt="login").is_redirect  # known again


def test_the_own_one(world: World) -> None:
    """The page says so, and asks for a new sign-in afterwards."""
    visit = visit_of(world)
    world.clock.advance(60)
    path = f"{DEVICES}/{rows(world)[0]['id']}/remove"
    page = visit.open(path)
    assert "sign in again to go on" in page.text
    assert "<h1>Sign in</h1>" in visit.submit(page, path).text


def test_those_of_others_do_not_exist(world: World) -> None:
    """[PRF-6, PRF-7]"""
    visit, other = visit_of(world), visit_of(world, login="ada")
    world.clock.advance(60)
    mine = next(r["id"] for r in rows(world) if r["user_id"] == user_id_of(world))
    path = f"{DEVICES}/{mine}/remove"
    own = other.hidden(other.open(DEVICES)) | {}
    assert other.http.get(path).status_code == 404
    assert other.post(path, own).status_code == 404
    assert visit.post(path, {"anti_forgery": "x"}).status_code == 403
    assert not any(row["removed_at"] for row in rows(world))


def test_half_a_year_later(world: World) -> None:
    visit_of(world)
    world.clock.advance(180 * 24 * 3600 + 1)
    visit = SiteVisit(world)
    assert visit.open(DEVICES).text.count("/remove") == 1  # the new one
