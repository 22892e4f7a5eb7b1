"""`/connect/authorize`: the order of checks, the error channels, sign-in, consent (§3.3, §3.4)."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from mintgate.identity.endpoints.signin import WRONG_PASSWORD
from mintgate.identity.passwords import hash_password
from mintgate.identity.signin.password import PasswordSignIn, Proved
from mintgate.store import DatabaseUnavailable, applications, users
from mintgate.store.tables import consents
from tests.world import BACKOFFICE, PASSWORD, REDIRECT, SPA, World, answer_of, payload_of, pkce

CHALLENGE = pkce()[1]
SPA_OK = {"client_id": SPA, "scope": "openid", "code_challenge": CHALLENGE} | {
    "code_challenge_method": "S256"
}
BAD_URI = "http://127.0.0.1:9101/other"

PAGES: list[tuple[str, dict[str, str], str]] = [
    ("AUT-20", {"client_id": ""}, "invalid_request"),
    ("AUT-21", {"client_id": "nobody"}, "unauthorized_client"),
    ("AUT-21-case", {"client_id": BACKOFFICE.upper()}, "unauthorized_client"),
    ("AUT-22", {"redirect_uri": ""}, "invalid_request"),
    ("AUT-23", {"redirect_uri": BAD_URI}, "invalid_redirect_uri"),
    ("AUT-23-slash", {"redirect_uri": REDIRECT + "/"}, "invalid_redirect_uri"),
    ("AUT-23-query", {"redirect_uri": REDIRECT + "?a=1"}, "invalid_redirect_uri"),
    ("AUT-23-case", {"redirect_uri": REDIRECT.upper()}, "invalid_redirect_uri"),
    ("AUT-23-port", {"redirect_uri": REDIRECT.replace("9101", "9102")}, "invalid_redirect_uri"),
    ("TAP-24", {"redirect_uri": "http://127.0.0.1:9101/"}, "invalid_redirect_uri"),
    ("AUT-23-first", {"redirect_uri": BAD_URI, "response_type": "x"}, "invalid_redirect_uri"),
    (
        "TAP-23-localhost",
        SPA_OK | {"redirect_uri": "http://localhost/native"},
        "invalid_redirect_uri",
    ),
]


@pytest.mark.parametrize(("change", "error"), [pytest.param(*r[1:], id=r[0]) for r in PAGES])
def test_refused_with_a_page(change: dict[str, str], error: str, shared_world: World) -> None:
    for method in ("GET", "POST"):
        page = shared_world.browser().authorize(method, **change)
        assert page.status_code == 400
        assert error in page.text
        assert "location" not in page.headers
        assert page.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "evil" not in page.text


RETURNED: list[tuple[str, dict[str, str], str]] = [
    ("AUT-24-missing", {"response_type": ""}, "invalid_request"),
    ("AUT-24-token", {"response_type": "token"}, "unsupported_response_type"),
    ("AUT-24-implicit", {"response_type": "id_token"}, "unsupported_response_type"),
    ("AUT-24-hybrid-token", {"response_type": "code token"}, "unsupported_response_type"),
    ("AUT-24-all", {"response_type": "code id_token token"}, "unsupported_response_type"),
    ("AUT-24-twice", {"response_type": "code code"}, "unsupported_response_type"),
    ("AUT-25", {"response_mode": "web_message"}, "invalid_request"),
    ("AUT-12-request", {"request": "x"}, "request_not_supported"),
    ("AUT-12-uri", {"request_uri": "x"}, "request_uri_not_supported"),
    ("AUT-27", {"client_id": SPA, "scope": "openid"}, "invalid_request"),
    ("AUT-28-plain", SPA_OK | {"code_challenge_method": "plain"}, "invalid_request"),
    ("AUT-28-none", SPA_OK | {"code_challenge_method": ""}, "invalid_request"),
    ("AUT-8-short", SPA_OK | {"code_challenge": "abc"}, "invalid_request"),
    ("AUT-29-unknown", {"scope": "openid everything"}, "invalid_scope"),
    ("AUT-29-not-allowed", {"scope": "openid sec"}, "invalid_scope"),
    ("AUT-31", {"prompt": "none login"}, "invalid_request"),
    ("AUT-9-unknown", {"prompt": "dance"}, "invalid_request"),
    ("AUT-10-text", {"max_age": "soon"}, "invalid_request"),
    ("AUT-10-negative", {"max_age": "-1"}, "invalid_request"),
    ("AUT-32", {"prompt": "none"}, "login_required"),
]


@pytest.mark.parametrize(("change", "error"), [pytest.param(*r[1:], id=r[0]) for r in RETURNED])
def test_refused_to_the_application(
    change: dict[str, str], error: str, shared_world: World
) -> None:
    response = shared_world.browser().authorize(**change)
    assert response.headers["location"].startswith(REDIRECT + "?")
    answer = answer_of(response)
    assert answer["error"] == error
    assert answer["state"] == "st-1"
    assert answer["iss"] == shared_world.issuer  # RFC 9207, AUT-49
    assert "code" not in answer


def test_repeated_parameter(shared_world: World) -> None:
    """[EP-4]"""
    answer = shared_world.http.get("/id/connect/authorize?client_id=a&client_id=b")
    assert answer.status_code == 400
    assert "more than once" in answer.text


def test_neither_flag(world: World) -> None:
    """[AUT-26]"""
    world.change_application(
        BACKOFFICE,
        impersonate_as_internal_user_allowed=False,
        impersonate_as_community_user_allowed=False,
    )
    assert answer_of(world.browser().authorize())["error"] == "unauthorized_client"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_code_by_query(method: str, shared_world: World) -> None:
    """[AUT-40, AUT-44, AUT-50]"""
    browser = shared_world.browser()
    state = "a/very long?state&with=éverything #1"
    page = browser.authorize(method, state=state)
    answer = answer_of(browser.submit(page, login="mira.k", password=PASSWORD))
    assert set(answer) == {"code", "state", "iss"}
    assert answer["state"] == state
    assert re.fullmatch(r"[0-9A-F]{64}", answer["code"])


def test_code_by_fragment(shared_world: World) -> None:
    """[AUT-7, AUT-42]"""
    response = shared_world.browser().sign_in(response_mode="fragment")
    assert response.headers["location"].startswith(REDIRECT + "#")
    assert "code" in answer_of(response)


def test_code_by_form_post(shared_world: World) -> None:
    """[AUT-43]"""
    page = shared_world.browser().sign_in(response_mode="form_post", state='"><script>')
    assert page.status_code == 200
    fields = dict(re.findall(r'name="([a-z]+)" value="([^"]*)"', page.text))
    assert set(fields) == {"code", "state", "iss"}
    assert fields["state"] == "&#34;&gt;&lt;script&gt;"
    policy = page.headers["content-security-policy"]
    assert "form-action http://127.0.0.1:9101;" in policy
    assert "unsafe-inline" not in policy
    script = re.search(r'<script src="([^"]+)"', page.text)
    assert script is not None
    assert httpx.get(script[1]).status_code == 200
    assert "Press the button if nothing happens by itself." in page.text  # without scripts


def test_existing_query_of_the_redirect_uri_is_kept(world: World) -> None:
    """[AUT-42]"""
    uri = "https://app.example/cb?tenant=7"
    world.change_application(BACKOFFICE, impersonate_login_url=uri)
    response = world.browser().sign_in(redirect_uri=uri)
    assert response.headers["location"].startswith(uri + "&code=")


def test_any_port_on_loopback_for_public_clients(shared_world: World) -> None:
    """[TAP-23]"""
    change = SPA_OK | {"redirect_uri": "http://127.0.0.1:54321/native"}
    response = shared_world.browser().sign_in(**change)
    assert response.headers["location"].startswith("http://127.0.0.1:54321/native?code=")


def test_single_sign_on(shared_world: World) -> None:
    """[AUT-47]"""
    browser = shared_world.browser()
    answer_of(browser.sign_in())
    assert "code" in answer_of(browser.authorize())
    assert "code" in answer_of(browser.authorize(prompt="none"))


def test_prompt_login(world: World) -> None:
    """[SES-50, SES-51] the page always; the same user keeps the sid, with a new auth_time."""
    browser = world.browser()
    first = world.redeem(answer_of(browser.sign_in())["code"]).json()
    world.clock.advance(100)
    again = browser.sign_in(prompt="login")
    second = world.redeem(answer_of(again)["code"]).json()
    before, after = payload_of(first["id_token"]), payload_of(second["id_token"])
    assert before["sid"] == after["sid"]
    assert after["auth_time"] == before["auth_time"] + 100


def test_prompt_login_by_another_user(world: World) -> None:
    """[SES-52, SES-53]"""
    browser = world.browser()
    scope = "openid offline_access"
    first = world.redeem(answer_of(browser.sign_in(scope=scope))["code"]).json()
    second = world.redeem(answer_of(browser.sign_in("ada", prompt="login"))["code"]).json()
    assert payload_of(first["id_token"])["sid"] != payload_of(second["id_token"])["sid"]
    assert world.refresh(first["refresh_token"]).status_code == 200
    third = world.redeem(answer_of(browser.authorize())["code"]).json()
    assert payload_of(third["id_token"])["sub"] == "ada"


def test_prompt_login_abandoned(world: World) -> None:
    """[SES-55]"""
    browser = world.browser()
    browser.sign_in()
    browser.authorize(prompt="login")
    assert "code" in answer_of(browser.authorize(prompt="none"))


def test_max_age(world: World) -> None:
    """[AUT-10, IDT-10]"""
    browser = world.browser()
    browser.sign_in()
    world.clock.advance(50)
    tokens = world.redeem(answer_of(browser.authorize(max_age="60"))["code"]).json()
    claims = payload_of(tokens["id_token"])
    assert claims["auth_time"] == claims["iat"] - 50
    world.clock.advance(50)
    assert answer_of(browser.authorize(max_age="60", prompt="none"))["error"] == "login_required"
    assert "code" in answer_of(browser.sign_in(max_age="60"))
    assert "code" in answer_of(browser.sign_in(max_age="0", prompt="login"))


def test_cancel(shared_world: World) -> None:
    """[AUT-33]"""
    browser = shared_world.browser()
    answer = answer_of(browser.submit(browser.authorize(), action="cancel"))
    assert answer["error"] == "access_denied"


def test_login_hint_prefills(shared_world: World) -> None:
    """[AUT-11]"""
    page = shared_world.browser().authorize(login_hint='mira"><b>')
    assert 'value="mira&#34;&gt;&lt;b&gt;"' in page.text


@pytest.mark.parametrize(
    ("login", "password"),
    [("nobody", PASSWORD), ("mira.k", "wrong"), ("svc.stock", PASSWORD), ("", "")],
)
def test_wrong_password_tells_nothing(login: str, password: str, shared_world: World) -> None:
    """[SGN-3]"""
    browser = shared_world.browser()
    page = browser.submit(browser.authorize(), login=login, password=password)
    assert page.status_code == 400
    assert "The login or the password is not right." in page.text
    again = browser.submit(page, login="mira.k", password=PASSWORD)
    assert "code" in answer_of(again)


def test_inactive_user_reads_the_same_sentence(world: World) -> None:
    """[SGN-3, USR-4]"""
    world.change_user("mira.k", active=False)
    page = world.browser().sign_in()
    assert "The login or the password is not right." in page.text
    assert world.events("user.sign_in_failed")[0].cause == "the user is inactive or locked"


def test_sign_in_by_email(shared_world: World) -> None:
    """[USR-2]"""
    assert "code" in answer_of(shared_world.browser().sign_in("MIRA.K@orion.example"))


def test_cookie_flags(shared_world: World) -> None:
    """[SGN-4]"""
    browser = shared_world.browser()
    page = browser.authorize()
    fields = dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', page.text))
    form = fields | {"login": "mira.k", "password": PASSWORD}
    form.pop("remember", None)
    answer = browser.http.post("/id/signin", data=form | {"action": "sign_in"})
    name = f"mintgate-{shared_world.instance.id.replace('-', '')[:8]}="
    cookies = [cookie.lower() for cookie in answer.headers.get_list("set-cookie")]
    (cookie,) = [cookie for cookie in cookies if cookie.startswith(name)]
    for flag in ("httponly", "samesite=lax", "path=/"):
        assert flag in cookie
    assert "secure" not in cookie
    assert "max-age" not in cookie
    assert answer.status_code == 303


def test_forms_from_elsewhere_are_refused(shared_world: World) -> None:
    """[SGN-5]"""
    browser = shared_world.browser()
    page = browser.authorize()
    answer = browser.submit(page, login="mira.k", password=PASSWORD, anti_forgery="forged")
    assert answer.status_code == 400
    stranger = shared_world.browser()
    assert stranger.submit(page, login="mira.k", password=PASSWORD).status_code == 400


def test_double_submit_and_back_button(shared_world: World) -> None:
    browser = shared_world.browser()
    page = browser.authorize()
    assert "code" in answer_of(browser.submit(page, login="mira.k", password=PASSWORD))
    again = browser.submit(page, login="mira.k", password=PASSWORD)
    assert again.status_code == 400
    assert "start again" in again.text


def test_expired_interaction(world: World) -> None:
    browser = world.browser()
    page = browser.authorize()
    world.clock.advance(3601)
    assert "has expired" in browser.submit(page, login="mira.k", password=PASSWORD).text


def test_session_expires(world: World) -> None:
    browser = world.browser()
    browser.sign_in()
    world.clock.advance(24 * 3600)
    assert "<h1>Sign in</h1>" in browser.authorize().text


def test_remembered_session_lives_longer(world: World) -> None:
    """[SGN-4]"""
    browser = world.browser()
    browser.submit(browser.authorize(), login="mira.k", password=PASSWORD, remember="on")
    world.clock.advance(29 * 24 * 3600)
    assert "code" in answer_of(browser.authorize())


def test_community_user_needs_openid(shared_world: World) -> None:
    """[AUT-35]"""
    response = shared_world.browser().sign_in("buyer@client.example", scope="read")
    assert answer_of(response)["error"] == "access_denied"


def test_type_gate(world: World) -> None:
    """[AUT-34, USR-20]"""
    world.change_application(BACKOFFICE, impersonate_as_internal_user_allowed=False)
    assert answer_of(world.browser().sign_in())["error"] == "access_denied"
    assert "code" in answer_of(world.browser().sign_in("buyer@client.example"))


@pytest.mark.parametrize(
    ("record", "admitted"),
    [
        pytest.param({"is_revoked": True}, False, id="TAP-30-revoked"),
        pytest.param({"valid_until_utc": 1_790_000_100}, False, id="TAP-30-ended"),
        pytest.param({"valid_from_utc": 1_790_000_101}, False, id="TAP-30-not-yet"),
        pytest.param({"valid_from_utc": 1, "valid_until_utc": 1_999_999_999}, True, id="TAP-30-in"),
    ],
)
def test_authorization_record(record: dict[str, Any], admitted: bool, world: World) -> None:
    """[AUT-36]"""
    world.block_user("mira.k", BACKOFFICE, **({"is_revoked": False} | record))
    answer = answer_of(world.browser().sign_in())
    assert ("code" in answer) is admitted
    assert admitted or answer["error"] == "access_denied"


def test_consent(world: World) -> None:
    """[EXT-2] asked once for a set of scopes, again for more, and with prompt=consent."""
    world.change_application(BACKOFFICE, require_consent=True)
    browser = world.browser()
    page = browser.sign_in()
    assert "<h1>Разрешавате ли на Back office?</h1>" in page.text
    assert "Да чете данни" in page.text
    denied = browser.submit(page, action="deny")
    assert answer_of(denied)["error"] == "access_denied"
    page = browser.authorize()
    assert "code" in answer_of(browser.submit(page, action="allow"))
    assert "code" in answer_of(browser.authorize())
    assert answer_of(browser.authorize(prompt="none", scope="openid update"))["error"] == (
        "consent_required"
    )
    assert "Разрешавате ли на Back office?" in browser.authorize(prompt="consent").text
    assert "Разрешавате ли на Back office?" in browser.authorize(scope="openid update").text


def test_pages_allow_the_way_back_to_the_application(world: World) -> None:
    """[SGN-9]"""
    page = world.browser().authorize()
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' http://127.0.0.1:9101;" in policy
    assert "script-src 'self';" in policy


def test_landing_and_assets(shared_world: World) -> None:
    """[TOP-29]"""
    page = shared_world.http.get("/")
    assert shared_world.issuer in page.text
    sheet = re.search(r'href="([^"]+/style\.[0-9a-f]+\.css)"', page.text)
    assert sheet is not None
    answer = httpx.get(sheet[1])
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]  # its name changes with its content


@pytest.mark.parametrize("scope", ["email", "email phone", " "])
def test_asking_for_nothing_that_can_be_granted(scope: str, shared_world: World) -> None:
    """[SCP-7, TOK-10] A token must allow something: refused before anybody signs in."""
    answer = answer_of(shared_world.browser().authorize(scope=scope))
    assert answer["error"] == "invalid_scope"


def test_errors_take_the_response_mode_that_was_asked_for(shared_world: World) -> None:
    """[AUT-24, AUT-49]"""
    page = shared_world.browser().authorize(response_type="x", response_mode="form_post")
    assert page.status_code == 200
    assert 'name="error" value="unsupported_response_type"' in page.text


def test_head_issues_nothing(world: World) -> None:
    """[EP-9] a link preview must not use up a sign-in."""
    browser = world.browser()
    browser.sign_in()
    issued = len(world.events("code.issued"))
    url = f"/id/connect/authorize?client_id={BACKOFFICE}&response_type=code&redirect_uri={REDIRECT}"
    assert browser.http.head(url).status_code == 405
    assert len(world.events("code.issued")) == issued


def test_a_page_left_open_is_no_licence(world: World) -> None:
    """[AUT-9, AUT-10] the sign-in that prompt=login asked for is fresh, or asked for again."""
    browser = world.browser()
    page = browser.authorize(prompt="login")
    form = dict(re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', page.text))
    done = browser.http.post("/id/signin", data=form | {"login": "mira.k", "password": PASSWORD})
    world.clock.advance(301)
    assert "<h1>Sign in</h1>" in browser.follow(done).text


def test_an_interaction_gives_one_code(world: World) -> None:
    """Resumed twenty times at once: one code."""
    browser = world.browser()
    page = browser.authorize()
    form = dict(re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', page.text))
    done = browser.http.post("/id/signin", data=form | {"login": "mira.k", "password": PASSWORD})
    url = done.headers["location"]
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: browser.http.get(url), range(20)))
    assert sum(answer.is_redirect for answer in answers) == 1
    assert len(world.events("code.issued")) == 1


def test_a_request_that_is_too_long(shared_world: World) -> None:
    """Strangers cannot fill the database with kept requests."""
    answer = shared_world.browser().authorize("POST", state="x" * 20_000)
    assert answer.status_code == 400
    assert "too long" in answer.text


def test_an_internal_failure_goes_back_to_the_application(world: World) -> None:
    """[AUT-37] The row of the application's consent is broken, as an operator's hand might do."""
    application = world.change_application(BACKOFFICE, require_consent=True)
    user = world.change_user("mira.k")
    with world.database.begin() as tx:
        tx.connection.execute(
            insert(consents).values(
                instance_id=world.instance.id,
                user_id=user.id,
                application_id=application.id,
                scopes=17,
                given_at=1.0,
            )
        )
    answer = answer_of(world.browser().sign_in())
    assert answer["error"] == "server_error"
    assert answer["state"] == "st-1"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("failure", "error"),
    [
        pytest.param(DatabaseUnavailable("away"), "temporarily_unavailable", id="away"),
        pytest.param(LookupError("broken"), "server_error", id="broken"),
    ],
)
def test_a_request_that_cannot_be_kept_goes_back(
    method: str, failure: Exception, error: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[AUT-37, AUT-49, AUT-50] a POST is stored before the session is looked at"""

    def fails(*_: Any) -> None:
        raise failure

    monkeypatch.setattr("mintgate.store.interactions.begin", fails)
    answer = answer_of(world.browser().authorize(method))
    assert set(answer) == {"error", "error_description", "state", "iss"}
    assert (answer["error"], answer["state"]) == (error, "st-1")
    assert "broken" not in answer["error_description"]
    monkeypatch.undo()
    assert "<h1>Sign in</h1>" in world.browser().authorize(method).text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_hint_that_cannot_be_judged_now(
    method: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[AUT-23, AUT-37] the address is judged all the same, before anything is sent to it"""

    async def away(*_: Any) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr("mintgate.identity.expected_user.read_hint", away)
    browser = world.browser()
    answer = answer_of(browser.authorize(method, id_token_hint="x.y.z"))
    assert (answer["error"], answer["state"]) == ("temporarily_unavailable", "st-1")
    page = browser.authorize(method, id_token_hint="x.y.z", redirect_uri=BAD_URI)
    assert (page.status_code, "invalid_redirect_uri" in page.text) == (400, True)
    wrong = answer_of(browser.authorize(method, id_token_hint="x.y.z", scope="everything"))
    assert wrong["error"] == "invalid_scope"


def test_a_community_user_agrees_to_what_is_shown(world: World) -> None:
    """[EXT-2, SCP-13]"""
    application = world.change_application(BACKOFFICE, require_consent=True)
    user = world.change_user("buyer@client.example")
    browser = world.browser()
    page = browser.sign_in("buyer@client.example", scope="openid read")
    assert "Read the data" not in page.text
    assert "code" in answer_of(browser.submit(page, action="allow"))
    remembered = world.database.read_now(
        lambda c: applications.consented_scopes(c, world.instance.id, user.id, application.id)
    )
    assert remembered == {"openid"}


def test_cancel_is_audited(world: World) -> None:
    browser = world.browser()
    browser.submit(browser.authorize(), action="cancel")
    assert "pressed cancel" in (world.events("authorization.refused")[0].cause or "")


def test_a_password_that_is_changed_while_it_is_checked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[USR-22] who signs in all the time with a stolen password is out with the change"""
    user = world.change_user("mira.k")
    prove = PasswordSignIn.prove

    async def then_changed(*arguments: Any) -> Proved | None:
        proved = await prove(*arguments)
        with world.database.begin() as tx:
            users.set_password(tx, world.instance.id, user.id, hash_password("another one"))
        return proved

    monkeypatch.setattr(PasswordSignIn, "prove", then_changed)
    browser = world.browser()
    page = browser.sign_in()
    assert page.status_code == 400
    assert WRONG_PASSWORD in page.text
    assert world.count_rows("identity_sessions") == 0
    assert world.events("user.sign_in_failed")[0].cause == "the password was changed"


def test_a_password_changed_during_the_sign_in(world: World) -> None:
    """[USR-22, EXT-1] the upgrade of an imported hash never undoes a change."""
    user = world.change_user("mira.k")
    with world.database.begin() as tx:
        users.set_password(tx, world.instance.id, user.id, "$argon2id$new")
        assert not users.upgrade_password_hash(tx, world.instance.id, user.id, "old", "x")
    stored = world.database.read_now(lambda c: users.password_hash(c, world.instance.id, user.id))
    assert stored == "$argon2id$new"


def test_a_password_change_ends_the_sign_ins(world: World) -> None:
    """[USR-22]"""
    browser = world.browser()
    browser.sign_in()
    user = world.change_user("mira.k")
    with world.database.begin() as tx:
        users.set_password(tx, world.instance.id, user.id, "$argon2id$new")
    assert answer_of(browser.authorize(prompt="none"))["error"] == "login_required"
