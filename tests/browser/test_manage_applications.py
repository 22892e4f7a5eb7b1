"""Trusted applications in Instance Manager, from the form to the token endpoint [IMG-3, IMG-4]."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenContext
from tests.browser.journeys import SCREENS, WAYS
from tests.browser.manager import Manager
from tests.site_visits import quick_passwords
from tests.world import SECRET, STOCK, World, sqlite_url

CUSTOMERS = "Crm_Sales_Customers?$top=1"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Each journey leaves it as it was, but for applications of its own."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(sqlite_url(tmp_path_factory.mktemp("world")), customers=True)
        world.password_hash = quick_passwords(patch)
        world.start()
        world.change_application(STOCK, reference_tokens="AdministratorsOnly")
        yield world
        world.stop()


def token_request(stage: World, uri: str, secret: str) -> httpx.Response:
    return stage.request_token((uri, secret), grant_type="client_credentials")


@pytest.mark.parametrize("way", WAYS)
def test_a_service_and_its_two_secrets(way: str, stage: World, open_context: OpenContext) -> None:
    """[EXT-10, TAP-32] From the form to its first token, and to another secret without a gap."""
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in()
    page, uri = manager.page, f"journeys.example/{way.replace(' ', '-')}"
    manager.go_to("Trusted apps", "Trusted applications")
    manager.click("New application")
    manager.click("A service without people")
    page.get_by_label("Name", exact=True).fill("Night sync")
    page.get_by_label("Application address").fill(uri)
    page.get_by_label("It may get tokens without a person").check()
    page.get_by_label("System user").fill("nobody.here")
    page.get_by_label("read", exact=True).check()
    manager.press("Create")
    expect(page.get_by_label("System user")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("System user").fill("svc.stock")
    manager.press("Create")
    manager.is_at("The application is created")
    first = manager.shown_once("client-secret")
    stage.sync()
    assert token_request(stage, uri, first).status_code == 200

    manager.click("I have copied it")
    manager.click("Secrets")
    expect(manager.row("the newest")).to_contain_text("live")
    manager.click("New secret")
    page.get_by_label("The secret of until now shall").select_option("86400")
    manager.press("Make the secret")
    manager.is_at("The new secret")
    second = manager.shown_once("client-secret")
    stage.sync()
    page.reload()  # the browser sends the form once more, and no third secret ends the first
    manager.is_at("This can't be done")
    assert [token_request(stage, uri, s).status_code for s in (first, second)] == [200, 200]

    page.go_back()
    page.goto(f"{page.url.removesuffix('/rotate')}")
    assert first not in page.content()
    assert second not in page.content()
    manager.do(
        "End now",
        within=manager.row("the one before"),
        says="End this secret?",
        told="The secret has ended.",
    )
    refused = token_request(stage, uri, first)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert token_request(stage, uri, second).status_code == 200


@pytest.mark.parametrize("way", SCREENS)
def test_the_kill_switch(way: str, stage: World, open_context: OpenContext) -> None:
    """[TAP-4] No new token and no old one, from the very next request; and back."""
    token = stage.service_token()
    assert stage.api(CUSTOMERS, token).status_code == 200
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in("/manage/apps")
    page = manager.page
    page.get_by_role("searchbox").fill("stock")
    page.get_by_role("searchbox").press("Enter")
    manager.click("Stock")
    manager.do("Disable", says=STOCK, told="The application is disabled.")
    refused = token_request(stage, STOCK, SECRET)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert stage.api(CUSTOMERS, token).status_code == 401
    expect(page.get_by_role("heading", level=1)).to_contain_text("disabled")
    manager.do("Enable", says=STOCK, told="The application is enabled.")
    assert token_request(stage, STOCK, SECRET).status_code == 200
    assert stage.api(CUSTOMERS, token).status_code == 200


@pytest.mark.parametrize("way", SCREENS)
def test_a_service_token(way: str, stage: World, open_context: OpenContext) -> None:
    """[IMG-3, IMG-4] Made for one application, shown once, listed, and ended."""
    (stock,) = [r["id"] for r in stage.rows("applications") if r["application_uri"] == STOCK]
    context = open_context(**WAYS[way])
    manager = Manager(stage, context.new_page()).sign_in(f"/manage/apps/{stock}/tokens")
    page, purpose = manager.page, f"Robot of the {way}"
    manager.click("New service token")
    page.get_by_label("What it is for").fill(purpose)
    page.get_by_label("read", exact=True).check()
    page.get_by_label("update", exact=True).uncheck()
    manager.press("Create")
    manager.is_at("The token is created")
    made = len(stage.rows("reference_tokens"))
    value = manager.shown_once("token-value")
    stage.sync()
    assert stage.api(CUSTOMERS, value).status_code == 200
    denied = stage.api("Crm_Sales_Customers", value, method="POST", json={"Number": "1"})
    assert (denied.status_code, denied.json()["error"]["type"]) == (403, "insufficient_scope")
    page.reload()  # the browser sends the form once more
    manager.is_at("This can't be done")
    assert len(stage.rows("reference_tokens")) == made
    page.goto(f"{stage.base}/manage/apps/{stock}/tokens")
    assert value not in page.content()
    row = manager.row(purpose)
    expect(row).to_contain_text("Stock service <svc.stock> [SYS]")
    manager.do("Revoke", within=row, says="token", told="The token was revoked.")
    assert stage.api(CUSTOMERS, value).status_code == 401
    expect(manager.row(purpose)).to_contain_text("revoked")


@pytest.mark.parametrize("way", SCREENS)
def test_install_and_uninstall_links(way: str, stage: World, open_context: OpenContext) -> None:
    """[INS-6, INS-7, INS-26, INS-28] Nothing is done before the page of the link is answered."""
    uri = f"linked.example/{way}"
    link = f"/manage/apps/install?applicationUri={uri}&applicationName=Linked&requestSecret=true"
    link += "&serviceAccess=referenceToken&scope=read"
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in(link)
    page = manager.page
    manager.is_at("Install Linked?")
    expect(page.get_by_text("yes, for a year")).to_be_visible()
    assert uri not in {r["application_uri"] for r in stage.rows("applications")}
    manager.press("Install")
    manager.is_at("The application is installed")
    secret, value = (manager.shown_once(f) for f in ("client-secret", "token-value"))
    stage.sync()
    assert re.fullmatch(r"[A-Za-z0-9]{24}", secret)
    assert stage.api(CUSTOMERS, value).status_code == 200

    page.goto(f"{stage.base}/manage/apps/uninstall?applicationUri={uri}")
    expect(page.get_by_role("main")).to_contain_text(uri)
    manager.click("Cancel")
    assert stage.api(CUSTOMERS, value).status_code == 200
    page.goto(f"{stage.base}/manage/apps/uninstall?applicationUri={uri}")
    manager.press("Uninstall")
    manager.told("The application is uninstalled.")
    assert stage.api(CUSTOMERS, value).status_code == 401
    refused = token_request(stage, uri, secret)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
