"""A person who has forgotten the password, in a real browser: from the sign-in page back to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import require_accessible
from tests.browser.conftest import OpenContext
from tests.browser.journeys import PHONE, WAYS, an_application, answer_of, authorize_url, fill_in
from tests.mail_server import link_in, serving_mail
from tests.wire.mail_world import MIRA, forget, link_to, post_to
from tests.wire.management_world import MORE, Automation
from tests.world import BACKOFFICE, World

NEW = "several words nobody guesses"


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_every_page_is_accessible(
    device: dict[str, Any], a_world: Callable[..., World], open_context: OpenContext
) -> None:
    """In both themes, and none is wider than the screen."""
    with serving_mail() as mail:
        world = a_world(post=post_to(mail), more=MORE)
        forget(world, "mira.k")
        wanted = {"email": "jane@client.example", "send": False}
        invited = Automation(world).post("/invitations", wanted, 201)
        sign_in = world.browser().authorize()
        page = open_context(**device).new_page()
        for url in (
            str(sign_in.url),
            link_to("/password/forgot", sign_in),
            link_to("/register", sign_in),
            link_in(mail.to(MIRA)),
            invited["link"],
            f"{world.issuer}/email/confirm?link=x",
        ):
            page.goto(url)
            require_accessible(page)
            widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            inner, outer = page.evaluate(widths)
            assert inner <= outer, url


@pytest.mark.parametrize("way", WAYS)
def test_from_the_sign_in_page_and_back(
    way: str, a_world: Callable[..., World], open_context: OpenContext
) -> None:
    page = open_context(**WAYS[way]).new_page()
    with serving_mail() as mail, an_application() as callback:
        world = a_world(post=post_to(mail))
        world.change_application(BACKOFFICE, impersonate_login_url=callback)
        page.goto(authorize_url(world, callback))
        page.get_by_role("link", name="Forgot your password?").click()
        page.get_by_label("Login or email").fill("mira.k")
        page.get_by_role("button", name="Send the link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mailbox")

        letter = page.context.new_page()
        letter.goto(link_in(mail.to(MIRA)))
        field = letter.get_by_label("New password")
        field.fill("short")
        letter.get_by_role("button", name="Set the password").click()
        if way != "no scripts":  # there the test cannot ask it
            assert field.evaluate("field => field.validity.tooShort")  # the browser says so first
        field.fill(NEW)
        letter.get_by_role("button", name="Set the password").click()
        expect(letter.get_by_role("heading", level=1)).to_have_text("Your new password is set")
        assert "link=" not in letter.url
        letter.go_back()
        letter.reload()
        expect(letter.get_by_role("heading", level=1)).to_have_text("This link works no more")

        page.get_by_role("link", name="Back to signing in").click()
        fill_in(page, "mira.k", NEW)
        code = answer_of(page, callback)["code"]
        assert world.redeem(code, redirect_uri=callback).status_code == 200
