"""Single use is single use at several servers over one PostgreSQL: three processes race."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

import httpx
import pytest

from tests.wire.management_world import MORE, robot_token
from tests.wire.other_servers import another_server
from tests.world import BACKOFFICE, FULL, REDIRECT, SECRET, World

RACERS = 18
AUTH = (BACKOFFICE, SECRET)


class Servers(NamedTuple):
    """A world, and a client of each of its three servers."""

    world: World
    doors: list[httpx.Client]

    def race(self, ask: Callable[[httpx.Client], httpx.Response]) -> list[httpx.Response]:
        """Ask at all doors at once."""
        turns = [self.doors[number % len(self.doors)] for number in range(RACERS)]
        with ThreadPoolExecutor(RACERS) as pool:
            return list(pool.map(ask, turns))


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, postgresql: Callable[[], str]
) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        world = World(postgresql(), clock=time.time, more=MORE).start()
        stack.callback(world.stop)
        others = [stack.enter_context(another_server(world, folder)) for _ in range(2)]
        yield Servers(world, [world.http, *others])


def outcomes(answers: list[httpx.Response]) -> Counter[str]:
    return Counter(str(answer.json().get("error", "ok")) for answer in answers)


def test_one_code(servers: Servers) -> None:
    """[AUT-45, TKN-47] one exchange, and what it gave is taken back by the others."""
    code = servers.world.browser().code(scope=FULL)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    answers = servers.race(lambda http: http.post("/id/connect/token", data=form, auth=AUTH))
    assert outcomes(answers) == {"ok": 1, "invalid_grant": RACERS - 1}
    (tokens,) = [a.json() for a in answers if a.status_code == 200]
    assert servers.world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_one_refresh_token(servers: Servers) -> None:
    """[LIF-12, LIF-14]"""
    token = servers.world.user_tokens()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    answers = servers.race(lambda http: http.post("/id/connect/token", data=form, auth=AUTH))
    assert outcomes(answers) == {"ok": 1, "invalid_grant": RACERS - 1}


def test_one_idempotency_key(servers: Servers) -> None:
    """One key is added, whoever is asked."""
    headers = {
        "Authorization": f"Bearer {robot_token(servers.world)}",
        "Idempotency-Key": "three-at-once",
    }
    before = servers.world.count_rows("signing_keys")
    answers = servers.race(lambda http: http.post("/manage/api/v1/keys", json={}, headers=headers))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({a.json()["kid"] for a in answers if a.status_code == 201}) == 1
    assert servers.world.count_rows("signing_keys") == before + 1


def test_tries_of_a_password(servers: Servers) -> None:
    """[OPQ-26, SGN-6] all servers together let no more through than one."""
    browsers = []
    for door in servers.doors:
        browser = servers.world.browser()
        page = browser.authorize()
        browser.http.base_url = door.base_url
        browser.http.headers["Host"] = servers.world.base.removeprefix("http://")
        browsers.append((browser, page))

    def guess(number: int) -> int:
        browser, page = browsers[number % len(browsers)]
        return browser.submit(page, login="buyer@client.example", password="wrong").status_code

    with ThreadPoolExecutor(RACERS) as pool:
        assert set(pool.map(guess, range(RACERS))) == {400}
    tries = [row for row in servers.world.rows("sign_in_tries") if row["kind"] == "origin"]
    assert [row["tries"] for row in tries] == [5]
