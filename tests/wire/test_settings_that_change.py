"""What goes on while a changed setting of the instance is taken up, or cannot be at first."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mintgate.contract.reference_tokens import TokenKind
from mintgate.identity.directory import Directory
from mintgate.store import DatabaseUnavailable
from tests.wire.test_python_apis import reference_token
from tests.world import SECRET, STOCK, World, payload_of

CHANGED = ("licences = 1000", "licences = 999")


@pytest.fixture
def customers(a_world: Callable[..., World]) -> World:
    return a_world(customers=True)


def answer_to(world: World, token: str) -> int:
    return world.api("Crm_Sales_Customers", token).status_code


def revoke(world: World, token: str) -> None:
    answer = world.http.post("/id/connect/revocation", data={"token": token}, auth=(STOCK, SECRET))
    assert answer.status_code == 200


def test_what_could_not_load_judges_nothing(
    customers: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[REV-4, API-13] one read fails: revoked tokens stay revoked, and nothing else is forgotten"""
    world, start = customers, Directory.start
    good, revoked = world.service_token(), world.service_token()
    revoke(world, revoked)
    assert answer_to(world, revoked) == 401

    async def fails_once(directory: Directory) -> None:
        monkeypatch.setattr(Directory, "start", start)
        raise DatabaseUnavailable("taken away by a test")

    monkeypatch.setattr(Directory, "start", fails_once)
    world.declare(replace=CHANGED)
    world.sync()
    assert world.http.get("/id/.well-known/openid-configuration").status_code == 503
    assert (answer_to(world, revoked), answer_to(world, good)) == (401, 200)
    keys = world.http.get("/id/.well-known/openid-configuration/jwks").json()["keys"]
    assert keys
    assert world.application is not None
    assert [one.instance.licences for one in world.application.instances] == [999]


def test_what_has_read_nothing_reads_what_is_revoked_before_it_knows_a_key(
    customers: World,
) -> None:
    """[REV-4] whoever is told of a key goes on to judge by what is known to be revoked"""
    token = customers.service_token()
    revoke(customers, token)
    here = customers.server_directory()
    anew = Directory(
        here.instance, customers.server_database, customers.kek, lambda: True, customers.clock
    )
    (key,) = here.key_times

    async def look(*_: Any) -> None:
        assert anew.get(key.kid) is None
        assert await anew.refresh_async(key.kid) is not None
        state = await anew.load_async(payload_of(token), token)
        assert state.revoked

    customers.run_in_server(look)


def test_changes_are_heard_while_settings_load(
    customers: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[TOP-13] those before answer meanwhile, and hear of what is revoked"""
    world, start = customers, Directory.start
    before, meanwhile = world.service_token(), world.service_token()
    assert (answer_to(world, before), answer_to(world, meanwhile)) == (200, 200)
    loading, may_go_on = threading.Event(), threading.Event()

    async def slowly(directory: Directory) -> None:
        await start(directory)
        loading.set()
        await asyncio.to_thread(may_go_on.wait, 30)

    monkeypatch.setattr(Directory, "start", slowly)
    world.declare(replace=CHANGED)
    world.sync()
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(answer_to, world, before)  # it loads the settings
        try:
            assert loading.wait(30)
            revoke(world, meanwhile)
            assert answer_to(world, meanwhile) == 401
        finally:
            may_go_on.set()
        assert waits.result(30) == 200
    assert answer_to(world, meanwhile) == 401  # those after have heard of it, too


def test_noted_uses_go_on(customers: World) -> None:
    """[REF-38] a token that was used just before is no token that was never used"""
    token = reference_token(customers, TokenKind.PERSONAL)
    assert answer_to(customers, token) == 200
    customers.declare(replace=CHANGED)
    customers.sync()
    assert customers.http.get("/id/.well-known/openid-configuration").status_code == 200

    async def flush(_: Any, instance: Any) -> None:
        await instance.references.flush()

    customers.run_in_server(flush)
    (row,) = customers.rows("reference_tokens")
    assert row["last_used_at"] == customers.clock()
