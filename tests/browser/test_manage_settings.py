"""Settings in a real browser: how the instance looks, and who has a second factor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.accessibility import require_accessible
from tests.browser.conftest import OpenContext
from tests.browser.journeys import PHONE, fill_in
from tests.wire.second_factor_world import give_passkey, user_id_of
from tests.world import World


@pytest.fixture
def world(a_world: Callable[..., World]) -> World:
    return a_world(host="localhost")


def signed_in(world: World, page: Page, path: str) -> Page:
    page.goto(world.base + path)
    fill_in(page)
    page.wait_for_url(world.base + path)
    return page


def test_another_look(world: World, page: Page, tmp_path: Path) -> None:
    """A wrong colour loses neither the name nor the picture; then every page has all three."""
    file = tmp_path / "logo.png"
    Image.new("RGB", (600, 400), "#c2410c").save(file)
    signed_in(world, page, "/manage/settings/appearance")
    page.get_by_label("Name that people see").fill("Orion Trade")
    page.get_by_label("Logo", exact=False).set_input_files(file)
    colour = page.get_by_label("Colour of buttons and links")
    colour.fill("orange")
    form = page.locator("main form")
    form.evaluate("form => { form.noValidate = true }")  # as a browser without the check
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Write a colour such as #0b6b4f")).to_be_visible()
    expect(page.get_by_role("img", name="The logo")).to_be_visible()
    require_accessible(page)
    assert page.get_by_label("Name that people see").input_value() == "Orion Trade"
    colour.fill("1D4ED8")  # dark enough to be kept in the light theme
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.locator(".brand-name").first).to_contain_text("Orion Trade")
    shown = page.locator(".brand img").first
    assert shown.evaluate("image => image.naturalWidth") == 144
    accent = "getComputedStyle(document.documentElement).getPropertyValue('--accent')"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(accent).strip() == "#1d4ed8"
    page.get_by_role("link", name="Remove the logo").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Remove the logo?")
    dialog.get_by_role("button", name="Remove the logo").click()
    expect(page.get_by_text("The logo is removed.")).to_be_visible()
    assert page.locator(".brand img").count() == 0


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_rule_is_changed(world: World, open_context: OpenContext, scripts: bool) -> None:
    """On a phone: the page says what will happen, and nothing does before the yes."""
    page = open_context(**PHONE, java_script_enabled=scripts).new_page()
    signed_in(world, page, "/manage/settings/second-factors")
    internal = page.get_by_role("group", name="Internal users")
    expect(internal.get_by_label("Allowed")).to_be_checked()
    internal.get_by_label("Required").check()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("nobody is locked out by that")).to_be_visible()
    expect(page.get_by_text("You have none yourself")).to_be_visible()
    if scripts:
        require_accessible(page)
        wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert page.evaluate(wide)
    page.get_by_role("link", name="Cancel").click()
    expect(internal.get_by_label("Allowed")).to_be_checked()
    internal.get_by_label("Required").check()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Change the rules").click()
    expect(page.get_by_text("The rules are saved.")).to_be_visible()
    expect(internal.get_by_label("Required")).to_be_checked()
    assert world.rows("instances")[0]["second_factor_internal"] == "required"


def test_second_factors_of_a_user_are_reset(world: World, page: Page) -> None:
    """[USR-8] asked in a dialog over the page of the user"""
    give_passkey(world)
    path = f"/manage/users/{user_id_of(world)}"
    signed_in(world, page, path)
    require_accessible(page)
    page.get_by_role("link", name="Reset second factors").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("make sure who asks")
    require_accessible(page)
    dialog.get_by_role("button", name="Remove them").click()
    expect(page.get_by_text("The second factors of the user are removed.")).to_be_visible()
    assert page.get_by_role("link", name="Reset second factors").count() == 0
