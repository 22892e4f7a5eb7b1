"""What callers see when the database is away or something breaks, and that it heals."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mintgate.store import DatabaseUnavailable
from tests.world import SECRET, STOCK, World

ORIGIN = {"Origin": "http://127.0.0.1:9101"}


async def away(*_: Any) -> Any:
    raise DatabaseUnavailable("the database was taken away by a test")


async def broken(*_: Any) -> Any:
    raise LookupError("broken by a test")


def without_copies(world: World) -> None:
    """Nothing that is known already may help."""
    records = world.server_directory()._records
    records.applications._entries.clear()
    records.users._entries.clear()


CALLS: list[tuple[str, Callable[[World, str], Any]]] = [
    (
        "token",
        lambda w, t: w.http.post(
            "/id/connect/token",
            data={"grant_type": "client_credentials"},
            auth=(STOCK, SECRET),
            headers=ORIGIN,
        ),
    ),
    (
        "userinfo",
        lambda w, t: w.http.get(
            "/id/connect/userinfo", headers=ORIGIN | {"Authorization": f"Bearer {t}"}
        ),
    ),
    ("api", lambda w, t: w.api("Crm_Sales_Customers", t, headers=dict(ORIGIN))),
]


@pytest.mark.parametrize("call", [pytest.param(c, id=name) for name, c in CALLS])
def test_the_database_is_away(call: Callable[[World, str], Any], world: World) -> None:
    """503 with Retry-After in the protocol's own shape, for browsers too [API-23, API-40]."""
    token = world.user_tokens()["access_token"]
    world.http.get("/id/connect/userinfo", headers=ORIGIN)  # the origins are known
    without_copies(world)
    read, world.server_database.read = world.server_database.read, away
    answer = call(world, token)
    world.server_database.read = read
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    assert "taken away" not in answer.text
    error = answer.json()["error"]
    assert error == "temporarily_unavailable" or error["code"] == 503
    assert call(world, token).status_code == 200


@pytest.mark.parametrize("call", [pytest.param(c, id=name) for name, c in CALLS])
def test_an_unexpected_failure(call: Callable[[World, str], Any], world: World) -> None:
    """500 with an id and no detail [TKN-53, API-42]."""
    token = world.user_tokens()["access_token"]
    world.http.get("/id/connect/userinfo", headers=ORIGIN)
    without_copies(world)
    read, world.server_database.read = world.server_database.read, broken
    answer = call(world, token)
    world.server_database.read = read
    assert answer.status_code == 500
    assert "Give its operator this id" in answer.text
    assert "broken" not in answer.text
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("failure", [away, broken])
def test_following_goes_on_after_a_failed_read(failure: Any, world: World) -> None:
    """[TOP-13, TAP-4] one failed poll must not lose the change that it would have read."""
    token = world.service_token()
    assert world.api("Crm_Sales_Customers", token).status_code == 200
    read, failures = world.server_database.look, []

    async def fail_once_after_the_version(work: Any) -> Any:
        if getattr(work, "__name__", "") == "positions":
            failures.append(work)
            world.server_database.look = read
            return await failure()
        return await read(work)

    world.server_database.look = fail_once_after_the_version
    world.change_application(STOCK, is_enabled=False)
    assert failures
    assert world.api("Crm_Sales_Customers", token).status_code == 401


class LostConnection:
    """A connection that its driver says is gone."""

    def cursor(self) -> Any:
        raise sqlite3.OperationalError("disk I/O error")

    def close(self) -> None:
        raise sqlite3.OperationalError("disk I/O error")


def test_the_watching_connection_is_lost(world: World) -> None:
    """Whatever a driver raises, following goes on with a new connection."""
    follower = world.application.follower  # type: ignore[union-attr]
    lost = follower._watching = LostConnection()  # type: ignore[assignment]
    world.change_user("svc.stock", active=False)
    assert follower._watching is not lost
    form = {"grant_type": "client_credentials"}
    assert world.request_token((STOCK, SECRET), **form).json()["error"] == "unauthorized_client"


def test_a_revocation_during_a_reload_is_kept(world: World) -> None:
    """[REV-4] a reload that began before the revocation must not forget it."""
    from mintgate.store import revocations

    directory = world.server_directory()
    keys = directory._keys
    rows = keys._rows

    revoked = threading.Event()

    def rows_then_revoked(connection: Any) -> Any:
        found = rows(connection)
        keys._rows = rows  # type: ignore[method-assign]
        with world.database.begin() as tx:
            revocations.add(tx, world.instance.id, "A" * 32, 2e9)
        world.sync()
        revoked.set()
        return found

    keys._rows = rows_then_revoked  # type: ignore[method-assign]
    # The housekeeping at the start may have reloaded already, or may be just doing so.
    while not revoked.is_set():
        keys.must_reload = True
        world.service_token()
    world.service_token()  # waits for a reload that is under way
    assert "A" * 32 in directory._revoked._tokens


def test_an_instance_change_whose_reload_fails_once(world: World) -> None:
    world.instance_settings = "access_token_lifetime = 600"
    read, failed = world.server_database.read, []

    async def fail_once(work: Any) -> Any:
        if getattr(work, "__name__", "") == "all_of":
            failed.append(work)
            world.server_database.read = read
            raise DatabaseUnavailable("away")
        return await read(work)

    world.server_database.read = fail_once
    world.declare()
    form = {"grant_type": "client_credentials"}
    answers = [world.request_token((STOCK, SECRET), **form) for _ in range(2)]
    assert failed
    assert [answer.status_code for answer in answers] == [503, 200]
    assert answers[1].json()["expires_in"] == 600
