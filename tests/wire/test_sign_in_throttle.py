"""Guessing passwords is slowed by login and origin, and locks nobody out (§4.4 SGN-6, OPQ-26)."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from argon2 import PasswordHasher

from mintgate.contract.reference_tokens import TokenKind
from mintgate.identity import passwords
from mintgate.identity.endpoints.signin import WRONG_PASSWORD
from mintgate.identity.signin import password
from mintgate.identity.signin.throttle import LIMITS
from tests.wire.test_reference_tokens import CUSTOMERS
from tests.wire.test_reference_tokens import create as reference_token
from tests.world import BACKOFFICE, PASSWORD, Browser, World, answer_of

WRONG = "a wrong guess"
DEVICE = re.compile(r"^mintgate-device-[0-9a-f]{8}=([^;]*); (.*)$")


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of guesses are made here; what each costs is no matter of these tests."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(password, "_NOBODYS_HASH", hasher.hash("nobody"))


def browser_at(world: World, address: str) -> Browser:
    """A browser that nobody knows, on a machine of its own."""
    browser = Browser(world)
    transport = httpx.HTTPTransport(local_address=address, verify=False)
    browser.http = httpx.Client(base_url=world.base, timeout=30, transport=transport)
    return browser


def guess(world: World, times: int, *logins: str, address: str = "127.0.0.1") -> None:
    """Try wrong passwords in one form."""
    browser = browser_at(world, address)
    page = browser.authorize()
    for login in logins or ("mira.k",):
        for _ in range(times):
            page = browser.submit(page, login=login, password=WRONG)
            assert_refused(page)


def assert_refused(page: httpx.Response) -> None:
    assert page.status_code == 400
    assert WRONG_PASSWORD in page.text


def assert_signed_in(answer: httpx.Response) -> None:
    assert "code" in answer_of(answer)


def failed_count(world: World, login: str = "mira.k") -> int:
    """`AccessFailedCount` as the API shows it."""
    world.change_application(BACKOFFICE, scope="read update sec")
    tokens = world.user_tokens("ada", scope="openid read sec")
    path = f"Systems_Security_Users?$filter=Login eq '{login}'&$select=AccessFailedCount"
    answer = world.api(path, tokens["access_token"])
    assert answer.status_code == 200, answer.text
    return int(answer.json()["value"][0]["AccessFailedCount"])


@pytest.mark.parametrize("login", ["mira.k", "MIRA.K ", "mira.k@orion.example"])
def test_five_wrong_tries_then_five_minutes(login: str, world: World) -> None:
    """[SGN-6, OPQ-26]"""
    guess(world, 5, login)
    assert_refused(world.browser().sign_in(login))
    world.clock.advance(299)
    assert_refused(world.browser().sign_in(login))
    world.clock.advance(1)
    assert_signed_in(world.browser().sign_in(login))


def test_another_spelling_is_the_same_login(world: World) -> None:
    """[SGN-6, USR-2]"""
    guess(world, 1, "mira.k", "MIRA.K", " Mira.K", "mira.K ", "miRa.k")
    assert_refused(world.browser().sign_in("mira.k"))


def test_waiting_does_not_prolong_the_wait(world: World) -> None:
    """[SGN-6]"""
    guess(world, 5)
    world.clock.advance(200)
    guess(world, 20)
    world.clock.advance(100)
    assert_signed_in(world.browser().sign_in())


def test_the_count_begins_anew_after_the_wait(world: World) -> None:
    """[SGN-6]"""
    guess(world, 5)
    world.clock.advance(300)
    guess(world, 4)
    assert_signed_in(world.browser().sign_in())


def test_success_resets_the_count(world: World) -> None:
    """[SGN-6]"""
    for _ in range(3):
        guess(world, 4)
        assert_signed_in(world.browser().sign_in())


def test_another_address_goes_on(world: World) -> None:
    """[SGN-6] a stranger cannot lock a user out."""
    guess(world, 8)
    assert_signed_in(browser_at(world, "127.0.0.2").sign_in())
    assert_refused(world.browser().sign_in())  # which resets nothing here


def test_a_header_does_not_change_the_address(world: World) -> None:
    """[SGN-6]"""
    browser = world.browser()
    page = browser.authorize()
    for number in range(6):
        browser.http.headers["X-Forwarded-For"] = f"203.0.113.{number}"
        secret = WRONG if number < 5 else PASSWORD
        page = browser.submit(page, login="mira.k", password=secret)
        assert_refused(page)


def test_a_known_device_goes_on(world: World) -> None:
    """[SGN-6] even at the address of the stranger, and after its session has ended."""
    browser = world.browser()
    assert_signed_in(browser.sign_in())
    guess(world, 8)
    assert_signed_in(browser.sign_in(prompt="login"))
    world.clock.advance(100 * 24 * 3600)
    guess(world, 8)
    assert_signed_in(browser.sign_in())


@pytest.mark.parametrize("login", ["ada", "nobody"])
def test_a_device_is_known_for_its_user_only(login: str, world: World) -> None:
    """[SGN-6] with an account of one's own nobody else's password can be guessed longer."""
    browser = world.browser()
    browser.sign_in("mira.k")
    page = browser.authorize(prompt="login")
    for _ in range(5):
        page = browser.submit(page, login=login, password=WRONG)
    assert_refused(browser.submit(page, login=login, password=PASSWORD))
    assert_refused(world.browser().sign_in(login))


def test_a_known_device_waits_for_its_own_wrong_tries(world: World) -> None:
    """[SGN-6] a browser that somebody left behind is no place to guess; others go on."""
    browser = world.browser()
    browser.sign_in()
    page = browser.authorize(prompt="login")
    for _ in range(5):
        page = browser.submit(page, login="mira.k", password=WRONG)
    assert_refused(browser.submit(page, login="mira.k", password=PASSWORD))
    assert_signed_in(world.browser().sign_in())


def test_two_people_share_a_device(world: World) -> None:
    """[SGN-6]"""
    browser = world.browser()
    browser.sign_in("mira.k")
    browser.sign_in("ada", prompt="login")
    guess(world, 6, "mira.k", "ada")
    assert_signed_in(browser.sign_in("mira.k", prompt="login"))
    assert_signed_in(browser.sign_in("ada", prompt="login"))


def test_the_device_cookie(world: World) -> None:
    """[SGN-6, SGN-4] names no login, ends after 180 days, and a changed one is an unknown device"""
    browser = world.browser()
    page = browser.authorize()
    form = dict(re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', page.text))
    answer = browser.http.post("/id/signin", data=form | {"login": "mira.k", "password": PASSWORD})
    cookies = answer.headers.get_list("set-cookie")
    (value, flags) = next(m.groups() for c in cookies if (m := DEVICE.match(c)))
    assert sorted(flags.lower().split("; ")) == [
        "httponly",
        "max-age=15552000",
        "path=/",
        "samesite=lax",
    ]
    assert "mira" not in value
    guess(world, 5)
    name = next(c for c in browser.http.cookies if "device" in c)
    changed = value[:-2] + ("AA" if value[-2:] != "AA" else "BB")
    for bad in (changed, "", "x", value.partition(".")[0], value + "." * 5):
        stranger = world.browser()
        stranger.http.cookies.set(name, bad)
        assert_refused(stranger.sign_in())
    friend = world.browser()
    friend.http.cookies.set(name, value)
    assert_signed_in(friend.sign_in())
    world.clock.advance(180 * 24 * 3600)
    guess(world, 5)
    friend = world.browser()
    friend.http.cookies.set(name, value)
    assert_refused(friend.sign_in())


def shape(page: httpx.Response) -> tuple[int, list[str], str]:
    """Everything of an answer that could tell something; random values are left out."""
    text = re.sub(r'(name="(?:anti_forgery|interaction)" value=")[^"]*', r"\1", page.text)
    text = re.sub(r'(name="login" value=")[^"]*', r"\1", text)
    return page.status_code, sorted(page.headers), text


def test_unknown_wrong_inactive_and_throttled_are_alike(world: World) -> None:
    """[SGN-3, SGN-6] same status, headers and page, for the first try and the sixth"""
    world.change_user("buyer@client.example", active=False)
    seen = set()
    for login in ("mira.k", "nobody", "buyer@client.example", "svc.stock"):
        browser = world.browser()
        page = browser.authorize()
        for _ in range(7):
            page = browser.submit(page, login=login, password=WRONG)
            status, headers, text = shape(page)
            seen.add((status, tuple(headers), text))
    assert len(seen) == 1
    checked = world.events("user.sign_in_failed")
    throttled = world.events("user.sign_in_throttled")
    assert len(checked) == 4 * 5
    assert len(throttled) == 4 * 2


def test_other_ways_go_on(world: World) -> None:
    """[SGN-10] the wait locks no token, no service and no session"""
    tokens = world.user_tokens("mira.k")
    personal = reference_token(world)
    service = reference_token(world, TokenKind.SERVICE)
    guess(world, 8, "mira.k", "svc.stock")
    assert world.api(CUSTOMERS, personal).status_code == 200
    assert world.api(CUSTOMERS, service).status_code == 200
    assert world.api(CUSTOMERS, world.service_token()).status_code == 200
    assert world.api(CUSTOMERS, tokens["access_token"]).status_code == 200
    assert world.refresh(tokens["refresh_token"]).status_code == 200
    assert failed_count(world) == 5


def test_access_failed_count_is_shown(world: World) -> None:
    """[USR-8]"""
    guess(world, 3)
    assert failed_count(world) == 3
    assert_signed_in(world.browser().sign_in())
    assert failed_count(world) == 0


def test_many_logins_from_one_address(world: World) -> None:
    """[SGN-6] known devices and other addresses go on"""
    friend = world.browser()
    friend.sign_in("ada")
    guess(world, 1, *(f"person{number}" for number in range(LIMITS["address"].tries)))
    assert_refused(world.browser().sign_in())
    assert_signed_in(friend.sign_in("ada", prompt="login"))
    assert_signed_in(browser_at(world, "127.0.0.2").sign_in())
    assert "address" in (world.events("user.sign_in_throttled")[0].cause or "")
    world.clock.advance(300)
    assert_signed_in(world.browser().sign_in())


def test_one_login_from_many_addresses(world: World) -> None:
    """[SGN-6] unknown devices wait, known ones do not; a waiting address adds nothing"""
    friend = world.browser()
    friend.sign_in()
    guess(world, 40, address="127.0.0.2")
    assert_signed_in(browser_at(world, "127.0.0.3").sign_in())
    for number in range(3, 7):
        guess(world, 5, address=f"127.0.0.{number}")
    assert_refused(browser_at(world, "127.0.0.9").sign_in())
    assert_signed_in(friend.sign_in(prompt="login"))
    assert_signed_in(browser_at(world, "127.0.0.9").sign_in("ada"))
    world.clock.advance(300)
    assert_signed_in(browser_at(world, "127.0.0.9").sign_in())


def test_fifty_guesses_at_once(world: World) -> None:
    """[SGN-6] five are looked at, however they race"""
    browser = world.browser()
    page = browser.authorize()
    form = dict(re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', page.text))

    async def run() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(
            base_url=world.base, limits=limits, timeout=60, cookies=browser.http.cookies
        ) as http:
            data = form | {"login": "mira.k", "password": WRONG}
            return await asyncio.gather(*(http.post("/id/signin", data=data) for _ in range(50)))

    assert {answer.status_code for answer in asyncio.run(run())} == {400}
    assert len(world.events("user.sign_in_failed")) == 5
    assert_refused(world.browser().sign_in())


def test_the_audit_log_tells(world: World) -> None:
    """[SGN-6] who, from where and why; what was typed for nobody is not written down"""
    guess(world, 6, "mira.k", "hunter2")
    of_nobody, of_mira = world.events("user.sign_in_throttled")
    assert (of_mira.actor, of_mira.address) == ("mira.k", "127.0.0.1")
    assert of_mira.cause == "5 wrong tries were made (origin)"
    assert of_nobody.actor is None
    path = world.database_url.removeprefix("sqlite:///")
    for suffix in ("", "-wal"):
        with open(path + suffix, "rb") as file:
            assert b"hunter2" not in file.read()


def test_servers_of_one_database_share_counts_and_devices(world: World) -> None:
    """[SGN-6] another server, or the same one after a restart"""
    friend = world.browser()
    friend.sign_in()
    guess(world, 5)
    other = World(world.database_url, clock=world.clock).start()  # the instance moves there
    try:
        assert_refused(other.browser().sign_in())
        moved = other.browser()
        moved.http.cookies = friend.http.cookies
        assert_signed_in(moved.sign_in(prompt="login"))
    finally:
        other.stop()
