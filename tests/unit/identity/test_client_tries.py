"""Wrong secrets of clients, counted for all processes at once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, select

from mintgate.contract.errors import InvalidClient
from mintgate.identity.client_authentication import PresentedClient
from mintgate.identity.client_tries import ClientTries
from mintgate.store import Database, schema
from mintgate.store.tables import sign_in_tries
from tests.world import NOW, MovableClock

HERE = "a" * 36
CLIENTS = [("shop", "192.0.2.1"), ("stock", "198.51.100.1")]


def test_processes_do_not_lock_counts_crosswise(postgresql: Callable[[], str]) -> None:
    """Else one of them would stand still for a second, and whoever waits for its writer."""
    clock = MovableClock(NOW)
    here = Database(postgresql(), clock)
    schema.upgrade(here)
    there = Database(here.url, clock)
    at_once = threading.Barrier(2)
    errors: list[Any] = []

    def meet(connection: Any, _: Any, statement: str, *rest: Any) -> None:
        if "sign_in_tries" in statement and statement.startswith("SELECT"):
            with contextlib.suppress(threading.BrokenBarrierError):
                at_once.wait(0.5)

    async def wrong() -> None:
        raise InvalidClient

    async def guess(database: Database, clients: list[tuple[str, str]]) -> None:
        tries = ClientTries(HERE, database, bytes(32), clock)

        async def one(client: str, address: str) -> None:
            with pytest.raises(InvalidClient):
                await tries.prove(PresentedClient(client, "wrong"), address, wrong)

        await asyncio.gather(*(one(*client) for client in clients))

    async def both() -> None:
        await asyncio.gather(guess(here, CLIENTS), guess(there, CLIENTS[::-1]))

    for database in (here, there):
        event.listen(database.engine, "after_cursor_execute", meet)
        event.listen(database.engine, "handle_error", errors.append)
    asyncio.run(both())
    assert errors == []
    counted = here.read_now(lambda c: list(c.execute(select(sign_in_tries.c.tries)).scalars()))
    assert counted == [2] * 6
    there.close()
    here.close()
