"""Passkeys over the wire, with an authenticator made for the tests (WebAuthn Level 3 §7)."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from mintgate.store import passkeys
from tests.soft_authenticator import (
    BACKED_UP,
    ELIGIBLE,
    PRESENT,
    VERIFIED,
    SoftAuthenticator,
    decoded,
    encoded,
)
from tests.wire.second_factor_world import (
    CODE_PAGE,
    ENROL_PAGE,
    REQUIRED,
    factors_of,
    hidden,
    options,
    recovery_codes_of,
    user_id_of,
)
from tests.world import Browser, World, answer_of, payload_of


@pytest.fixture
def world(a_world: Callable[..., World]) -> World:
    """At a name, as no browser has passkeys for an address."""
    return a_world(instance_settings=REQUIRED, host="localhost")


def enrol(world: World, login: str = "mira.k", **broken: object) -> SoftAuthenticator:
    """Register a passkey at a sign-in that requires a second factor, and end that sign-in."""
    browser = world.browser()
    page = browser.sign_in(login)
    authenticator = SoftAuthenticator(world.base, **broken)  # type: ignore[arg-type]
    page = register(browser, page, authenticator)
    assert len(recovery_codes_of(page)) == 10, page.text
    assert browser.submit(page, action="continue").is_redirect
    return authenticator


def register(
    browser: Browser, page: httpx.Response, authenticator: SoftAuthenticator
) -> httpx.Response:
    asked = options(browser, page, "register").json()
    return browser.submit(page, credential=authenticator.register(asked))


def use(
    browser: Browser, authenticator: SoftAuthenticator, step: str = "sign_in"
) -> httpx.Response:
    """Without a login, on the sign-in page."""
    page = browser.authorize()
    asked = options(browser, page, step).json()
    return browser.submit(page, credential=authenticator.use(asked))


def id_token_of(world: World, done: httpx.Response) -> dict[str, object]:
    return payload_of(world.redeem(answer_of(done)["code"]).json()["id_token"])


def refused_as(world: World) -> str | None:
    return world.events("user.passkey_refused")[0].cause


def test_a_passkey_signs_in_without_a_login_and_counts_as_both(world: World) -> None:
    """§14.6.3; `amr` by RFC 8176 §2: this one never leaves its device."""
    authenticator = enrol(world)
    assert authenticator.user_handle.hex() != user_id_of(world)
    assert len(authenticator.user_handle) == 64
    done = use(world.browser(), authenticator)
    assert id_token_of(world, done)["amr"] == ["hwk", "user", "mfa"]
    used = world.events("user.second_factor_used")[0]
    assert used.actor == "mira.k"
    assert (used.details or {})["factor"] == "passkey"
    assert factors_of(world).count == 1


def test_a_passkey_that_is_copied_to_other_devices(world: World) -> None:
    authenticator = enrol(world, flags=ELIGIBLE | BACKED_UP)
    page = world.browser()
    claims = '{"id_token": {"acr": {"essential": true, "value": "phr"}}}'
    form = page.authorize(claims=claims)
    asked = options(page, form, "sign_in").json()
    told = id_token_of(world, page.submit(form, credential=authenticator.use(asked)))
    assert (told["amr"], told["acr"]) == (["swk", "user", "mfa"], "phr")


def test_a_passkey_as_the_second_step(world: World) -> None:
    authenticator = enrol(world)
    browser = world.browser()
    page = browser.sign_in()
    assert CODE_PAGE in page.text
    asked = options(browser, page, "second_step").json()
    assert [decoded(c["id"]) for c in asked["allowCredentials"]] == [authenticator.credential_id]
    answer = authenticator.use(asked, with_handle=False)  # §6.3.3: it need not tell, if asked so
    done = browser.submit(page, credential=answer)
    assert id_token_of(world, done)["amr"] == ["pwd", "hwk", "user", "mfa"]


def test_somebody_elses_passkey_is_no_second_step(world: World) -> None:
    enrol(world)
    of_ada = enrol(world, "ada")
    browser = world.browser()
    page = browser.sign_in()
    asked = options(browser, page, "second_step").json()
    assert browser.submit(page, credential=of_ada.use(asked)).status_code == 400
    assert refused_as(world) == "it is the passkey of another user"


BROKEN = {
    "origin": ({"origin": "http://localhost.evil.example"}, "Unexpected client data origin"),
    "port": ({"origin": "http://localhost:1"}, "Unexpected client data origin"),
    "frame": ({"cross_origin": True}, "a frame of another site"),
    "absent": ({"without": PRESENT}, "User was not present"),
    "unverified": ({"without": VERIFIED}, "not verified"),
    "domain": ({"rp_id": "evil.example"}, "Unexpected RP ID hash"),
    "handle": ({"user_handle": b"somebody else"}, "the user handle is another one"),
    "unknown": ({"credential_id": bytes(32)}, "no such passkey is registered"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_does_not_hold_is_refused(broken: str, passkey_world: World) -> None:
    world = passkey_world
    changes, cause = BROKEN[broken]
    authenticator = world.authenticator  # type: ignore[attr-defined]
    before = {name: getattr(authenticator, name) for name in changes}
    vars(authenticator).update(changes)
    refused = use(world.browser(), authenticator)
    vars(authenticator).update(before)
    assert refused.status_code == 400
    assert "This passkey could not be used here" in refused.text
    assert cause in str(refused_as(world))
    assert use(world.browser(), authenticator).is_redirect


@pytest.fixture(scope="module")
def passkey_world(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    from tests.world import sqlite_url

    folder = tmp_path_factory.mktemp("passkeys")
    world = World(sqlite_url(folder), instance_settings=REQUIRED, host="localhost").start()
    world.authenticator = enrol(world)  # type: ignore[attr-defined]
    yield world
    world.stop()


def test_a_signature_works_once_and_for_its_own_page_only(passkey_world: World) -> None:
    """§13.4.3"""
    world, authenticator = passkey_world, passkey_world.authenticator  # type: ignore[attr-defined]
    browser, other = world.browser(), world.browser()
    page, elsewhere = browser.authorize(), other.authorize()
    asked = options(browser, page, "sign_in").json()
    answer = authenticator.use(asked)
    assert other.submit(elsewhere, credential=answer).status_code == 400
    assert "made for something else" in str(refused_as(world))
    assert browser.submit(page, credential=answer).is_redirect
    again = browser.authorize(prompt="login")
    assert browser.submit(again, credential=answer).status_code == 400


def test_a_challenge_is_over_after_five_minutes(passkey_world: World) -> None:
    world, authenticator = passkey_world, passkey_world.authenticator  # type: ignore[attr-defined]
    browser = world.browser()
    page = browser.authorize()
    asked = options(browser, page, "sign_in").json()
    world.clock.advance(301)
    assert browser.submit(page, credential=authenticator.use(asked)).status_code == 400


def test_a_made_up_challenge(passkey_world: World) -> None:
    world, authenticator = passkey_world, passkey_world.authenticator  # type: ignore[attr-defined]
    browser = world.browser()
    page = browser.authorize()
    answer = authenticator.use({"challenge": encoded(bytes(32))})
    assert browser.submit(page, credential=answer).status_code == 400


@pytest.mark.parametrize(
    "text", ["x", "{}", "[]", "null", '{"response": []}', '{"response": {"clientDataJSON": "e30"}}']
)
def test_malformed_credentials(text: str, passkey_world: World) -> None:
    browser = passkey_world.browser()
    refused = browser.submit(browser.authorize(), credential=text)
    assert refused.status_code == 400
    assert "malformed" in str(refused_as(passkey_world))


def test_a_forged_signature(passkey_world: World) -> None:
    world, authenticator = passkey_world, passkey_world.authenticator  # type: ignore[attr-defined]
    browser = world.browser()
    page = browser.authorize()
    answer = json.loads(authenticator.use(options(browser, page, "sign_in").json()))
    data = bytearray(decoded(answer["response"]["authenticatorData"]))
    data[-1] ^= 8  # another count than was signed
    answer["response"]["authenticatorData"] = encoded(bytes(data))
    assert browser.submit(page, credential=json.dumps(answer)).status_code == 400
    assert not world.events("user.passkey_count_went_back")


def test_a_count_that_goes_back_is_refused_and_noted(world: World) -> None:
    """§6.1.1: the key may have been copied"""
    authenticator = enrol(world)
    assert use(world.browser(), authenticator).is_redirect
    authenticator.count = 0
    assert use(world.browser(), authenticator).status_code == 400
    noted = world.events("user.passkey_count_went_back")
    assert len(noted) == 1
    assert (noted[0].actor, noted[0].cause) == ("mira.k", "it counted to 1, after 1 or more")


def test_an_authenticator_that_does_not_count(world: World) -> None:
    authenticator = enrol(world, counts=False)
    for _ in range(2):
        assert use(world.browser(), authenticator).is_redirect


def test_a_passkey_that_was_removed(world: World) -> None:
    authenticator = enrol(world)
    of_user = user_id_of(world)
    with world.database.begin() as tx:
        (known,) = passkeys.of_user(tx.connection, world.instance.id, of_user)
        assert passkeys.remove(tx, world.instance.id, of_user, known.id)
    assert use(world.browser(), authenticator).status_code == 400
    assert refused_as(world) == "no such passkey is registered"
    assert not factors_of(world).recovery_codes, "they go with the last factor"


def test_whoever_may_not_sign_in_may_not_by_a_passkey(world: World) -> None:
    """[SGN-3] with the same sentence"""
    authenticator = enrol(world)
    world.change_user("mira.k", active=False)
    refused = use(world.browser(), authenticator)
    assert "This passkey could not be used here" in refused.text
    world.change_user("mira.k", active=True)
    world.declare(replace=(REQUIRED, 'second_factor_internal = "off"'))
    assert use(world.browser(), authenticator).status_code == 400
    assert refused_as(world) == "the instance has no second factors for such users"


def test_registering_needs_the_page_that_asked(world: World) -> None:
    browser = world.browser()
    page = browser.sign_in()
    authenticator = SoftAuthenticator(world.base)
    asked = options(browser, page, "register").json()
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    other = world.browser()
    elsewhere = other.sign_in("ada")
    assert ENROL_PAGE in elsewhere.text
    assert other.submit(elsewhere, credential=authenticator.register(asked)).status_code == 400
    assert not factors_of(world, "ada").has_any
    unverified = SoftAuthenticator(world.base, without=VERIFIED)
    assert register(browser, page, unverified).status_code == 400
    assert len(recovery_codes_of(register(browser, page, authenticator))) == 10


def test_one_passkey_is_registered_once(world: World) -> None:
    """§7.1: not for a second person either"""
    authenticator = enrol(world)
    browser = world.browser()
    page = browser.sign_in("ada")
    assert register(browser, page, authenticator).status_code == 400
    assert not factors_of(world, "ada").has_any


def test_options_are_for_our_own_pages(world: World) -> None:
    browser = world.browser()
    page = browser.authorize()
    fields = {"interaction": hidden(page, "interaction"), "step": "sign_in"}
    for anti_forgery in ({}, {"anti_forgery": "x" * 43}):
        answer = browser.http.post("/id/signin/passkey", data=fields | anti_forgery)
        assert answer.status_code == 400
    for step in ("second_step", "register", "none"):
        assert options(browser, page, step).status_code == 400, "no password was given yet"
    assert options(browser, page, "sign_in").json()["rpId"] == "localhost"


def test_at_an_address_there_are_none(a_world: Callable[..., World]) -> None:
    world = a_world()
    browser = world.browser()
    page = browser.authorize()
    assert "passkey" not in page.text
    assert options(browser, page, "sign_in").status_code == 400
