"""Single-use means single-use when requests race."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.world import BACKOFFICE, FULL, PASSWORD, REDIRECT, SECRET, World, answer_of

PARALLEL = 50


def at_once(world: World, form: dict[str, str]) -> list[httpx.Response]:
    """Send one token request 50 times, each on a connection of its own."""

    async def run() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=PARALLEL)
        async with httpx.AsyncClient(base_url=world.base, limits=limits, timeout=60) as http:
            requests = (
                http.post("/id/connect/token", data=form, auth=(BACKOFFICE, SECRET))
                for _ in range(PARALLEL)
            )
            return await asyncio.gather(*requests)

    return asyncio.run(run())


def outcomes(answers: list[httpx.Response]) -> Counter[Any]:
    return Counter(a.json().get("error", "ok") for a in answers)


def test_one_code_fifty_times(world: World) -> None:
    """[AUT-45, TKN-47]"""
    code = world.browser().code(scope=FULL)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    answers = at_once(world, form)
    assert outcomes(answers) == {"ok": 1, "invalid_grant": PARALLEL - 1}
    (tokens,) = [a.json() for a in answers if a.status_code == 200]
    assert world.api("Crm_Sales_Customers", tokens["access_token"]).status_code == 401
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_one_refresh_token_fifty_times(world: World) -> None:
    """[LIF-12, LIF-14]"""
    token = world.user_tokens()["refresh_token"]
    answers = at_once(world, {"grant_type": "refresh_token", "refresh_token": token})
    assert outcomes(answers) == {"ok": 1, "invalid_grant": PARALLEL - 1}
    (tokens,) = [a.json() for a in answers if a.status_code == 200]
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_one_refresh_token_fifty_times_with_grace(a_world: Callable[..., World]) -> None:
    """[EXT-4] every request gets a successor; once one was used, the others' parent is a replay."""
    world = a_world(instance_settings="refresh_grace_seconds = 10")
    token = world.user_tokens()["refresh_token"]
    answers = at_once(world, {"grant_type": "refresh_token", "refresh_token": token})
    assert outcomes(answers) == {"ok": PARALLEL}
    successors = [a.json()["refresh_token"] for a in answers]
    assert len(set(successors)) == PARALLEL
    assert world.refresh(successors[0]).status_code == 200
    assert world.refresh(token).json()["error"] == "invalid_grant"
    assert world.refresh(successors[1]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("login", ["mira.k"])
def test_one_interaction_submitted_at_once(login: str, world: World) -> None:
    """Two clicks on Sign in end well: no failure, and each code is good for one exchange."""
    from tests.world import PASSWORD, answer_of

    browser = world.browser()
    page = browser.authorize()
    first = answer_of(browser.submit(page, login=login, password=PASSWORD))["code"]
    assert browser.submit(page, login=login, password=PASSWORD).status_code == 400
    assert world.redeem(first).status_code == 200


def test_first_sign_ins_of_one_person_at_once(world: World) -> None:
    """[EXT-1] one of them upgrades the imported hash, which is no change of the password."""
    browsers = [world.browser() for _ in range(2)]
    pages = [browser.authorize() for browser in browsers]
    with ThreadPoolExecutor(len(browsers)) as pool:
        answers = list(
            pool.map(
                lambda browser, page: browser.submit(page, login="mira.k", password=PASSWORD),
                browsers,
                pages,
            )
        )
    assert ["code" in answer_of(answer) for answer in answers] == [True, True]
