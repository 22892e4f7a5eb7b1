"""The second step of a sign-in, over the wire [IDT-13, SGN-6, USR-8]."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from argon2 import PasswordHasher

from mintgate.store import users
from tests.site_visits import SiteVisit
from tests.wire.second_factor_world import (
    CODE_PAGE,
    ENROL_PAGE,
    REQUIRED,
    App,
    enrol,
    factors_of,
    interaction_of,
    recovery_codes_of,
    secret_of,
    user_id_of,
)
from tests.world import PASSWORD, World, answer_of, payload_of

MFA = json.dumps({"id_token": {"acr": {"essential": True, "values": ["mfa"]}}})
APP_PAGE = "/profile/security/second-factors/app"


@pytest.fixture
def world(a_world):  # type: ignore[no-untyped-def]
    return a_world(instance_settings=REQUIRED)


def amr_of(world: World, code: str) -> list[str]:
    return list(payload_of(world.redeem(code).json()["id_token"])["amr"])


def test_required_leads_through_setting_up_and_then_asks(world: World) -> None:
    """No session before all is proved; `amr` tells what was."""
    browser = world.browser()
    page = browser.sign_in()
    assert ENROL_PAGE in page.text
    assert not world.count_rows("identity_sessions")
    app = App(world, secret_of(page))
    wrong = browser.submit(page, one_time_code="000000" if app.code() != "000000" else "111111")
    assert wrong.status_code == 400
    assert secret_of(wrong) == secret_of(page), "a wrong code keeps the app that is set up"
    shown = browser.submit(wrong, one_time_code=app.code())
    assert len(recovery_codes_of(shown)) == 10
    assert not world.count_rows("identity_sessions")
    reloaded = browser.http.get(f"/id{ENROL_PAGE}?interaction={interaction_of(shown)}")
    assert not recovery_codes_of(reloaded), "they are shown once"
    code = answer_of(browser.submit(reloaded, action="continue"))["code"]
    assert amr_of(world, code) == ["pwd", "otp", "mfa"]

    world.clock.advance(30)
    again = world.browser()
    page = again.sign_in()
    assert CODE_PAGE in page.text
    done = again.submit(page, one_time_code=app.code())
    assert amr_of(world, answer_of(done)["code"]) == ["pwd", "otp", "mfa"]
    assert world.events("user.signed_in")[0].details == {"amr": ["pwd", "otp", "mfa"]}
    for event in ("user.totp_added", "user.recovery_codes_made", "user.second_factor_used"):
        assert len(world.events(event)) == 1, event


def test_a_code_works_once(world: World) -> None:
    """RFC 6238 §5.2; also a code of an earlier step, after a later one"""
    app, _ = enrol(world)
    first = world.browser()
    page = first.sign_in()
    used = app.code(steps=1)
    assert first.submit(page, one_time_code=used).is_redirect
    second = world.browser()
    page = second.sign_in()
    for code in (used, app.code()):
        refused = second.submit(page, one_time_code=code)
        assert refused.status_code == 400
        assert 'role="alert"' in refused.text
    world.clock.advance(60)
    assert second.submit(page, one_time_code=app.code()).is_redirect


def test_the_code_of_the_set_up_is_used(world: World) -> None:
    browser = world.browser()
    page = browser.sign_in()
    app = App(world, secret_of(page))
    browser.submit(browser.submit(page, one_time_code=app.code()), action="continue")
    other = world.browser()
    assert other.submit(other.sign_in(), one_time_code=app.code()).status_code == 400


def test_a_recovery_code_works_once(world: World) -> None:
    _, codes = enrol(world)
    for typed, good in ((codes[0].upper().replace("-", " "), True), (codes[0], False)):
        browser = world.browser()
        page = browser.sign_in()
        page = browser.http.get(f"/id{CODE_PAGE}?interaction={interaction_of(page)}&use=recovery")
        assert browser.submit(page, one_time_code=typed).is_redirect is good
    assert factors_of(world).recovery_codes == 9
    used = world.events("user.second_factor_used")[0]
    assert used.details == {"factor": "recovery_code", "left": 9}


def test_of_two_who_show_one_code_at_once_one_gets_in(world: World) -> None:
    app, _ = enrol(world)
    browsers = [world.browser() for _ in range(4)]
    pages = [browser.sign_in() for browser in browsers]
    code, results = app.code(), []

    def show(number: int) -> None:
        results.append(browsers[number].submit(pages[number], one_time_code=code).is_redirect)

    threads = [threading.Thread(target=show, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, False, True]


def test_the_address_of_the_page_proves_nothing(world: World) -> None:
    """Whoever knows the address that somebody else's password was typed at gets no further."""
    app, _ = enrol(world)
    victim, thief = world.browser(), world.browser()
    page = victim.sign_in()
    interaction = interaction_of(page)
    seen = thief.follow(thief.http.get(f"/id{CODE_PAGE}?interaction={interaction}"))
    assert "<h1>Sign in</h1>" in seen.text
    form = {"interaction": interaction, "one_time_code": app.code()}
    form["anti_forgery"] = next(v for k, v in thief.http.cookies.items() if "form" in k)
    answer = thief.follow(thief.http.post(f"/id{CODE_PAGE}", data=form))
    assert "<h1>Sign in</h1>" in answer.text
    assert victim.submit(page, one_time_code=app.code()).is_redirect, "its code was not used up"


def test_the_password_alone_sets_up_no_further_factor(world: World) -> None:
    enrol(world)
    browser = world.browser()
    page = browser.sign_in()
    seen = browser.follow(browser.http.get(f"/id{ENROL_PAGE}?interaction={interaction_of(page)}"))
    assert CODE_PAGE in seen.text
    form = {"interaction": interaction_of(page), "one_time_code": "123456"}
    form["anti_forgery"] = next(v for k, v in browser.http.cookies.items() if "form" in k)
    answer = browser.follow(browser.http.post(f"/id{ENROL_PAGE}", data=form))
    assert CODE_PAGE in answer.text
    assert factors_of(world).count == 1


def test_a_password_change_ends_a_sign_in_that_is_half_done(world: World) -> None:
    """[USR-22]"""
    app, _ = enrol(world)
    browser = world.browser()
    page = browser.sign_in()
    with world.database.begin() as tx:
        users.set_password(tx, world.instance.id, user_id_of(world), "argon2id-of-something-else")
    world.sync()
    answer = browser.submit(page, one_time_code=app.code())
    assert "<h1>Sign in</h1>" in answer.text
    assert not world.count_rows("identity_sessions") + world.count_rows("sign_in_proofs")
    assert not world.events("user.second_factor_used"), "nor is the code used up"


def test_a_half_done_sign_in_is_over_after_a_while(world: World) -> None:
    app, _ = enrol(world)
    browser = world.browser()
    page = browser.sign_in()
    world.clock.advance(901)
    assert "<h1>Sign in</h1>" in browser.submit(page, one_time_code=app.code()).text


def test_wrong_codes_wait_and_lock_nobody_else_out(world: World) -> None:
    """[SGN-6] from this place only: a device that signed in before goes on"""
    app, codes = enrol(world)
    known = world.browser()
    assert known.submit(known.sign_in(), one_time_code=app.code()).is_redirect
    world.clock.advance(30)
    thief = world.browser()
    page = thief.sign_in()
    wrong = "000000" if app.code() not in {"000000", app.code(steps=1)} else "111111"
    for _ in range(5):
        assert thief.submit(page, one_time_code=wrong).status_code == 400
    assert thief.submit(page, one_time_code=app.code()).status_code == 400, "it must wait"
    assert thief.submit(page, one_time_code=codes[3]).status_code == 400
    assert world.events("user.second_factor_throttled")
    page = known.sign_in(prompt="login")
    assert known.submit(page, one_time_code=app.code()).is_redirect
    world.clock.advance(301)
    fresh = thief.sign_in()
    assert thief.submit(fresh, one_time_code=app.code()).is_redirect


def test_allowed_asks_whom_it_is_set_up_for_and_nobody_else(a_world) -> None:  # type: ignore[no-untyped-def]
    world = a_world(instance_settings=REQUIRED)
    enrol(world)
    world.declare(replace=(REQUIRED, 'second_factor_internal = "allowed"'))
    browser = world.browser()
    assert browser.sign_in("ada").is_redirect
    page = world.browser().sign_in()
    assert CODE_PAGE in page.text
    world.declare(replace=(REQUIRED, 'second_factor_internal = "off"'))
    browser = world.browser()
    assert amr_of(world, browser.code()) == ["pwd"]


def test_the_types_of_users_have_rules_of_their_own(a_world) -> None:  # type: ignore[no-untyped-def]
    world = a_world(instance_settings='second_factor_community = "required"')
    assert world.browser().sign_in("mira.k").is_redirect
    page = world.browser().sign_in("buyer@client.example", scope="openid")
    assert ENROL_PAGE in page.text


def test_an_application_that_takes_nothing_less(a_world) -> None:  # type: ignore[no-untyped-def]
    """[EXT-15] an essential `acr` leads to a second factor, whatever the instance asks for"""
    world = a_world()
    browser = world.browser()
    browser.code()
    claims = '{"id_token": {"acr": {"essential": true, "value": "mfa"}}}'
    page = browser.sign_in(claims=claims)
    assert ENROL_PAGE in page.text
    app = App(world, secret_of(page))
    page = browser.submit(page, one_time_code=app.code())
    code = answer_of(browser.submit(page, action="continue"))["code"]
    assert payload_of(world.redeem(code).json()["id_token"])["acr"] == "mfa"


def test_cancel_and_foreign_forms(world: World) -> None:
    """[AUT-33, SGN-5]"""
    browser = world.browser()
    page = browser.sign_in()
    answer = browser.submit(page, action="cancel")
    assert answer_of(answer)["error"] == "access_denied"
    page = browser.sign_in()
    foreign = browser.submit(page, anti_forgery="x" * 43, one_time_code="123456")
    assert foreign.status_code == 400
    assert "did not come from this site" in foreign.text


def test_the_session_cookie_is_new_and_the_proof_is_gone(world: World) -> None:
    """Session fixation: nothing that was there before the second step opens anything after it."""
    app, _ = enrol(world)
    browser = world.browser()
    page = browser.sign_in()
    before = dict(browser.http.cookies)
    assert not any(PASSWORD in value for value in before.values())
    assert browser.submit(page, one_time_code=app.code()).is_redirect
    after = dict(browser.http.cookies)
    new = {name: value for name, value in after.items() if before.get(name) != value}
    assert sum("device" not in name and "form" not in name for name in new) == 1
    assert not any("proof" in name for name in after)
    assert not world.count_rows("sign_in_proofs")


def test_the_secret_of_an_app_is_shown_in_one_sign_in_only(a_world: Callable[..., World]) -> None:
    """[USR-8] Who knows the password alone does not see the one that the person is to confirm."""
    world = a_world(instance_settings='second_factor_internal = "allowed"')
    thief, person = world.browser(), SiteVisit(world)
    enrolling = thief.sign_in(claims=MFA)
    page = person.open(APP_PAGE)
    assert secret_of(person.open(APP_PAGE)) == secret_of(page), "a reload shows the same"
    thief.http.get(f"/id{ENROL_PAGE}?interaction={interaction_of(enrolling)}")
    stolen, own = secret_of(enrolling), secret_of(page)
    assert stolen != own
    refused = person.submit(page, one_time_code=App(world, stolen).code())
    assert refused.status_code == 400, "it counts only where it was shown"
    done = person.submit(refused, one_time_code=App(world, own).code())
    assert len(recovery_codes_of(done)) == 10, "what the thief opened did not replace it"
    late = thief.follow(thief.submit(enrolling, one_time_code=App(world, stolen).code()))
    assert CODE_PAGE in late.text
    world.clock.advance(30)
    for secret, good in ((stolen, False), (own, True)):
        browser = world.browser()
        answer = browser.submit(browser.sign_in(), one_time_code=App(world, secret).code())
        assert answer.is_redirect is good


def test_another_password_ends_what_was_begun_with_the_one_before(world: World) -> None:
    """[USR-8, USR-22] No factor is set up by who knew the password of before."""
    thief = world.browser()
    page = thief.sign_in()
    app = App(world, secret_of(page))
    with world.database.begin() as tx:
        hashed = PasswordHasher().hash("another password")
        users.set_password(tx, world.instance.id, user_id_of(world), hashed)
    world.sync()
    answer = thief.follow(thief.submit(page, one_time_code=app.code()))
    assert "<h1>Sign in</h1>" in answer.text
    assert not factors_of(world).has_any
