"""A person who has forgotten the password, in a real browser: from the sign-in page back to it."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect

from tests.mail_server import link_in, serving_mail
from tests.wire.mail_world import MIRA, post_to
from tests.world import REDIRECT, World, answer_of

NEW = "several words nobody guesses"


def test_from_the_sign_in_page_and_back(a_world: Callable[..., World], page: Page) -> None:
    with serving_mail() as mail:
        world = a_world(post=post_to(mail))
        answers: list[str] = []
        page.route(
            f"{REDIRECT}**", lambda route: (answers.append(route.request.url), route.abort())
        )
        page.goto(str(httpx.URL(f"{world.issuer}/connect/authorize", params=_ASKED)))
        page.get_by_role("link", name="Forgot your password?").click()
        page.get_by_label("Login or email").fill("mira.k")
        page.get_by_role("button", name="Send the link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mailbox")

        letter = page.context.new_page()
        letter.goto(link_in(mail.to(MIRA)))
        field = letter.get_by_label("New password")
        field.fill("short")
        letter.get_by_role("button", name="Set the password").click()
        assert field.evaluate("field => field.validity.tooShort")  # the browser says so first
        field.fill(NEW)
        letter.get_by_role("button", name="Set the password").click()
        expect(letter.get_by_role("heading", level=1)).to_have_text("Your new password is set")
        assert "link=" not in letter.url
        letter.go_back()
        letter.reload()
        expect(letter.get_by_role("heading", level=1)).to_have_text("This link works no more")

        page.get_by_role("link", name="Back to signing in").click()
        page.get_by_label("Login or email").fill("mira.k")
        page.get_by_label("Password", exact=True).fill(NEW)
        with page.expect_request(re.compile(re.escape(REDIRECT))):
            page.get_by_role("button", name="Sign in").click()
        response = httpx.Response(303, headers={"location": answers[0]})
        assert world.redeem(answer_of(response)["code"]).status_code == 200


_ASKED = {
    "client_id": "shop.example.org/backoffice",
    "redirect_uri": REDIRECT,
    "response_type": "code",
    "scope": "openid profile read",
    "state": "st-1",
}
