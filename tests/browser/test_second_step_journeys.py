"""The second step of a sign-in by an app or a recovery code, set up on the way [USR-8]."""

from __future__ import annotations

from collections.abc import Iterator

import pyotp
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.journeys import (
    WAYS,
    an_application,
    answer_of,
    authorize_url,
    fill_in,
    fits,
    is_at,
)
from tests.site_visits import quick_passwords
from tests.wire.second_factor_world import REQUIRED
from tests.world import BACKOFFICE, World, payload_of, sqlite_url


@pytest.fixture(scope="module")
def callback() -> Iterator[str]:
    with an_application() as redirect_uri:
        yield redirect_uri


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, callback: str) -> Iterator[World]:
    """Where internal users need a second factor; one person for each way."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = quick_passwords(patch)
        people = "".join(
            f'\n[[users]]\nLogin = "{login_of(way)}"\nName = "Vera"\nUserType = "InternalUser"\n'
            f'PasswordHash = "{cheap}"\n'
            for way in WAYS
        )
        url = sqlite_url(tmp_path_factory.mktemp("world"))
        world = World(url, instance_settings=REQUIRED, more=people, password_hash=cheap).start()
        world.change_application(BACKOFFICE, impersonate_login_url=callback)
        yield world
        world.stop()


def login_of(way: str) -> str:
    return f"vera.{way.replace(' ', '-')}"


def asked_for_the_second_step(stage: World, page: Page, callback: str, way: str) -> None:
    """After the password, in a browser that knows nobody."""
    page.context.clear_cookies()
    page.goto(authorize_url(stage, callback))
    fill_in(page, login_of(way))
    is_at(page, "Second step")


def answer(page: Page, code: str) -> None:
    page.fill("#one_time_code", code)
    page.get_by_role("button", name="Sign in", exact=True).click()


def amr(stage: World, page: Page, callback: str) -> list[str]:
    """How the person signed in, as the application is told."""
    code = answer_of(page, callback)["code"]
    token = stage.redeem(code, redirect_uri=callback).json()["id_token"]
    return list(payload_of(token)["amr"])


@pytest.mark.parametrize("way", WAYS)
def test_an_app_and_a_recovery_code(
    way: str, stage: World, callback: str, open_context: OpenContext
) -> None:
    """Each code works once: that of the set-up, those of the app, those that were kept."""
    page = open_context(**WAYS[way]).new_page()
    page.goto(authorize_url(stage, callback))
    fill_in(page, login_of(way))
    is_at(page, "Set up a second factor")
    app = pyotp.TOTP(str(page.text_content("#secret")).replace(" ", ""))

    def shown() -> str:
        return app.at(int(stage.clock()))

    page.fill("#one_time_code", "not it")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.fill("#one_time_code", shown())
    page.get_by_role("button", name="Go on").click()
    codes = page.input_value("#codes").split()
    assert len(codes) == 10
    assert fits(page)
    page.get_by_role("button", name="I have kept them").click()
    assert "mfa" in amr(stage, page, callback)

    asked_for_the_second_step(stage, page, callback, way)
    answer(page, shown())  # that of the set-up once more
    expect(page.get_by_role("alert")).to_be_visible()
    stage.clock.advance(30)
    answer(page, shown())
    assert {"pwd", "mfa"} <= set(amr(stage, page, callback))

    for code, is_good in ((codes[0], True), (codes[0], False), (codes[1], True)):
        asked_for_the_second_step(stage, page, callback, way)
        page.get_by_role("link", name="Use a recovery code").click()
        answer(page, code)
        if is_good:
            assert "mfa" in amr(stage, page, callback)
        else:
            expect(page.get_by_role("alert")).to_be_visible()
            page.get_by_role("button", name="Cancel").click()
            assert answer_of(page, callback)["error"] == "access_denied"
