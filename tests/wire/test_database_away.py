"""What callers see of a PostgreSQL that is stopped, killed, cut off, silent or only read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from mintgate.store import Database, DatabaseUnavailable, postgresql, revocations
from tests.own_postgresql import BreakableWay, OwnPostgresql, own_postgresql
from tests.promptness import PROMPT_SECONDS
from tests.wire.test_forward_auth import GATE, MORE, ask
from tests.wire.test_forward_auth import SECRET as GATE_SECRET
from tests.world import SECRET, STOCK, World, payload_of

MINTING = {"grant_type": "client_credentials"}
SOON = PROMPT_SECONDS
"""Seconds for what takes about one, on a machine that is busy."""


class Site(NamedTuple):
    """A server whose way to its database can be broken."""

    world: World
    server: OwnPostgresql
    way: BreakableWay
    service: str
    person: str


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with own_postgresql() as server:
        way = BreakableWay(server.port)
        world = World(f"{server.url(port=way.port)}?connect_timeout=2", more=MORE, clock=time.time)
        world.leaks.note("secret", GATE_SECRET)
        world.start()
        yield Site(world, server, way, world.service_token(), world.user_tokens()["access_token"])
        way.mend()
        world.stop()
        way.close()


@pytest.fixture(autouse=True)
def known(site: Site) -> Iterator[None]:
    """Both tokens have been checked, and both sessions are known; afterwards all is well again."""
    assert [check(site, token) for token in (site.service, site.person)] == [204, 204]
    yield
    site.way.mend()
    wait_until(lambda: check(site, site.service) == 204 and mint(site).status_code == 200, 60)
    follower(site)._stale_state_seconds = 60.0


def follower(site: Site) -> Any:
    assert site.world.application is not None
    return site.world.application.follower


def check(site: Site, token: str) -> int:
    return int(ask(site.world, token, GATE).status_code)


def mint(site: Site) -> Any:
    return site.world.request_token((STOCK, SECRET), **MINTING)


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not come about"
        time.sleep(0.02)


def require_away(site: Site, *, checks: int = 204) -> None:
    """What is known goes on, everything else is told to come again."""
    # Until a look has failed, requests ask the database themselves, and are refused with it.
    wait_until(lambda: not follower(site).is_fresh and follower(site)._is_away, 10)
    assert [check(site, token) for token in (site.service, site.person)] == [checks, checks]
    minted = mint(site)
    assert (minted.status_code, minted.json()["error"]) == (503, "temporarily_unavailable")
    assert minted.headers["retry-after"] == "5"
    new = site.world.http.get("/readyz")
    assert new.status_code == 503


def require_back(site: Site, seconds: float = SOON) -> None:
    """Without a restart, soon."""
    wait_until(lambda: mint(site).status_code == 200, seconds)
    wait_until(lambda: follower(site).is_fresh, seconds)
    assert check(site, site.person) == 204


def test_connections_are_cut(site: Site) -> None:
    site.way.cut()
    require_away(site)
    site.way.mend()
    require_back(site)


def test_nothing_is_taken_on_trust_when_so_configured(site: Site) -> None:
    """`--stale-state-seconds 0`: refused at once."""
    follower(site)._stale_state_seconds = 0.0
    site.way.cut()
    require_away(site, checks=503)
    site.way.mend()
    require_back(site)


def test_trust_comes_to_an_end(site: Site) -> None:
    follower(site)._stale_state_seconds = 1.5
    site.way.cut()
    wait_until(lambda: not follower(site).is_fresh, 10)
    wait_until(lambda: check(site, site.service) == 503, 10)


def test_the_way_is_silent(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error comes, and no answer: known tokens go on without waiting, minting gives up."""
    monkeypatch.setattr(postgresql.BoundedConnection, "answer_seconds", 4.0)
    site.way.stall()
    wait_until(lambda: bool(follower(site)._is_away), 10)
    began = time.monotonic()
    assert [check(site, token) for token in (site.service, site.person)] == [204, 204]
    assert time.monotonic() - began < 3.0
    assert mint(site).status_code == 503
    assert time.monotonic() - began < 20.0
    site.way.mend()
    require_back(site, 10.0)


def test_a_crash_and_a_restart(site: Site) -> None:
    site.server.kill()
    require_away(site)
    site.server.start()
    require_back(site)


def test_a_stop_and_a_restart(site: Site) -> None:
    site.server.stop()
    require_away(site)
    site.server.start()
    require_back(site)


def test_a_read_only_period(site: Site) -> None:
    """[TOP-13] What is only read goes on, revocations are seen; nothing is minted."""
    setting = "ALTER SYSTEM SET default_transaction_read_only = {}"
    site.server.execute(setting.format("on"), "SELECT pg_reload_conf()")
    wait_until(lambda: mint(site).status_code == 503, 5)
    assert [check(site, token) for token in (site.service, site.person)] == [204, 204]
    assert follower(site).is_fresh
    site.server.execute(
        "SET default_transaction_read_only = off", setting.format("off"), "SELECT pg_reload_conf()"
    )
    require_back(site)


def test_a_new_session_cannot_be_opened(site: Site) -> None:
    """[SES-27] 503 for who is not in session; who is goes on."""
    token = site.world.user_tokens()["access_token"]  # another sign-in
    site.way.cut()
    wait_until(lambda: not follower(site).is_fresh, 10)
    refused = ask(site.world, token, GATE)
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert check(site, site.person) == 204
    site.way.mend()
    wait_until(lambda: check(site, token) == 204, SOON)


def test_a_revocation_is_seen_at_once_when_the_way_is_mended(site: Site) -> None:
    """[REV-4] and not before: `stale_state_seconds` is the bound for who is cut off."""
    token = site.world.service_token()
    assert check(site, token) == 204
    site.way.cut()
    wait_until(lambda: not follower(site).is_fresh, 10)
    jti = str(payload_of(token)["jti"])
    elsewhere = Database(site.server.url())
    with elsewhere.begin() as tx:
        revocations.add(tx, site.world.instance.id, jti, time.time() + 3600)
    elsewhere.close()
    site.way.mend()
    wait_until(lambda: check(site, token) == 401, SOON)


def test_an_unknown_outcome_is_not_told_as_done(site: Site) -> None:
    """The commit was sent and its answer lost: 503, and nothing is done a second time."""
    # A way of its own: the server at work there would commit something, too.
    way = BreakableWay(site.server.port)
    database = Database(site.server.url(port=way.port))
    ran: list[int] = []

    def work(tx: Any) -> None:
        ran.append(1)
        revocations.add(tx, site.world.instance.id, "U" * 32, time.time() + 3600)

    async def run() -> None:
        await database.write(lambda tx: None)
        way.cut_after(b"COMMIT")
        with pytest.raises(DatabaseUnavailable):
            await database.write(work)

    asyncio.run(run())
    way.mend()
    database.close()
    way.close()
    assert ran == [1]
    found = site.server.execute("SELECT jti FROM revoked_tokens")
    assert ("U" * 32,) in found  # it happened, and nobody was told that it had not
