"""Users, their sign-ins and their consents in Instance Manager, and what it does to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenContext
from tests.browser.journeys import SCREENS, WAYS, fill_in
from tests.browser.manager import Manager
from tests.site_visits import quick_passwords
from tests.world import BACKOFFICE, PASSWORD, World, answer_of, sqlite_url

CUSTOMERS = "Crm_Sales_Customers?$top=1"
OTHER_PASSWORD = "another horse another battery"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Whose back office asks for consent."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(sqlite_url(tmp_path_factory.mktemp("world")), customers=True)
        world.password_hash = quick_passwords(patch)
        world.start()
        world.leaks.note("secret", OTHER_PASSWORD)
        world.change_user("mira.k", default_language="en")
        yield world
        world.stop()


def may_sign_in(stage: World, login: str, password: str = PASSWORD) -> bool:
    return stage.browser().sign_in(login, password).is_redirect


@pytest.mark.parametrize("way", WAYS)
def test_the_life_of_a_user(way: str, stage: World, open_context: OpenContext) -> None:
    """[USR-4, USR-11, USR-22, SGN-6] Made, locked out, let in again, given another password."""
    login = f"nina.{way.replace(' ', '-')}"
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in()
    page = manager.page
    manager.go_to("Users")
    manager.click("New user")
    page.get_by_label("Login").fill(login)
    page.get_by_label("Name", exact=True).fill("Nina")
    manager.press("Create")
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")
    assert page.get_by_label("Login").input_value() == login
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    manager.press("Create")
    manager.told("Created.")
    tokens = stage.user_tokens(login)
    assert stage.api(CUSTOMERS, tokens["access_token"]).status_code == 200

    manager.do("Lock out", says=login, told="The user is locked out.")
    manager.is_at("locked")
    assert not may_sign_in(stage, login)
    assert stage.api(CUSTOMERS, tokens["access_token"]).status_code == 401
    manager.do("Unlock", says=login, told="The lock is removed.")
    tokens = stage.user_tokens(login)

    manager.click("Set a password")
    page.get_by_label("New password").fill(OTHER_PASSWORD)
    manager.press("Set the password")
    manager.told("The password is set.")
    assert not may_sign_in(stage, login)
    assert may_sign_in(stage, login, OTHER_PASSWORD)
    assert stage.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("way", SCREENS)
def test_a_sign_in_is_ended(way: str, stage: World, open_context: OpenContext) -> None:
    """The person's browser is asked to sign in at its next page, and no other is."""
    person, other = (open_context().new_page() for _ in range(2))
    for page, login in ((person, "mira.k"), (other, "buyer@client.example")):
        page.goto(f"{stage.base}/profile")
        fill_in(page, login)
        page.wait_for_url("**/profile")
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in()
    manager.go_to("Sessions")
    manager.click("Signed-in browsers")
    expect(manager.row("this browser")).to_contain_text("ada")
    row = manager.row("mira.k")
    manager.do("End", within=row, says="mira.k", told="The sign-in has ended.")
    expect(row).to_have_count(0)
    person.reload()
    expect(person.get_by_role("heading", level=1)).to_have_text("Sign in")
    other.reload()
    expect(other.get_by_role("heading", level=1)).to_have_text("About me")
    row = manager.row("buyer@client.example")
    manager.do("End", within=row, says="buyer@client.example", told="The sign-in has ended.")


@pytest.mark.parametrize("way", SCREENS)
def test_a_consent_is_withdrawn(way: str, stage: World, open_context: OpenContext) -> None:
    """[SGN-10] No token any more, and the person is asked again."""
    stage.change_application(BACKOFFICE, require_consent=True)
    browser = stage.browser()
    asked = browser.sign_in("mira.k", scope="openid profile read offline_access")
    code = answer_of(browser.submit(asked, action="allow"))["code"]
    tokens = stage.redeem(code).json()
    assert "Allow Back office?" not in browser.authorize().text  # it is remembered
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in()
    manager.go_to("Consents")
    row = manager.row("mira.k")
    expect(row).to_contain_text(BACKOFFICE)
    manager.do("Withdraw", within=row, says="mira.k", told="The consent is withdrawn.")
    expect(manager.page.get_by_text("No consent is remembered")).to_be_visible()
    assert stage.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert "Allow Back office?" in browser.authorize().text
