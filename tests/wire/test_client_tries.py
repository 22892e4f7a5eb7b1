"""Guessing secrets of applications and APIs is slowed, and locks nobody out who is at home."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from mintgate.identity.client_tries import LIMITS, WAIT
from mintgate.server.application import Application
from tests.wire.test_rate_limits import another_server
from tests.world import BACKOFFICE, SECRET, STOCK, World

FORM = {"grant_type": "client_credentials", "token": "x"}
SECRETS = f"""
[[apis]]
Name = "DomainAPI"
Secret = "{SECRET}"
"""
PLACES = {
    "token": ("POST", "token", STOCK),
    "introspection": ("POST", "introspect", "DomainAPI"),
    "revocation": ("POST", "revocation", STOCK),
    "state feed": ("GET", "state-feed", "DomainAPI"),
}


class House:
    """A world whose clients come from addresses that tests choose."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.application: Any = world.application
        self.address = "192.0.2.1"

    def ask(
        self, secret: str = "wrong", client: str = STOCK, place: str = "token", address: str = ""
    ) -> httpx.Response:
        method, path, _ = PLACES[place]
        peer = (address or self.address, 1)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self.application({**scope, "client": peer}, receive, send)

        answers: list[httpx.Response] = []

        async def work(application: Application, instance: Any) -> None:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=self.world.base) as http:
                data = FORM if method == "POST" else None
                url = f"/id/connect/{path}"
                answers.append(await http.request(method, url, data=data, auth=(client, secret)))

        self.world.run_in_server(work)
        return answers[0]

    def statuses(self, times: int, **how: str) -> list[int]:
        return [self.ask(**how).status_code for _ in range(times)]

    def succeeds(self, **how: str) -> bool:
        return self.ask(SECRET, **how).status_code == 200


@pytest.fixture
def house(a_world: Callable[..., World]) -> House:
    return House(a_world(more=SECRETS))


@pytest.mark.parametrize("place", PLACES)
def test_five_wrong_secrets_and_then_a_wait(house: House, place: str) -> None:
    """Everywhere alike, whichever secret it is: while the wait lasts it is not looked at."""
    client = PLACES[place][2]
    how = {"client": client, "place": place}
    assert house.statuses(7, **how) == [401] * 5 + [429] * 2
    refused = house.ask(SECRET, **how)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == str(int(WAIT) + 1)
    assert refused.headers["cache-control"] == "no-store"
    assert refused.json() == {
        "error": "temporarily_unavailable",
        "error_description": "Too many wrong secrets were given. Wait before the next request.",
    }
    house.world.clock.advance(WAIT + 1)
    house.world.sync()
    assert house.succeeds(**how)


def test_the_same_secret_at_another_endpoint_is_the_same_count(house: House) -> None:
    assert house.statuses(3, place="token") == [401] * 3
    assert house.statuses(3, place="revocation") == [401, 401, 429]


def test_an_address_from_which_the_client_came_goes_on(house: House) -> None:
    """However many others guess, from wherever."""
    assert house.succeeds(address="192.0.2.50")
    for number in range(8):
        house.statuses(6, address=f"198.51.100.{number}")
    assert not house.succeeds(address="203.0.113.9")  # unknown: waits with the others
    assert house.succeeds(address="192.0.2.50")
    assert house.succeeds(client=BACKOFFICE, address="203.0.113.9") is False  # not its flow
    assert house.ask(SECRET, BACKOFFICE, address="203.0.113.9").status_code == 400


def test_a_known_address_is_known_after_a_restart(house: House) -> None:
    assert house.succeeds(address="192.0.2.50")
    house.world.run_in_server(lambda app, instance: app._flush(instance))
    for number in range(8):
        house.statuses(6, address=f"198.51.100.{number}")
    with another_server(house.world) as (run, second):
        house.application = second
        run_elsewhere = Elsewhere(house, run)
        assert run_elsewhere.ask("wrong", address="198.51.100.77") == 401  # it learns of the wait
        assert run_elsewhere.ask(SECRET, address="198.51.100.77") == 429
        assert run_elsewhere.ask(SECRET, address="192.0.2.50") == 200


class Elsewhere:
    """Asks another server of the same database."""

    def __init__(self, house: House, run: Any) -> None:
        self.house, self.run = house, run

    def ask(self, secret: str, *, address: str, client: str = STOCK) -> int:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self.house.application({**scope, "client": (address, 1)}, receive, send)

        async def work() -> int:
            transport = httpx.ASGITransport(app)
            base = self.house.world.base
            async with httpx.AsyncClient(transport=transport, base_url=base) as http:
                auth = (client, secret)
                answer = await http.post("/id/connect/token", data=FORM, auth=auth)
                return answer.status_code

        return int(self.run(work()))


def test_servers_share_the_count(house: House) -> None:
    assert house.statuses(3) == [401] * 3
    with another_server(house.world) as (run, second):
        house.application = second
        elsewhere = Elsewhere(house, run)
        guesses = [elsewhere.ask("wrong", address=house.address) for _ in range(4)]
    assert guesses == [401, 401, 429, 429]
    house.application = house.world.application
    assert house.statuses(3) == [401, 429, 429]  # the one try more of each process


def test_even_a_known_address_may_not_guess_for_ever(house: House) -> None:
    """An application and its guesser may have one address, behind a proxy that is not named."""
    limit = LIMITS["client-known"].tries
    assert house.succeeds()
    assert house.statuses(limit + 1) == [401] * limit + [429]
    assert not house.succeeds()
    house.world.clock.advance(WAIT + 1)
    house.world.sync()
    assert house.succeeds()


def test_one_address_that_guesses_for_many_clients_waits(house: House) -> None:
    """Also for clients that there are not."""
    codes = [house.ask(client=f"client-{n // 4}").status_code for n in range(32)]
    assert codes == [401] * 30 + [429] * 2
    assert not house.succeeds()
    assert house.succeeds(address="192.0.2.2")


def test_unknown_clients_are_answered_like_known_ones(house: House) -> None:
    known = [house.ask(client=STOCK) for _ in range(6)]
    unknown = [house.ask(client="nobody", address="192.0.2.2") for _ in range(6)]
    assert [(a.status_code, a.text) for a in known] == [(a.status_code, a.text) for a in unknown]


def test_a_forwarded_address_is_not_believed(house: House) -> None:
    world = house.world
    codes = [
        world.http.post(
            "/id/connect/token",
            data=FORM,
            auth=(STOCK, "wrong"),
            headers={"X-Forwarded-For": f"198.51.100.{n}", "Forwarded": f"for=198.51.100.{n}"},
        ).status_code
        for n in range(6)
    ]
    assert codes == [401] * 5 + [429]


def test_a_request_without_secret_is_no_guess(house: House) -> None:
    form = {**FORM, "client_id": BACKOFFICE, "grant_type": "refresh_token", "refresh_token": "x"}
    codes = [house.world.http.post("/id/connect/token", data=form).status_code for _ in range(8)]
    assert codes == [400] * 8
    assert house.world.count_rows("sign_in_tries") == 0


def test_guesses_that_race_get_five_answers(house: House) -> None:
    """The right one among forty at once: told only when it was among those looked at."""
    world, codes = house.world, []

    def guess() -> None:
        with httpx.Client(base_url=world.base, timeout=30) as http:
            answer = http.post("/id/connect/token", data=FORM, auth=(STOCK, "wrong"))
            codes.append(answer.status_code)

    threads = [threading.Thread(target=guess) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [401] * 5 + [429] * 35


def test_no_row_tells_a_client_or_an_address(house: House) -> None:
    house.ask()
    kept = repr(house.world.rows("sign_in_tries"))
    assert house.world.count_rows("sign_in_tries") == 3
    assert STOCK not in kept
    assert house.address not in kept


def test_a_right_secret_costs_no_statement(house: House) -> None:
    """The hot path: what issuing a token reads and writes is the same as ever."""
    house.succeeds()
    house.world.run_in_server(lambda app, instance: app._flush(instance))
    statements: list[str] = []

    @event.listens_for(house.world.server_database.engine, "before_cursor_execute")
    def note(_c: Any, _cu: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    for _ in range(5):
        assert house.succeeds()
    house.world.run_in_server(lambda app, instance: app._flush(instance))
    assert not [s for s in statements if "sign_in_tries" in s]


def test_the_audit_log_tells_which_limit_it_was(house: House) -> None:
    house.statuses(6)
    causes = [event.cause for event in house.world.events("token.refused")]
    assert causes[0] == "temporarily_unavailable: 5 wrong secrets were given (client-origin)"
    assert causes[1:] == ["invalid_client: wrong secret"] * 5
