"""What concerns the whole instance in Instance Manager: figures, licences, keys and the log."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mintgate.contract.key_life import KNOWN_EVERYWHERE
from tests.browser.conftest import OpenContext
from tests.browser.journeys import SCREENS, WAYS, authorize_url, fits
from tests.browser.manager import Manager
from tests.site_visits import quick_passwords
from tests.world import STOCK, World, sqlite_url

CUSTOMERS = "Crm_Sales_Customers?$top=1"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        world = World(sqlite_url(tmp_path_factory.mktemp("world")), customers=True)
        world.password_hash = quick_passwords(patch)
        world.start()
        yield world
        world.stop()


def of_services(page: Page) -> int:
    """The sum of a chart's column, as its table tells it."""
    chart = page.locator("figure").filter(has_text="Tokens issued, by kind")
    chart.locator("summary").click()
    heads = chart.locator("thead th").all_inner_texts()
    column = heads.index("Services") - 1
    rows = chart.locator("tbody tr").all()
    return sum(int(row.locator("td").nth(column).inner_text()) for row in rows)


@pytest.mark.parametrize("way", SCREENS)
def test_the_figures_are_true(way: str, stage: World, open_context: OpenContext) -> None:
    """Of known traffic, at once: tiles, the chart's table, and the causes."""
    stage.service_token()
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in()
    page = manager.page
    before = [manager.tile(name) for name in ("Tokens issued", "Requests refused")]
    services = of_services(page)
    for _ in range(3):
        token = stage.service_token()
    for _ in range(2):
        refused = stage.request_token((STOCK, "wrong"), grant_type="client_credentials")
        assert refused.status_code == 401
    assert stage.api(CUSTOMERS, token).status_code == 200
    manager.go_to("Home")
    after = [manager.tile(name) for name in ("Tokens issued", "Requests refused")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [3, 2]
    assert of_services(page) == services + 3
    expect(page.get_by_text("Wrong credentials of an application").first).to_be_visible()
    assert manager.tile("Open sessions") == 1
    manager.click("Licences in use")
    assert manager.tile("In use") == 1
    assert fits(page)
    manager.go_to("Sessions")
    manager.do("Close", says="svc.stock", told="The session is closed")


@pytest.mark.parametrize("way", WAYS)
def test_licences_and_a_reserved_seat(way: str, stage: World, open_context: OpenContext) -> None:
    """[SES-30..36, OPQ-32] Whoever has a seat reserved gets in where others are refused."""
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in()
    page = manager.page
    manager.go_to("Licences")
    page.get_by_label("Login").fill("nobody.here")
    manager.press("Reserve")
    expect(page.get_by_label("Login")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Login").fill("MIRA.K")
    manager.press("Reserve")
    manager.told("The licence is reserved.")
    page.get_by_label("Total").fill("1")
    manager.press("Save")
    manager.told("The number of licences is saved.")
    assert manager.tile("Free for everybody") == 0

    service, person = stage.service_token(), stage.user_tokens()["access_token"]
    refused = stage.api(CUSTOMERS, service)
    assert refused.status_code == 503
    assert refused.json()["error"]["type"] == "MaximumLicenseCountExceeded"
    assert stage.api(CUSTOMERS, person).status_code == 200
    manager.go_to("Sessions")
    row = manager.row("mira.k")
    expect(row).to_contain_text("reserved")
    manager.do("Close", within=row, says="mira.k", told="The session is closed")
    expect(page.get_by_text("No session is open")).to_be_visible()
    assert stage.api(CUSTOMERS, service).status_code == 503  # the seat is free, and still reserved

    manager.go_to("Licences")
    manager.press("Remove", within=manager.row("mira.k"))
    manager.told("The reservation is removed.")
    assert stage.api(CUSTOMERS, service).status_code == 200
    manager.go_to("Sessions")
    row = manager.row("svc.stock")
    manager.do("Close", within=row, says="svc.stock", told="The session is closed")
    manager.go_to("Licences")
    page.get_by_label("Total").fill("1000")
    manager.press("Save")
    manager.told("The number of licences is saved.")


def kid_of(token: str) -> str:
    head = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


def published(stage: World) -> set[str]:
    answer = stage.http.get("/id/.well-known/openid-configuration/jwks")
    return {key["kid"] for key in answer.json()["keys"]}


@pytest.mark.parametrize("way", SCREENS)
def test_signing_keys(way: str, stage: World, open_context: OpenContext) -> None:
    """[EXT-14, DSC-14] A new one for tomorrow, one for now, and one that was stolen."""
    old = stage.service_token()
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in()
    manager.go_to("Signing keys")
    before = published(stage)
    manager.do("New key", says="signs from tomorrow on", told="A new key is published.")
    (following,) = published(stage) - before
    expect(manager.row(following)).to_contain_text("next")
    assert kid_of(stage.service_token()) == kid_of(old)

    manager.do("Use a new key at once", says="urgent", told="A new key is published.")
    stage.clock.advance(KNOWN_EVERYWHERE)
    new = stage.service_token()
    assert kid_of(new) not in before | {following}
    assert [stage.api(CUSTOMERS, token).status_code for token in (old, new)] == [200, 200]

    manager.go_to("Signing keys")
    row = manager.row(kid_of(new))
    expect(row).to_contain_text("active")
    manager.do("It was stolen", within=row, says=kid_of(new), told="The key has ended.")
    expect(row).to_contain_text("ended")
    assert kid_of(new) not in published(stage)
    assert stage.api(CUSTOMERS, new).status_code == 401
    another = stage.service_token()
    assert kid_of(another) != kid_of(new)
    assert [stage.api(CUSTOMERS, token).status_code for token in (old, another)] == [200, 200]


@pytest.mark.parametrize("way", SCREENS)
def test_the_log_filtered_and_taken_away(way: str, stage: World, open_context: OpenContext) -> None:
    """By event and application, as files of just that, and by the id that a page told a person."""
    stage.service_token()
    stage.request_token((STOCK, "wrong"), grant_type="client_credentials")
    stage.request_token(("nobody.example", "wrong"), grant_type="client_credentials")
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in()
    page = manager.page
    manager.go_to("Audit log")
    widths = page.locator(".filters .field").evaluate_all("all => all.map(f => f.offsetWidth)")
    assert way == "phone" or len(set(widths)) == 1, widths  # in columns
    page.get_by_label("Event").fill("token.refused")
    page.get_by_label("client_id").fill(STOCK)
    manager.press("Filter")
    expect(page.get_by_role("link", name="Show everything")).to_be_visible()
    rows = page.get_by_role("table", name="Events").locator("tbody tr").all_inner_texts()
    assert rows
    assert all("token.refused" in row and STOCK in row for row in rows)
    assert fits(page)

    lines = [json.loads(line) for line in taken(page, "As JSON lines").splitlines() if line]
    assert len(lines) == len(rows)
    assert {(line["event"], line["application"]) for line in lines} == {("token.refused", STOCK)}
    assert len(list(csv.DictReader(taken(page, "As CSV").splitlines()))) == len(rows)
    exported: Any = stage.events("audit.exported")[0]
    assert exported.actor == "ada"

    person = open_context(**WAYS[way]).new_page()
    person.goto(authorize_url(stage, "https://elsewhere.example/callback"))
    expect(person.get_by_role("heading", level=1)).to_have_text("This request can't be answered")
    told = person.locator("dl.facts code").inner_text()
    manager.click("Show everything")
    page.get_by_label("Request id").fill(told)
    manager.press("Filter")
    expect(page.get_by_role("table", name="Events").locator("tbody tr")).to_have_count(1)
    page.get_by_role("table", name="Events").locator("summary").click()
    expect(page.get_by_role("table", name="Events")).to_contain_text(told)
    assert fits(page)


def taken(page: Page, button: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.path().read_text()
