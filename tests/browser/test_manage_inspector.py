"""Settings and the token inspector in Instance Manager, against what the endpoints do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenContext
from tests.browser.journeys import WAYS, fits
from tests.browser.manager import Manager
from tests.site_visits import quick_passwords
from tests.world import SECRET, STOCK, World, sqlite_url


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        world = World(sqlite_url(tmp_path_factory.mktemp("world")), customers=True)
        world.password_hash = quick_passwords(patch)
        world.start()
        yield world
        world.stop()


@pytest.mark.parametrize("way", WAYS)
def test_a_setting_and_a_token_looked_into(
    way: str, stage: World, open_context: OpenContext
) -> None:
    """The next token lives as long as was said; the inspector tells what the API would answer."""
    manager = Manager(stage, open_context(**WAYS[way]).new_page()).sign_in()
    page = manager.page
    manager.go_to("Settings")
    wanted = 1800 + 60 * list(WAYS).index(way)
    page.get_by_label("Access tokens live, seconds").fill(str(wanted))
    manager.press("Save")
    manager.told("Saved.")
    answer = stage.request_token((STOCK, SECRET), grant_type="client_credentials").json()
    assert answer["expires_in"] == wanted

    for scope, method, says in (
        ("read", "GET", "The request would be allowed"),
        ("read", "POST", "The request would be refused"),
    ):
        token = stage.service_token(scope)
        manager.go_to("Token inspector")
        page.locator("#token").fill(token)
        page.get_by_label("Method").select_option(method)
        manager.press("Inspect")
        expect(page.get_by_text(says)).to_be_visible()
        assert token not in page.content()
        assert fits(page)
        done = stage.api("Crm_Sales_Customers", token, method=method, json={"Number": "1"})
        assert (done.status_code < 400) is ("allowed" in says)
