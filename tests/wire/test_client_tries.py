"""Guessing secrets of applications and APIs is slowed, and locks nobody out who is at home."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from mintgate.identity.client_tries import HOUR, LIMITS, WAIT
from mintgate.server.application import Application
from tests.wire.test_rate_limits import another_server
from tests.world import BACKOFFICE, SECRET, STOCK, World, sqlite_url

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
    """A server whose clients come from addresses that tests choose."""

    def __init__(self, world: World, application: Any, run: Callable[[Any], Any], block: int):
        self.world = world
        self._application = application
        self._run = run
        self.block = block
        self.address = self.at(1)

    def at(self, number: int) -> str:
        """An address that no other test uses."""
        return f"10.{self.block}.0.{number}"

    def ask(
        self, given: str = "wrong", client: str = STOCK, place: str = "token", address: str = ""
    ) -> httpx.Response:
        method, path, _ = PLACES[place]
        peer = (address or self.address, 1)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self._application({**scope, "client": peer}, receive, send)

        async def work() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=self.world.base) as http:
                data = FORM if method == "POST" else None
                url = f"/id/connect/{path}"
                return await http.request(method, url, data=data, auth=(client, given))

        answer: httpx.Response = self._run(work())
        return answer

    def statuses(self, times: int, **how: str) -> list[int]:
        return [self.ask(**how).status_code for _ in range(times)]

    def succeeds(self, **how: str) -> bool:
        return self.ask(SECRET, **how).status_code == 200

    def flush(self) -> None:
        """What the server does every 15 seconds."""
        self.world.run_in_server(lambda app, instance: app.chores.flush(instance))

    @contextlib.contextmanager
    def next_door(self) -> Iterator[House]:
        """Another server over the same database."""
        with another_server(self.world) as (run, application):
            yield House(self.world, application, run, self.block)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(sqlite_url(tmp_path_factory.mktemp("tries")), more=SECRETS).start()
    yield world
    world.stop()


_blocks = itertools.count(1)


@pytest.fixture
def house(world: World) -> House:
    """The same server for every test, hours later and at other addresses."""
    world.clock.advance(2 * HOUR)
    world.sync()

    def run(work: Any) -> Any:
        answers: list[Any] = []

        async def kept(application: Application, instance: Any) -> None:
            answers.append(await work)

        world.run_in_server(kept)
        return answers[0]

    return House(world, world.application, run, next(_blocks))


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
    home, stranger = house.at(50), house.at(51)
    assert house.succeeds(address=home)
    for number in range(8):
        house.statuses(6, address=house.at(100 + number))
    assert not house.succeeds(address=stranger)  # unknown: waits with the others
    assert house.succeeds(address=home)
    # Only this client is waited for: another one is told what it did wrong.
    assert house.ask(SECRET, BACKOFFICE, address=stranger).status_code == 400


def test_a_known_address_is_known_after_a_restart(house: House) -> None:
    assert house.succeeds(address=house.at(50))
    house.flush()
    for number in range(8):
        house.statuses(6, address=house.at(100 + number))
    with house.next_door() as other:
        assert other.statuses(1, address=other.at(77)) == [401]  # it learns of the wait
        assert not other.succeeds(address=other.at(77))
        assert other.succeeds(address=other.at(50))


def test_servers_share_the_count(house: House) -> None:
    assert house.statuses(3) == [401] * 3
    with house.next_door() as other:
        assert other.statuses(4) == [401, 401, 429, 429]
    assert house.statuses(3) == [401, 429, 429]  # each process looks at one try more


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
    assert house.succeeds(address=house.at(2))


def test_unknown_clients_are_answered_like_known_ones(house: House) -> None:
    known = [house.ask(client=STOCK) for _ in range(6)]
    unknown = [house.ask(client="nobody", address=house.at(2)) for _ in range(6)]
    assert [(a.status_code, a.text) for a in known] == [(a.status_code, a.text) for a in unknown]


def test_a_forwarded_address_is_not_believed(house: House) -> None:
    world = house.world
    codes = [
        world.http.post(
            "/id/connect/token",
            data=FORM,
            auth=("forwarder", "wrong"),
            headers={"X-Forwarded-For": f"198.51.100.{n}", "Forwarded": f"for=198.51.100.{n}"},
        ).status_code
        for n in range(6)
    ]
    assert codes == [401] * 5 + [429]


def test_a_request_without_secret_is_no_guess(house: House) -> None:
    before = house.world.rows("sign_in_tries")
    form = {"client_id": BACKOFFICE, "grant_type": "refresh_token", "refresh_token": "x"}
    codes = [house.world.http.post("/id/connect/token", data=form).status_code for _ in range(8)]
    assert codes == [400] * 8
    assert house.world.rows("sign_in_tries") == before


def test_guesses_that_race_get_five_answers(house: House) -> None:
    """Forty at once: those that were not among the first five are not told what they were."""
    world, codes = house.world, []

    def guess() -> None:
        with httpx.Client(base_url=world.base, timeout=30) as http:
            answer = http.post("/id/connect/token", data=FORM, auth=("racer", "wrong"))
            codes.append(answer.status_code)

    threads = [threading.Thread(target=guess) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [401] * 5 + [429] * 35


def test_no_row_tells_a_client_or_an_address(house: House) -> None:
    before = house.world.count_rows("sign_in_tries")
    house.ask(client="somebody")
    assert house.world.count_rows("sign_in_tries") == before + 3
    kept = repr(house.world.rows("sign_in_tries"))
    assert "somebody" not in kept
    assert house.address not in kept


def test_a_right_secret_costs_no_statement(house: House) -> None:
    """The hot path: what issuing a token reads and writes is the same as ever."""
    house.succeeds()
    house.flush()
    statements: list[str] = []

    def note(_c: Any, _cu: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = house.world.server_database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        for _ in range(5):
            assert house.succeeds()
        house.flush()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert not [s for s in statements if "sign_in_tries" in s]


def test_the_audit_log_tells_which_limit_it_was(house: House) -> None:
    house.statuses(6)
    told = house.world.events("token.refused")
    causes = [event.cause for event in told if event.address == house.address]
    assert causes[0] == "temporarily_unavailable: 5 wrong secrets were given (client-origin)"
    assert causes[1:] == ["invalid_client: wrong secret"] * 5
