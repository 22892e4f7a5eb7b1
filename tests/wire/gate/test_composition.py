"""What else a gate can be made of: ERP sessions, rate limits, a proxy that is trusted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from websockets.sync.client import connect

from mintgate.contract.errors import TooManyRequests
from mintgate.gate.sessions import ErpSessions
from mintgate.gate.tenants import Tenant
from mintgate.store import Database
from mintgate.verify import OpenSession, Principal, websocket
from tests.gate_world import API_SECRET, GateWorld, exchange, until
from tests.wire.gate.conftest import Gated
from tests.world import payload_of

FILE = """
[gate]
trusted_proxies = {trusted}
[[tenants]]
name = "orion"
issuer = "{issuer}"
database = "{database}"
secrets = {{ DomainAPI = {{ env = "SECRET" }} }}
[[routes]]
prefix = "/"
api = "DomainAPI"
upstream = "{upstream}"
websocket = true
{route}
"""
Make = Callable[..., GateWorld]


@pytest.fixture
def make(gated: Gated) -> Iterator[Make]:
    made: list[GateWorld] = []

    def gate(trusted: str = "[]", route: str = "", **options: object) -> GateWorld:
        text = FILE.format(
            issuer=gated.world.issuer,
            database=gated.world.instance.database,
            upstream=gated.upstream.url,
            trusted=trusted,
            route=route,
        )
        made.append(GateWorld(text, {"SECRET": API_SECRET}, **options))
        return made[-1]

    yield gate
    for one in made:
        one.stop()


def test_a_session_is_opened_by_the_first_permitted_request(gated: Gated, make: Make) -> None:
    """[SES-11, SES-26]"""
    world = gated.world
    database = Database(world.database_url)
    sources: list[ErpSessions] = []

    def sessions_of(tenant: Tenant) -> ErpSessions:
        assert tenant.settings.issuer == world.issuer
        source = ErpSessions(world.instance.id, database, lambda: tenant.is_known, time.time)
        sources.append(source)
        return source

    gate = make(sessions_of=sessions_of)
    until(lambda: gate.ask("/-/ready").is_success)
    token = world.service_token()
    before = world.count_rows("erp_sessions")
    assert gate.ask("/nothing").status_code == 401
    assert gate.ask("/x", gated.reader, "POST").status_code == 403
    assert world.count_rows("erp_sessions") == before
    assert gate.ask("/x", token, "POST", content=b"x" * 70_000).status_code == 200
    assert gate.ask("/x", token).status_code == 200
    assert world.count_rows("erp_sessions") == before + 1
    [source] = sources
    [session] = source.known._known.values()
    assert (session.requests, session.uploaded) == (2, 70_000)
    assert session.downloaded > 70_000
    assert session.current == 0
    database.close()


def test_a_websocket_is_a_use_of_its_session(
    gated: Gated, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[SES-14, SES-17] else it would go on without a slot when its session has ended"""
    monkeypatch.setattr(websocket, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(websocket, "IN_USE_SECONDS", 0.05)
    database = Database(gated.world.database_url)
    sources: list[ErpSessions] = []

    def sessions_of(tenant: Tenant) -> ErpSessions:
        instance_id = gated.world.instance.id
        sources.append(ErpSessions(instance_id, database, lambda: tenant.is_known, time.time))
        return sources[-1]

    gate = make(sessions_of=sessions_of)
    until(lambda: gate.ask("/-/ready").is_success)
    token = gated.world.service_token()
    key = payload_of(token)["jti"]
    [source] = sources
    headers = {"Authorization": f"Bearer {token}"}
    with connect(f"ws://127.0.0.1:{gate.port}/ws", additional_headers=headers, proxy=None):
        session = source.known._known[key]
        until(lambda: session.requests > 2)
        source.known.forget(key)
        until(lambda: key in source.known)
        assert source.known._known[key] is not session
    database.close()


def test_limits_are_counted_and_told(gated: Gated, make: Make) -> None:
    """[API-17]"""

    class Two:
        counted = 0

        def hit(
            self, principal: Principal, session: OpenSession | None, address: str
        ) -> list[tuple[bytes, bytes]]:
            assert (principal.client_id, address) == ("sync.example.org/stock", "127.0.0.1")
            self.counted += 1
            if self.counted > 2:
                raise TooManyRequests(retry_after=7)
            return [(b"ratelimit", b"two")]

    gate = make(limits_of=lambda route: Two())
    for _ in range(2):
        answer = gate.ask("/x", gated.token)
        assert (answer.status_code, answer.headers["ratelimit"]) == (200, "two")
    refused = gate.ask("/x", gated.token)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert len(gated.upstream.seen) == 2


def test_a_trusted_proxy_tells_the_address(gated: Gated, make: Make) -> None:
    headers = {"X-Forwarded-For": "10.9.8.7", "X-Forwarded-Proto": "https"}
    assert make('["127.0.0.1"]').ask("/x", gated.token, headers=headers).is_success
    assert make('["10.0.0.1"]').ask("/x", gated.token, headers=headers).is_success
    trusted, untrusted = gated.upstream.seen
    assert trusted.one("x-forwarded-for") == "10.9.8.7"
    assert trusted.one("x-forwarded-proto") == "https"
    assert (trusted.one("forwarded") or "").startswith("for=10.9.8.7;")
    assert untrusted.one("x-forwarded-for") == "127.0.0.1"
    assert untrusted.one("x-forwarded-proto") == "http"


def test_sessions_are_leased_from_the_identity_server(gated: Gated, make: Make) -> None:
    """[SES-11, SES-27] without a word about it in the file"""
    gate = make()
    until(lambda: gate.ask("/-/ready").is_success)
    token = gated.world.service_token()
    before = gated.world.count_rows("erp_sessions")
    assert [gate.ask("/x", token).status_code for _ in range(3)] == [200] * 3
    assert gated.world.count_rows("erp_sessions") == before + 1
    gate.stop()  # which tells what it has noted
    key = payload_of(token)["jti"]
    [row] = [row for row in gated.world.rows("erp_sessions") if row["key"] == key]
    assert row["total_requests"] == 3


def test_requests_per_minute_of_a_route(gated: Gated, make: Make) -> None:
    """[API-54, EXT-11]"""
    gate = make(route="limits = { per_session = 2 }")
    token, other = gated.world.service_token(), gated.world.service_token()
    answers = [gate.ask("/x", token) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == answers[2].headers["ratelimit-policy"]
    assert int(answers[2].headers["retry-after"]) > 0
    assert gate.ask("/x", other).status_code == 200


def test_requests_that_run_at_once_in_a_route(gated: Gated, make: Make) -> None:
    """[API-51, EXT-11]"""
    gate = make(route="concurrency = { per_session = 1, waiting = 0 }")
    token = gated.world.service_token()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gate.ask, "/stream", token)
        until(lambda: any(seen.target == "/stream" for seen in gated.upstream.seen))
        assert gate.ask("/x", token).status_code == 429
        assert gate.ask("/x", gated.world.service_token()).status_code == 200
        gated.upstream.go_on.set()
        assert first.result().status_code == 200
    assert gate.ask("/x", token).status_code == 200


def test_a_batch_that_does_not_come_is_given_up(gated: Gated, make: Make) -> None:
    """It waits in memory, and its sender could have any number of them."""
    gate = make(route="batch = { body_seconds = 0.2 }")
    head = (
        f"POST /$batch HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gated.reader}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    answer = exchange(gate.port, head.encode())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nconnection: close\r\n" in answer
    assert gated.upstream.seen == []


def test_a_batch_is_taken_apart_and_limited(gated: Gated, make: Make) -> None:
    """[API-32]"""
    gate = make(route="batch = { parts = 1 }")

    def batch(*parts: dict[str, object]) -> httpx.Response:
        return gate.ask("/$batch", gated.reader, "POST", json={"requests": parts})

    read = {"id": "1", "method": "GET", "url": "Crm_Sales_Customers"}
    write = {"id": "2", "method": "DELETE", "url": "Crm_Sales_Customers(7)"}
    assert batch(read, write).status_code == 413
    answer = batch(write)
    assert [part["status"] for part in answer.json()["responses"]] == [403]
    assert gated.upstream.seen == []
    assert batch(read).status_code == 200
    assert [seen.target for seen in gated.upstream.seen] == ["/$batch"]
