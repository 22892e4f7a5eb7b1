"""What people with second factors do, in a browser without scripts and with `pyotp` as the app."""

from __future__ import annotations

import html
import re
import secrets
from typing import Any

import httpx
import pyotp

from mintgate.contract.identifiers import new_guid
from mintgate.store import passkeys, second_factors, users
from mintgate.store.passkeys import Passkey
from tests.world import Browser, World

CODE_PAGE, ENROL_PAGE = "/signin/second-factor", "/signin/enrol"
REQUIRED = 'second_factor_internal = "required"'


def hidden(page: httpx.Response, name: str) -> str:
    return html.unescape(re.search(rf'name="{name}" value="([^"]*)"', page.text)[1])  # type: ignore[index]


def interaction_of(page: httpx.Response) -> str:
    return hidden(page, "interaction")


def secret_of(page: httpx.Response) -> str:
    """What an authenticator app reads from the page."""
    return re.search(r'id="secret"[^>]*>([A-Z2-7 ]+)<', page.text)[1].replace(" ", "")  # type: ignore[index]


def recovery_codes_of(page: httpx.Response) -> list[str]:
    return re.findall(r"[0-9a-z]{4}(?:-[0-9a-z]{4}){3}(?![-0-9a-z])", page.text)


class App:
    """An authenticator app on a phone whose clock is right."""

    def __init__(self, world: World, secret: str) -> None:
        self._world = world
        self._totp = pyotp.TOTP(secret)

    def code(self, *, steps: int = 0) -> str:
        return str(self._totp.at(int(self._world.clock()) + 30 * steps))


def enrol(world: World, login: str = "mira.k") -> tuple[App, list[str]]:
    """Set up an app at a sign-in that requires it; returns it with the recovery codes.

    The clock goes on by half a minute, so that the app's next code is a fresh one.
    """
    browser = world.browser()
    page = browser.sign_in(login)
    assert ENROL_PAGE in page.text, page.text
    app = App(world, secret_of(page))
    page = browser.submit(page, one_time_code=app.code())
    codes = recovery_codes_of(page)
    assert len(codes) == 10, page.text
    assert browser.submit(page, action="continue").is_redirect
    world.clock.advance(30)
    return app, codes


def options(browser: Browser, page: httpx.Response, step: str) -> httpx.Response:
    """What the script of a page asks for."""
    fields = {name: hidden(page, name) for name in ("anti_forgery", "interaction")}
    return browser.http.post("/id/signin/passkey", data=fields | {"step": step})


def give_passkey(world: World, login: str = "mira.k") -> Passkey:
    """One that nobody can use, but counts."""
    passkey = Passkey(
        id=new_guid(),
        user_id=user_id_of(world, login),
        credential_id=secrets.token_bytes(16),
        public_key=b"",
        sign_count=0,
        transports=(),
        name="Phone",
        backup_eligible=False,
        backed_up=False,
        created_at=world.clock(),
    )
    with world.database.begin() as tx:
        passkeys.add(tx, world.instance.id, passkey)
    world.sync()
    return passkey


def user_id_of(world: World, login: str = "mira.k") -> str:
    found = world.database.read_now(lambda c: users.by_login(c, world.instance.id, login))
    assert found is not None
    return found.id


def factors_of(world: World, login: str = "mira.k") -> Any:
    return world.database.read_now(
        lambda c: second_factors.of(c, world.instance.id, user_id_of(world, login))
    )
