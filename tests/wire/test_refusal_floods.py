"""A stream of wrong secrets and tokens fills neither the audit table nor the writer's queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mintgate.identity.refusal_counts import OF_SOURCE
from mintgate.store import AuditEvent, Database, audit
from tests.world import SECRET, STOCK, World, sqlite_url

TIMES = 25
FLOODS = {
    "token.refused": ("POST", "/id/connect/token", (STOCK, "wrong"), {}),
    "introspection.refused": ("POST", "/id/connect/introspect", ("DomainAPI", "wrong"), {}),
    "revocation.refused": ("POST", "/id/connect/revocation", (STOCK, "wrong"), {}),
    "api.refused": (
        "GET",
        "/api/domain/odata/Crm_Sales_Customers",
        None,
        {"X-Api-Key": "enrt_" + "0" * 64},
    ),
}


SECRETS = f"""
[[apis]]
Name = "DomainAPI"
Secret = "{SECRET}"
"""


@pytest.fixture
def world(a_world: Callable[..., World]) -> World:
    return a_world(more=SECRETS)


def flood(world: World, name: str) -> None:
    """From an address from which the right secret came before: there are no waits so soon."""
    method, path, auth, headers = FLOODS[name]
    if auth is not None:
        prove(world, auth[0])
    data = {"grant_type": "client_credentials", "token": "x"} if method == "POST" else None
    for _ in range(TIMES):
        answer = world.http.request(method, path, auth=auth, headers=headers, data=data)
        assert answer.status_code == 401, answer.text


def prove(world: World, client: str) -> None:
    path = "introspect" if client == "DomainAPI" else "token"
    form = {"grant_type": "client_credentials", "token": "x"}
    answer = world.http.post(f"/id/connect/{path}", auth=(client, SECRET), data=form)
    assert answer.status_code == 200, answer.text


def total(events: list[AuditEvent]) -> int:
    return sum((event.details or {}).get("count", 1) for event in events)


@pytest.mark.parametrize("name", FLOODS)
def test_refusals_are_summed_up_within_the_minute(name: str, world: World) -> None:
    flood(world, name)
    assert len(world.events(name)) == OF_SOURCE
    world.clock.advance(60)
    world.run_in_server(lambda app, instance: app.chores.flush(instance))
    events = world.events(name)
    assert len(events) == OF_SOURCE + 1
    assert total(events) == TIMES
    assert {event.address for event in events} == {"127.0.0.1"}
    assert {event.cause for event in events} == {events[0].cause}


def test_nobody_is_locked_out(world: World) -> None:
    """[SGN-10] the owner of the secret goes on, from the very address of the flood."""
    flood(world, "token.refused")
    assert world.request_token((STOCK, SECRET), grant_type="client_credentials").is_success


def test_nothing_is_lost_at_shutdown(tmp_path: Path) -> None:
    world = World(sqlite_url(tmp_path), more=SECRETS).start()
    flood(world, "token.refused")
    world.stop()
    database = Database(world.database_url)
    events = database.read_now(lambda c: audit.latest(c, world.instance.id, 1000))
    database.close()
    assert total([event for event in events if event.event == "token.refused"]) == TIMES
