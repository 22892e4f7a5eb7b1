"""What pages of browser applications can read of forward auth's refusals [EP-8, API-23]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mintgate.store import DatabaseUnavailable
from tests.wire.test_forward_auth import CUSTOMERS, MORE, ask
from tests.wire.test_metadata import ORIGIN
from tests.world import World, sqlite_url

ALLOWED = "access-control-allow-origin"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield (world := World(sqlite_url(tmp_path_factory.mktemp("gate")), more=MORE)).start()
    world.stop()


@pytest.mark.parametrize("dialect", ["haproxy", "haproxy-token", "nginx"])
def test_a_registered_origin_reads_it(dialect: str, gate: World) -> None:
    url = f"/gate/{dialect}/orion/DomainAPI"
    reader = gate.service_token("read")
    refused = ((None, "GET", CUSTOMERS), (reader, "POST", CUSTOMERS), (reader, "GET", "//x"))
    for token, method, path in refused:
        answer = ask(gate, token, url, method=method, uri=path, headers={"Origin": ORIGIN})
        assert answer.status_code >= 400
        assert answer.headers.get_list(ALLOWED) == [ORIGIN]
        exposed = answer.headers["access-control-expose-headers"]
        assert {"WWW-Authenticate", "Retry-After"} <= set(exposed.split(", "))
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["vary"] == "Origin"
    assert ALLOWED not in ask(gate, reader, url, headers={"Origin": ORIGIN}).headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "*", "", ORIGIN.upper(), f"{ORIGIN}.evil", f"{ORIGIN}/"],
)
def test_no_other_origin_does(origin: str, gate: World) -> None:
    answer = ask(gate, None, headers={"Origin": origin})
    assert answer.status_code == 401
    assert ALLOWED not in answer.headers
    assert answer.headers["vary"] == "Origin"


def test_without_an_origin_all_is_as_before(gate: World) -> None:
    answer = ask(gate, None)
    assert answer.status_code == 401
    assert {"vary", ALLOWED}.isdisjoint(answer.headers)


def test_the_origin_of_a_disabled_application_does_not(a_world: Any) -> None:
    world = a_world(more=MORE)
    for client_id in ("shop.example.org/backoffice", "shop.example.org/spa"):
        assert ask(world, None, headers={"Origin": ORIGIN}).headers[ALLOWED] == ORIGIN
        world.change_application(client_id, is_enabled=False)
    assert ALLOWED not in ask(world, None, headers={"Origin": ORIGIN}).headers


def test_origins_that_cannot_be_read_are_none(gate: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away() -> frozenset[str]:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(gate.server_directory(), "browser_origins", away)
    answer = ask(gate, None, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers.get(ALLOWED)) == (401, None)
