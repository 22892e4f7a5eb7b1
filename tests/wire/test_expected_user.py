"""`id_token_hint`, `login_hint`, `ui_locales` and the account chooser (AUT-9, AUT-11, EXT-15)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mintgate.identity.admission import Admission
from mintgate.store import applications
from tests.world import (
    BACKOFFICE,
    PASSWORD,
    REDIRECT,
    SPA,
    Browser,
    World,
    answer_of,
    payload_of,
    pkce,
)

CHOOSER = "<h1>Изберете профил</h1>"  # in the language of who is signed in
SIGN_IN = "<h1>Sign in</h1>"


def signed_in(world: World, login: str = "mira.k") -> tuple[Browser, str]:
    """A browser after a sign-in, and the ID token that it gave."""
    browser = world.browser()
    tokens = world.redeem(answer_of(browser.sign_in(login))["code"]).json()
    return browser, tokens["id_token"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("prompt", ["", "none"])
def test_the_hinted_user_goes_on_silently(method: str, prompt: str, shared_world: World) -> None:
    browser, hint = signed_in(shared_world)
    assert "code" in answer_of(browser.authorize(method, id_token_hint=hint, prompt=prompt))


def test_another_user_is_refused_or_asked(shared_world: World) -> None:
    """OpenID Connect Core §3.1.2.1"""
    _, hint = signed_in(shared_world)
    browser, _ = signed_in(shared_world, "ada")
    silent = answer_of(browser.authorize(id_token_hint=hint, prompt="none"))
    assert silent["error"] == "login_required"
    page = browser.authorize(id_token_hint=hint)
    assert SIGN_IN in page.text
    assert 'value="mira.k"' in page.text  # the one who is expected
    wrong = browser.submit(page, login="ada", password=PASSWORD)
    assert answer_of(wrong)["error"] == "login_required"
    assert "code" in answer_of(browser.sign_in(id_token_hint=hint))


def test_a_hint_by_post_survives_the_way_to_the_page(shared_world: World) -> None:
    """[AUT-50]"""
    _, hint = signed_in(shared_world)
    browser = shared_world.browser()
    page = browser.authorize("POST", id_token_hint=hint)
    assert answer_of(browser.submit(page, login="ada", password=PASSWORD))["error"] == (
        "login_required"
    )


def test_an_expired_hint_and_a_renamed_user(world: World) -> None:
    """[END-3] its expiry does not matter; the same session is the same user"""
    browser, hint = signed_in(world)
    world.clock.advance(1000)
    world.change_user("mira.k", login="mira.new")
    assert "code" in answer_of(browser.authorize(id_token_hint=hint, prompt="none"))


def test_a_hint_of_the_hybrid_flow(shared_world: World) -> None:
    browser = shared_world.browser()
    answer = answer_of(browser.sign_in(response_type="code id_token", nonce="n"))
    again = browser.authorize(id_token_hint=answer["id_token"], prompt="none")
    assert "code" in answer_of(again)


@pytest.mark.parametrize("kind", ["text", "forged", "access token", "of another application"])
def test_a_void_hint(kind: str, shared_world: World) -> None:
    """Refused: an application that sends nonsense should learn of it."""
    world = shared_world
    browser = world.browser()
    tokens = world.redeem(answer_of(browser.sign_in())["code"]).json()
    hint, request = tokens["id_token"], {}
    if kind == "text":
        hint = "x"
    elif kind == "forged":
        head, payload, signature = hint.split(".")
        hint = ".".join((head, payload, signature[:-8] + "AAAAAAAA"))
    elif kind == "access token":
        hint = tokens["access_token"]
    else:
        request = {"client_id": SPA, "scope": "openid", "code_challenge": pkce()[1]} | {
            "code_challenge_method": "S256"
        }
    for prompt in ("", "none"):
        answer = answer_of(browser.authorize(id_token_hint=hint, prompt=prompt, **request))
        assert answer["error"] == "invalid_request"
        assert "id_token_hint" in answer["error_description"]


def test_a_void_hint_does_not_come_before_the_redirect_check(shared_world: World) -> None:
    """[AUT-23] first"""
    page = shared_world.browser().authorize(id_token_hint="x", redirect_uri=REDIRECT + "x")
    assert page.status_code == 400
    assert "invalid_redirect_uri" in page.text


def test_nobody_sends_what_a_hint_says(shared_world: World) -> None:
    """What is kept of a hint has names that a request cannot bring."""
    browser, _ = signed_in(shared_world, "ada")
    kept = {"hint.sub": "mira.k", "hint.sid": "x", "hint.void": "1"}
    assert "code" in answer_of(browser.authorize(**kept, prompt="none"))


def test_the_hint_is_kept_nowhere(world: World) -> None:
    """[TOK-14] a token belongs in no URL of ours and in no table"""
    _, hint = signed_in(world)
    page = world.browser().authorize(id_token_hint=hint)
    assert SIGN_IN in page.text
    assert hint not in str(page.url)
    (kept,) = [row["parameters"] for row in world.rows("interactions")]
    assert hint not in str(kept)
    assert kept["hint.sub"] == "mira.k"


def test_login_hint_wins_over_the_hinted_login(shared_world: World) -> None:
    _, hint = signed_in(shared_world)
    page = shared_world.browser().authorize(id_token_hint=hint, login_hint="mira.k@orion.example")
    assert 'value="mira.k@orion.example"' in page.text


@pytest.mark.parametrize("locales", ["bg en", "xx-YY", "not a tag!", "-"])
def test_ui_locales_are_never_an_error(locales: str, shared_world: World) -> None:
    """OpenID Connect Core §3.1.2.1; kept for the pages, also on the way over a POST"""
    for method in ("GET", "POST"):
        page = shared_world.browser().authorize(method, ui_locales=locales)
        assert ("<h1>Вход</h1>" if locales == "bg en" else SIGN_IN) in page.text


def test_ui_locales_are_kept(world: World) -> None:
    world.browser().authorize(ui_locales="bg en")
    (kept,) = [row["parameters"] for row in world.rows("interactions")]
    assert kept["ui_locales"] == "bg en"


def test_choose_to_continue(world: World) -> None:
    """[EXT-15] the session stays as it is"""
    browser, before = signed_in(world)
    world.clock.advance(100)
    page = browser.authorize(prompt="select_account")
    assert CHOOSER in page.text
    assert "Продължете като Мира Коларова" in page.text
    assert "mira.k" in page.text
    answer = answer_of(browser.submit(page, action="continue"))
    after = payload_of(world.redeem(answer["code"]).json()["id_token"])
    assert after["sid"] == payload_of(before)["sid"]
    assert after["auth_time"] == after["iat"] - 100


def test_choose_another_account(shared_world: World) -> None:
    """[SES-52]"""
    browser, _ = signed_in(shared_world)
    page = browser.submit(browser.authorize(prompt="select_account"), action="other")
    assert SIGN_IN in page.text
    answer = answer_of(browser.submit(page, login="ada", password=PASSWORD))
    assert payload_of(shared_world.redeem(answer["code"]).json()["id_token"])["sub"] == "ada"


def test_who_is_the_same_user(world: World) -> None:
    """[SES-51, SES-52, SES-56] whoever has the same Id, by whatever name and way"""
    browser, before = signed_in(world)
    sid = payload_of(before)["sid"]

    def again(login: str) -> str:
        page = browser.authorize(prompt="login")
        answer = answer_of(browser.submit(page, login=login, password=PASSWORD))
        claims = payload_of(world.redeem(answer["code"]).json()["id_token"])
        return str(claims["sid"])

    assert again("mira.k@orion.example") == sid
    world.make_sessions_external()
    assert again("mira.k") == sid
    world.change_user("mira.k", login="mira.new")
    assert again("mira.new") == sid
    world.change_user("ada", login="mira.k")
    assert again("mira.k") != sid


def test_choose_nobody(shared_world: World) -> None:
    """[AUT-33, SES-55]"""
    browser, _ = signed_in(shared_world)
    page = browser.authorize(prompt="select_account", response_type="code id_token", nonce="n")
    answer = browser.submit(page, action="cancel")
    assert answer.headers["location"].startswith(REDIRECT + "#error=access_denied")
    assert "code" in answer_of(browser.authorize(prompt="none"))


def test_with_nobody_signed_in_the_sign_in_form_is_the_chooser(shared_world: World) -> None:
    browser = shared_world.browser()
    page = browser.authorize(prompt="select_account")
    assert SIGN_IN in page.text
    assert "code" in answer_of(browser.submit(page, login="mira.k", password=PASSWORD))


@pytest.mark.parametrize("more", [{"prompt": "login select_account"}, {"max_age": "0"}])
def test_a_sign_in_that_is_due_comes_first(more: dict[str, str], shared_world: World) -> None:
    """[SES-50] its form takes any account, so nothing is asked twice"""
    browser, _ = signed_in(shared_world)
    page = browser.authorize(**({"prompt": "select_account"} | more))
    assert SIGN_IN in page.text
    assert "code" in answer_of(browser.submit(page, login="mira.k", password=PASSWORD))


def test_a_choice_holds_for_its_request_alone(shared_world: World) -> None:
    browser, _ = signed_in(shared_world)
    page = browser.authorize(prompt="select_account")
    assert "code" in answer_of(browser.submit(page, action="continue"))
    assert CHOOSER in browser.authorize(prompt="select_account").text
    again = browser.submit(page, action="continue")
    assert again.status_code == 400
    assert "start again" in again.text


def test_none_and_select_account(shared_world: World) -> None:
    """[AUT-31]"""
    browser, _ = signed_in(shared_world)
    answer = answer_of(browser.authorize(prompt="none select_account"))
    assert answer["error"] == "invalid_request"


def test_the_answer_is_for_the_one_who_was_shown(shared_world: World) -> None:
    """Somebody else signs in in another tab before the button is pressed."""
    browser, _ = signed_in(shared_world)
    page = browser.authorize(prompt="select_account")
    answer_of(browser.sign_in("ada", prompt="login"))
    shown_again = browser.submit(page, action="continue")
    assert "Continue as Ada Admin" in shown_again.text
    answer = answer_of(browser.submit(shown_again, action="continue"))
    assert payload_of(shared_world.redeem(answer["code"]).json()["id_token"])["sub"] == "ada"


def test_signed_out_before_the_answer(world: World) -> None:
    """[END-4]"""
    browser, hint = signed_in(world)
    page = browser.authorize(prompt="select_account")
    browser.http.get("/id/connect/endsession", params={"id_token_hint": hint})
    after = browser.submit(page, action="continue")
    assert SIGN_IN in after.text


def test_the_chooser_refuses_forms_from_elsewhere(shared_world: World) -> None:
    """[SGN-5]"""
    browser, _ = signed_in(shared_world)
    page = browser.authorize(prompt="select_account")
    assert browser.submit(page, action="continue", anti_forgery="forged").status_code == 400
    stranger = shared_world.browser()
    assert stranger.submit(page, action="continue").status_code == 400
    missing = browser.http.get("/id/accounts?interaction=x")
    assert missing.status_code == 400


def test_policy_of_the_chooser(shared_world: World) -> None:
    """[SGN-9, EP-7]"""
    browser, _ = signed_in(shared_world)
    page = browser.authorize(prompt="select_account")
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' http://127.0.0.1:9101;" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?! src=)| style=| on[a-z]+=", page.text)


def test_the_chooser_before_the_consent(world: World) -> None:
    """[EXT-2]"""
    browser, _ = signed_in(world)
    world.change_application(BACKOFFICE, require_consent=True)
    page = browser.authorize(prompt="select_account consent")
    assert CHOOSER in page.text
    page = browser.submit(page, action="continue")
    assert "Разрешавате ли на Back office?" in page.text
    assert "code" in answer_of(browser.submit(page, action="allow"))


def test_consent_withdrawn_while_the_page_is_open(world: World) -> None:
    """[EXT-2] an agreement is worth nothing once it is taken back"""
    application = world.change_application(BACKOFFICE, require_consent=True)
    user = world.change_user("mira.k")
    browser = world.browser()
    page = browser.sign_in()
    fields = dict(re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', page.text))
    allowed = browser.http.post("/id/consent", data=fields | {"action": "allow"})
    assert allowed.status_code == 303
    world.withdraw_consent(user, application)
    assert "Разрешавате ли на Back office?" in browser.follow(allowed).text


def test_consent_withdrawn_just_before_the_code(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[EXT-2] between the look at the consent and the code"""
    application = world.change_application(BACKOFFICE, require_consent=True)
    user = world.change_user("mira.k")
    browser = world.browser()
    assert "code" in answer_of(browser.submit(browser.sign_in(), action="allow"))
    must_consent = Admission.must_consent

    async def then_withdrawn(*arguments: Any) -> bool:
        must = await must_consent(*arguments)
        with world.database.begin() as tx:
            here, by = world.instance.id, user.login
            applications.withdraw_consent(tx, here, user, application, actor=by, address=None)
        return must

    monkeypatch.setattr(Admission, "must_consent", then_withdrawn)
    page = browser.authorize()
    assert page.status_code == 400
    assert "start again" in page.text


def test_withdrawn_consent_ends_what_it_gave(world: World) -> None:
    """[EXT-2] the code that waits, the refresh token; asked again; other applications stay"""
    application = world.change_application(BACKOFFICE, require_consent=True)
    user = world.change_user("mira.k")
    browser = world.browser()
    page = browser.sign_in(scope="openid offline_access")
    tokens = world.redeem(answer_of(browser.submit(page, action="allow"))["code"]).json()
    waiting = answer_of(browser.authorize(scope="openid offline_access"))["code"]
    world.withdraw_consent(user, application)
    assert world.redeem(waiting).json()["error"] == "invalid_grant"
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert answer_of(browser.authorize(scope="openid", prompt="none"))["error"] == (
        "consent_required"
    )
    event = world.events("consent.withdrawn")[0]
    assert (event.actor, event.application) == ("mira.k", BACKOFFICE)
