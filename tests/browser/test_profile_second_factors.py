"""Second factors in Profile, as a person sets them up, uses and removes them [PRF-1, USR-8]."""

from __future__ import annotations

from collections.abc import Callable

import pyotp
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import OpenContext
from tests.browser.journeys import SCREENS
from tests.browser.test_passkeys import Phone
from tests.wire.second_factor_world import factors_of
from tests.world import PASSWORD, World

ROOT = "/profile/security/second-factors"


@pytest.fixture
def world(a_world: Callable[..., World]) -> World:
    return a_world(host="localhost")


def sign_in(world: World, page: Page, login: str = "ada") -> list[str]:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    page.goto(world.base + ROOT)
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.click("button[value=sign_in]")
    page.wait_for_selector("h1:has-text('Second factors')")
    return problems


@pytest.mark.parametrize("screen", SCREENS)
def test_from_nothing_to_everything_and_back(
    screen: str, world: World, open_context: OpenContext
) -> None:
    page = open_context(**SCREENS[screen]).new_page()
    Phone(page)
    problems = sign_in(world, page)
    page.click("text=Set up an app")
    secret = str(page.text_content("#secret"))
    page.fill("#one_time_code", "wrong")
    page.click("button:has-text('Set up')")
    page.wait_for_selector("p.error:visible")
    assert page.text_content("#secret") == secret
    page.fill("#one_time_code", pyotp.TOTP(secret).at(int(world.clock())))
    page.click("button:has-text('Set up')")
    assert len(page.input_value("#codes").split()) == 10
    page.click("text=I have kept them")

    page.fill("#name", "My laptop")
    page.click("button[data-passkey-use]")
    page.wait_for_selector("text=The passkey is registered.")
    assert page.inner_text("td:has-text('My laptop')")
    assert (factors_of(world, "ada").has_totp, factors_of(world, "ada").passkeys) == (True, 1)

    page.click("text=Rename")
    page.fill("dialog #new-name", "Old laptop")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("td:has-text('Old laptop')")

    page.click("button:has-text('Make new recovery codes')")
    assert len(page.input_value("#codes").split()) == 10
    page.click("text=I have kept them")

    for link in (f"a[href$='/remove'][href*='{ROOT}/passkeys/']", f"a[href$='{ROOT}/app/remove']"):
        page.click(link)
        page.click("dialog button[type=submit]")
        page.wait_for_selector("text=It is removed.")
    assert not factors_of(world, "ada").has_any
    assert not [p for p in problems if "400" not in p], problems
