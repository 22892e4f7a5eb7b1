"""Signing in, consent, accounts by mail and signing out, and what applications get afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.journeys import (
    SCREENS,
    WAYS,
    an_application,
    answer_of,
    authorize_url,
    fill_in,
    fits,
    is_at,
    redeemed,
)
from tests.browser.manager import Manager
from tests.mail_server import MailServer, link_in, serving_mail
from tests.site_visits import quick_passwords
from tests.wire.mail_world import post_to
from tests.world import BACKOFFICE, PASSWORD, World, sqlite_url

CUSTOMERS = "Crm_Sales_Customers?$top=1"
NEW = "several words nobody guesses"
FULL = "openid profile read update offline_access"
PORTAL = "shop.example.org/portal"
PORTAL_TOML = """
[[applications]]
ApplicationUri = "shop.example.org/portal"
Name = "Portal"
ApplicationSecret = "s3cret-of-the-tests"
ImpersonateLoginUrl = "{callback}"
ImpersonateLogoutUrl = "{callback}"
ImpersonateAsInternalUserAllowed = true
ImpersonateAsCommunityUserAllowed = true
Scope = "read update"
"""


@pytest.fixture(scope="module")
def callback() -> Iterator[str]:
    with an_application() as redirect_uri:
        yield redirect_uri


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with serving_mail() as server:
        yield server


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, callback: str, mail: MailServer
) -> Iterator[World]:
    """With a back office that asks for consent, a portal that does not, and mail."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = quick_passwords(patch)
        people = "".join(
            f'\n[[users]]\nLogin = "{login_of(way)}"\nName = "Vera"\nUserType = "InternalUser"\n'
            f'Email = "{login_of(way)}@orion.example"\nPasswordHash = "{cheap}"\n'
            for way in WAYS
        )
        url = sqlite_url(tmp_path_factory.mktemp("world"))
        more = people + PORTAL_TOML.format(callback=callback)
        world = World(url, customers=True, post=post_to(mail), more=more)
        world.password_hash = cheap
        world.start()
        world.leaks.note("secret", NEW)
        world.change_application(BACKOFFICE, require_consent=True, impersonate_login_url=callback)
        yield world
        world.stop()


def login_of(way: str) -> str:
    return f"vera.{way.replace(' ', '-')}"


def claims(stage: World, tokens: dict[str, Any]) -> dict[str, Any]:
    """Of the person, as the issuer tells them."""
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    answer = stage.http.get("/id/connect/userinfo", headers=bearer)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def said_at_once(
    stage: World, page: Page, callback: str, client_id: str = BACKOFFICE
) -> dict[str, str]:
    """The answer to an application that asks whether somebody is signed in."""
    page.goto(authorize_url(stage, callback, client_id=client_id, prompt="none"))
    return answer_of(page, callback)


@pytest.mark.parametrize("way", WAYS)
def test_consent_and_what_is_remembered(
    way: str, stage: World, callback: str, open_context: OpenContext
) -> None:
    """[SGN-10] Asked once, once more for more, and again after it was taken back."""
    page = open_context(**WAYS[way]).new_page()
    page.goto(authorize_url(stage, callback, scope="openid profile read offline_access"))
    fill_in(page, login_of(way))
    is_at(page, "Allow Back office?")
    expect(page.locator(".scopes")).to_contain_text("Read data in your name")
    assert "Create, change" not in page.inner_text(".scopes")
    page.get_by_role("button", name="Do not allow").click()
    assert answer_of(page, callback)["error"] == "access_denied"
    page.goto(authorize_url(stage, callback, scope="openid profile read offline_access"))
    page.get_by_role("button", name="Allow", exact=True).click()
    tokens = redeemed(stage, page, callback)
    assert stage.api(CUSTOMERS, tokens["access_token"]).status_code == 200
    page.goto(authorize_url(stage, callback, scope="openid profile read offline_access"))
    redeemed(stage, page, callback)  # nothing was asked
    page.goto(authorize_url(stage, callback, scope=FULL))
    is_at(page, "Allow Back office?")

    page.goto(f"{stage.base}/profile/applications")
    row = page.get_by_role("row").filter(has_text="Back office")
    row.get_by_role("link", name="Take back").click()
    page.locator("form.confirm button[type=submit]").click()
    expect(page.get_by_text("You were asked by no application yet")).to_be_visible()
    assert fits(page)
    assert stage.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert said_at_once(stage, page, callback)["error"] == "consent_required"


@pytest.mark.parametrize("way", SCREENS)
def test_the_account_chooser(
    way: str, stage: World, callback: str, open_context: OpenContext
) -> None:
    """Who is signed in goes on by one button, and whoever else by a sign-in of the own."""
    page = open_context(**WAYS[way]).new_page()
    page.goto(authorize_url(stage, callback, client_id=PORTAL))
    fill_in(page, "mira.k")
    first = claims(stage, redeemed(stage, page, callback, PORTAL))
    choosing = authorize_url(stage, callback, client_id=PORTAL, prompt="select_account")
    page.goto(choosing)
    is_at(page, "Изберете профил")  # in the person's own language
    page.locator("button.account").click()
    assert claims(stage, redeemed(stage, page, callback, PORTAL)) == first
    page.goto(choosing)
    page.locator("button[value=other]").click()
    fill_in(page, "buyer@client.example")
    second = claims(stage, redeemed(stage, page, callback, PORTAL))
    assert (first["sub"], second["sub"]) == ("mira.k", "buyer@client.example")
    page.goto(choosing)
    page.locator("button[value=cancel]").click()
    assert answer_of(page, callback)["error"] == "access_denied"


@pytest.mark.parametrize("way", SCREENS)
def test_signing_out(way: str, stage: World, callback: str, open_context: OpenContext) -> None:
    """[END-2, END-4] Asked first, unless the application proves that it knows the person."""
    page = open_context(**WAYS[way]).new_page()
    page.goto(authorize_url(stage, callback, client_id=PORTAL))
    fill_in(page, "ada")
    redeemed(stage, page, callback, PORTAL)
    page.goto(f"{stage.issuer}/connect/endsession")
    is_at(page, "Sign out?")
    page.get_by_role("link", name="Stay signed in").click()
    is_at(page, "Sites")
    assert "code" in said_at_once(stage, page, callback, PORTAL)
    page.goto(f"{stage.issuer}/connect/endsession")
    page.get_by_role("button", name="Sign out", exact=True).click()
    is_at(page, "You are signed out")
    assert said_at_once(stage, page, callback, PORTAL)["error"] == "login_required"

    page.goto(authorize_url(stage, callback, client_id=PORTAL))
    fill_in(page, "ada")
    hint = redeemed(stage, page, callback, PORTAL)["id_token"]
    asked = {"id_token_hint": hint, "post_logout_redirect_uri": callback}
    page.goto(f"{stage.issuer}/connect/endsession?{urlencode(asked)}")
    page.wait_for_url(callback)
    assert said_at_once(stage, page, callback, PORTAL)["error"] == "login_required"


@pytest.mark.parametrize("way", WAYS)
def test_registration_and_its_confirmation(
    way: str, stage: World, callback: str, mail: MailServer, open_context: OpenContext
) -> None:
    """[USR-3, SGN-7] From the application's sign-in to an account whose address is confirmed."""
    jane = f"jane.{way.replace(' ', '-')}@client.example"
    context = open_context(**WAYS[way])
    page = context.new_page()
    page.goto(authorize_url(stage, callback, scope="openid profile"))
    page.get_by_role("link", name="Create an account").click()
    is_at(page, "Create an account")
    page.get_by_label("Email").fill(jane)
    page.get_by_label("Full name").fill("Jane Doe")
    page.get_by_label("Password", exact=True).fill(jane)
    page.get_by_role("button", name="Create the account").click()
    expect(page.get_by_role("alert")).to_contain_text("must not be your login")
    assert page.get_by_label("Full name").input_value() == "Jane Doe"
    page.get_by_label("Password", exact=True).fill(NEW)
    page.get_by_role("button", name="Create the account").click()
    is_at(page, "Look into your mailbox")
    page.get_by_role("link", name="Back to signing in").click()
    fill_in(page, jane, NEW)
    page.get_by_role("button", name="Allow", exact=True).click()
    assert claims(stage, redeemed(stage, page, callback))["email_verified"] is False

    letter = context.new_page()
    letter.goto(link_in(mail.to(jane)))
    expect(letter.get_by_role("main")).to_contain_text(jane)
    letter.get_by_role("button", name="Confirm the address").click()
    is_at(letter, "Your address is confirmed")
    assert "link=" not in letter.url
    stage.sync()
    page.goto(authorize_url(stage, callback, scope="openid profile"))
    told = claims(stage, redeemed(stage, page, callback))
    assert (told["email"], told["email_verified"]) == (jane, True)


@pytest.mark.parametrize("way", SCREENS)
def test_an_invitation(
    way: str, stage: World, callback: str, mail: MailServer, open_context: OpenContext
) -> None:
    """[IMG-6] By the administrator's page and a letter, to a person who signs in."""
    invited = f"paul.{way}@orion.example"
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in()
    manager.go_to("Invite user", "Invite a user")
    manager.page.get_by_label("Email").fill(invited)
    manager.press("Invite")
    manager.is_at("Invited")
    link = link_in(mail.to(invited))
    assert link not in manager.page.content()

    page = open_context(**WAYS[way]).new_page()
    page.goto(link)
    is_at(page, "Welcome to orion")
    page.get_by_label("Full name").fill("Paul Doe")
    page.get_by_label("Password", exact=True).fill(NEW)
    page.get_by_role("button", name="Accept the invitation").click()
    is_at(page, "Welcome")
    stage.sync()
    page.goto(authorize_url(stage, callback))
    fill_in(page, invited, NEW)
    page.get_by_role("button", name="Allow", exact=True).click()
    tokens = redeemed(stage, page, callback)
    told = claims(stage, tokens)
    assert (told["name"], told["email_verified"]) == ("Paul Doe", True)
    assert stage.api(CUSTOMERS, tokens["access_token"]).status_code == 200
    page.goto(link)
    is_at(page, "This invitation works no more")


@pytest.mark.parametrize("way", SCREENS)
def test_another_address_is_confirmed(
    way: str, stage: World, mail: MailServer, open_context: OpenContext
) -> None:
    """[USR-3] Changed by an administrator, and not confirmed before its owner says so."""
    login, moved = login_of(way), f"vera@{way}.example"
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in("/manage/users")
    manager.click(login)
    manager.click("Change")
    manager.page.get_by_label("Email").fill(moved)
    manager.press("Save")
    manager.told("Saved.")
    expect(manager.page.locator("dl.facts")).to_contain_text(moved)
    assert f"{moved} ✓" not in manager.page.content()
    page = open_context(**WAYS[way]).new_page()
    page.goto(link_in(mail.to(moved)))
    page.get_by_role("button", name="Confirm the address").click()
    is_at(page, "Your address is confirmed")
    manager.page.reload()
    expect(manager.page.locator("dl.facts")).to_contain_text(f"{moved} ✓")


@pytest.mark.parametrize("way", SCREENS)
def test_a_request_that_is_wrong(
    way: str, stage: World, callback: str, open_context: OpenContext
) -> None:
    """[AUT-10] The browser stays here, and the log has the id that the page tells."""
    page = open_context(**WAYS[way]).new_page()
    page.goto(authorize_url(stage, f"{callback}/elsewhere"))
    is_at(page, "This request can't be answered")
    told = page.locator("dl.facts code").inner_text()
    refusals: list[Any] = stage.events("authorization.refused")
    (event,) = [e for e in refusals if (e.details or {}).get("request_id") == told]
    assert event.application == BACKOFFICE
    page.goto(authorize_url(stage, callback))
    fill_in(page, "ada", PASSWORD)
    page.get_by_role("button", name="Do not allow").click()
    assert answer_of(page, callback)["error"] == "access_denied"
