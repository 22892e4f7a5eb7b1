"""Passkeys in a real browser, with Chromium's virtual authenticator [WebAuthn Level 3 §11]."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.sync_api import Page

from mintgate.store import passkeys
from tests.browser.conftest import OpenContext
from tests.browser.journeys import SCREENS
from tests.wire.second_factor_world import REQUIRED, factors_of, options, user_id_of
from tests.world import BACKOFFICE, PASSWORD, World, payload_of


class Callback(BaseHTTPRequestHandler):
    """Where the application waits for its answer."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<link rel=icon href=data:,><p>back at the application")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def callback() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Callback)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/callback"
    server.shutdown()


@pytest.fixture
def world(a_world: Callable[..., World], callback: str) -> World:
    world = a_world(instance_settings=REQUIRED, host="localhost")
    world.change_application(BACKOFFICE, impersonate_login_url=callback)
    world.callback = callback  # type: ignore[attr-defined]
    return world


class Phone:
    """Chromium's virtual authenticator: it finds the fingerprint right, at once."""

    def __init__(self, page: Page, **options: Any) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")
        kind = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        } | options
        added = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": kind})
        self._id = {"authenticatorId": added["authenticatorId"]}

    def credentials(self) -> list[dict[str, Any]]:
        found = self._session.send("WebAuthn.getCredentials", self._id)
        return list(found["credentials"])

    def set_count(self, count: int) -> None:
        (credential,) = self.credentials()
        self._session.send("WebAuthn.clearCredentials", self._id)
        self._session.send(
            "WebAuthn.addCredential",
            {**self._id, "credential": {**credential, "signCount": count}},
        )


def authorize_url(world: World, base: str | None = None) -> str:
    query = {
        "client_id": BACKOFFICE,
        "redirect_uri": world.callback,  # type: ignore[attr-defined]
        "response_type": "code",
        "scope": "openid profile read",
        "state": "s",
    }
    return f"{base or world.base}/id/connect/authorize?{urlencode(query)}"


def watched(page: Page) -> list[str]:
    """Errors of scripts and violations of the policy."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    return problems


def claims_after(world: World, page: Page) -> dict[str, Any]:
    callback = world.callback  # type: ignore[attr-defined]
    page.wait_for_url(f"{callback}?*")
    code = dict(parse_qsl(urlsplit(page.url).query))["code"]
    return payload_of(world.redeem(code, redirect_uri=callback).json()["id_token"])


def type_password(page: Page, login: str = "mira.k") -> None:
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.click("button[value=sign_in]")


def enrol(world: World, page: Page) -> dict[str, Any]:
    """With a password, and a passkey that is made on the way."""
    page.goto(authorize_url(world))
    type_password(page)
    page.wait_for_selector("ol.steps")
    page.click("button[data-passkey-use]")
    page.wait_for_selector("#codes")
    page.click("button[value=continue]")
    return claims_after(world, page)


def without_offers(page: Page) -> None:
    """A browser that asks for a passkey when its button is pressed, and not before.

    Else the phone, which answers at once, would take each offer before the button is pressed.
    """
    page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")


def sign_out(page: Page) -> None:
    page.context.clear_cookies()


@pytest.mark.parametrize("screen", SCREENS)
def test_make_one_and_sign_in_without_a_login(
    screen: str, world: World, open_context: OpenContext
) -> None:
    page = open_context(**SCREENS[screen]).new_page()
    problems, phone = watched(page), Phone(page)
    without_offers(page)
    assert enrol(world, page)["amr"][0] == "pwd"
    (made,) = phone.credentials()
    assert (made["rpId"], made["isResidentCredential"]) == ("localhost", True)
    sign_out(page)
    page.goto(authorize_url(world))
    page.click("button[data-passkey-use]")
    assert "mfa" in claims_after(world, page)["amr"]
    assert "pwd" not in world.events("user.signed_in")[0].details["amr"]  # type: ignore[index]
    assert not problems


def test_the_browser_offers_it_in_the_field_for_the_login(world: World, page: Page) -> None:
    """Conditional mediation: chosen where passwords are chosen, with no button."""
    problems, _phone = watched(page), Phone(page)
    enrol(world, page)
    sign_out(page)
    page.goto(authorize_url(world))
    assert "pwd" not in claims_after(world, page)["amr"]
    assert not problems


def test_as_the_second_step(world: World, page: Page) -> None:
    problems, _phone = watched(page), Phone(page)
    without_offers(page)
    enrol(world, page)
    sign_out(page)
    page.goto(authorize_url(world))
    type_password(page)
    page.wait_for_selector("text=Втора стъпка")
    page.click("button[data-passkey-use]")
    assert claims_after(world, page)["amr"][0] == "pwd"
    assert not problems


def test_a_passkey_that_was_removed(world: World, page: Page) -> None:
    watched(page)
    Phone(page)
    without_offers(page)
    enrol(world, page)
    of_user = user_id_of(world)
    with world.database.begin() as tx:
        (known,) = passkeys.of_user(tx.connection, world.instance.id, of_user)
        passkeys.remove(tx, world.instance.id, of_user, known.id)
    world.sync()
    sign_out(page)
    page.goto(authorize_url(world))
    page.click("button[data-passkey-use]")
    page.wait_for_selector(".notice.problem")
    assert "This passkey could not be used here" in page.inner_text(".notice.problem")


def test_a_copy_that_counts_from_the_beginning(world: World, page: Page) -> None:
    watched(page)
    phone = Phone(page)
    without_offers(page)
    enrol(world, page)
    for count in (40, 3):
        phone.set_count(count)
        sign_out(page)
        page.goto(authorize_url(world))
        page.click("button[data-passkey-use]")
        if count == 40:
            claims_after(world, page)
    page.wait_for_selector(".notice.problem")
    assert len(world.events("user.passkey_count_went_back")) == 1


USE = """async (options) => {
  const bytes = (text) => Uint8Array.from(
    atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: [] };
  return JSON.stringify((await navigator.credentials.get({ publicKey })).toJSON());
}"""


def test_from_another_origin(world: World, page: Page) -> None:
    """A page at another port may ask for passkeys of this host, and gets nowhere with them."""
    watched(page)
    Phone(page)
    enrol(world, page)
    browser = world.browser()
    form = browser.authorize(redirect_uri=world.callback)  # type: ignore[attr-defined]
    asked = options(browser, form, "sign_in").json()
    elsewhere = world.callback.replace("127.0.0.1", "localhost")  # type: ignore[attr-defined]
    page.goto(elsewhere)
    credential = page.evaluate(USE, asked)
    assert browser.submit(form, credential=credential).status_code == 400
    cause = world.events("user.passkey_refused")[0].cause
    assert "Unexpected client data origin" in str(cause)


def test_a_device_that_does_not_know_its_user(world: World, page: Page) -> None:
    """Without a fingerprint or PIN it would be one factor; nothing is registered."""
    watched(page)
    Phone(page, hasUserVerification=False, isUserVerified=False)
    page.goto(authorize_url(world))
    type_password(page)
    page.wait_for_selector("ol.steps")
    page.click("button[data-passkey-use]")
    page.wait_for_selector("[data-passkey-problem]:visible")
    assert not factors_of(world).has_any
