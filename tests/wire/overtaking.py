"""Requests that wait for the lock of the instance while another process commits something."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
from msgspec.structs import replace
from sqlalchemy import Connection

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.users import User
from mintgate.store import Database, Transaction, applications, instances, users
from tests.world import World

Change = Callable[[Transaction], Any]
SHUT_OUT: list[dict[str, Any]] = [{"active": False}, {"locked_until": math.inf}]
"""What lets nobody in any more [USR-4, SGN-10]."""
_WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def overtaken(
    world: World,
    ask: Callable[[], httpx.Response],
    change: Change = lambda tx: None,
    *,
    meanwhile: Change = lambda tx: None,
) -> httpx.Response:
    """The answer to a request that arrives before a change is committed, and goes on after it.

    Args:
        world: over PostgreSQL.
        change: made by another process, which has the lock of the instance.
        meanwhile: the same, not before the request waits.
    """
    with ThreadPoolExecutor(1) as threads:
        with world.database.begin() as tx:
            instances.lock(tx, world.instance.id)
            change(tx)
            asked = threads.submit(ask)
            wait_until_locked_out(world.database, asked)
            meanwhile(tx)
        answer = asked.result(30)
    world.sync()
    return answer


def wait_until_locked_out(database: Database, asked: Future[Any]) -> None:
    """Wait until PostgreSQL says that somebody waits for a lock."""

    def waiting(connection: Connection) -> int:
        return int(connection.exec_driver_sql(_WAITING).scalar_one())

    while not database.read_now(waiting):
        assert not asked.done(), "nothing had to wait"


def stored_user(world: World, login: str) -> User:
    found = world.database.read_now(lambda c: users.by_login(c, world.instance.id, login))
    assert found is not None
    return found


def changing_user(world: World, login: str, **changes: Any) -> Change:
    """A change of a user's record as it is now."""
    changed = replace(stored_user(world, login), **changes)
    return lambda tx: users.change(tx, world.instance.id, changed)


def stored_application(world: World, uri: str) -> TrustedApplication:
    found = world.database.read_now(lambda c: applications.by_uri(c, world.instance.id, uri))
    assert found is not None
    return found


def disabling(world: World, uri: str) -> Change:
    """The kill switch of an application."""
    disabled = replace(stored_application(world, uri), is_enabled=False)
    return lambda tx: applications.change(tx, world.instance.id, disabled)


def deadlocks(database: Database) -> int:
    """How many there were, ever."""

    def count(connection: Connection) -> int:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        return int(connection.exec_driver_sql(_DEADLOCKS).scalar_one())

    return database.read_now(count)
