"""Limits of the built-in APIs over the wire: 429 with its headers, and who goes on [API-50..54]."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import httpx
import pytest

from mintgate.server.application import Application
from mintgate.store import Database
from tests.unit.verify.workbench import wait_until
from tests.world import World, sqlite_url

CUSTOMERS = "Crm_Sales_Customers?$top=1"
LIMITS = """
[[apis]]
Name = "DomainAPI"

[apis.limits]
per_session = {per_session}
per_client = {per_client}
"""


def limits(per_session: int = 5, per_client: int = 0) -> str:
    return LIMITS.format(per_session=per_session, per_client=per_client)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    url = sqlite_url(tmp_path_factory.mktemp("limits"))
    world = World(url, more=limits(), customers=True).start()
    yield world
    world.stop()


def statuses(world: World, token: str, times: int) -> list[int]:
    return [world.api(CUSTOMERS, token).status_code for _ in range(times)]


def keep_limits(world: World) -> None:
    """What the server does every second."""
    world.run_in_server(lambda app, instance: instance.limits.keep())


def test_the_sixth_request_is_refused_and_others_go_on(world: World) -> None:
    """[API-50, API-54, API-40] by session: not another one of the same application"""
    token, other = world.service_token(), world.service_token()
    answers = [world.api(CUSTOMERS, token) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers] == [
        f'"session";r={left}' for left in (4, 3, 2, 1, 0, 0)
    ]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"session";q=5;w=60'}
    refusal = answers[-1]
    seconds = int(refusal.headers["retry-after"])
    assert refusal.headers["ratelimit"] == f'"session";r=0;t={seconds}'
    assert refusal.headers["content-type"] == "application/json"
    assert "www-authenticate" not in refusal.headers  # the token is good
    assert refusal.json()["error"] == {
        "message": "Too many requests of this session. Wait, and then go on more slowly.",
        "code": 429,
        "type": "too_many_requests",
        "info": "",
    }
    assert statuses(world, other, 2) == [200, 200]
    # What the header says is true.
    world.clock.advance(seconds)
    world.sync()
    assert statuses(world, token, 1) == [200]


def test_a_browser_application_can_read_how_things_stand(world: World) -> None:
    """[API-23]"""
    token = world.service_token()
    for status in [200] * 5 + [429]:
        answer = world.api(CUSTOMERS, token, headers={"Origin": "http://127.0.0.1:9101"})
        assert answer.status_code == status
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(exposed)


def test_the_refusal_is_in_the_audit_log(world: World) -> None:
    token = world.service_token()
    *_, last = [world.api(CUSTOMERS, token) for _ in range(6)]
    event = world.events("api.refused")[0]
    assert event.cause == "too_many_requests: session: 5 a minute are used up"
    assert event.details is not None
    assert event.details["request_id"] == last.headers["x-request-id"]


def test_requests_that_are_refused_before_do_not_count(world: World) -> None:
    """[API-17] is the last check of those that need no look at the data."""
    token = world.service_token(scope="read")
    for _ in range(7):
        assert world.api(CUSTOMERS, token, method="POST", json={}).status_code == 403
    assert statuses(world, token, 6) == [200] * 5 + [429]


def test_a_header_does_not_change_the_address_nor_the_session(world: World) -> None:
    token = world.service_token()
    codes = [
        world.api(
            CUSTOMERS, token, headers={"X-Forwarded-For": f"192.0.2.{n}", "X-Session": str(n)}
        ).status_code
        for n in range(6)
    ]
    assert codes == [200] * 5 + [429]


def test_a_changed_limit_holds_without_a_restart(a_world: Callable[..., World]) -> None:
    world = a_world(more=limits(), customers=True)
    token = world.service_token()
    assert statuses(world, token, 6) == [200] * 5 + [429]
    world.declare(more=limits(per_session=8))
    keep_limits(world)
    assert statuses(world, token, 4) == [200] * 3 + [429]
    world.declare(more=limits(per_session=0, per_client=2))
    keep_limits(world)
    answers = [world.api(CUSTOMERS, world.service_token()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"client";q=2;w=60'
    assert answers[2].json()["error"]["message"].startswith("Too many requests of this client.")
    world.declare(more=limits(per_session=600))
    keep_limits(world)
    assert world.api(CUSTOMERS, token).headers["ratelimit-policy"] == '"session";q=600;w=60'


def test_one_request_of_a_session_at_once_and_five_that_wait(a_world: Callable[..., World]) -> None:
    """[API-51, API-54] a body that does not come holds up its own session, and no other one"""
    world = a_world(customers=True)
    token, other = world.service_token(), world.service_token()
    assert world.application is not None
    [instance] = world.application._instances.values()

    def running() -> int:
        return sum(session.current for session in instance.erp_sessions.known._known.values())

    body = b'{"Number": "C-1"}'
    head = (
        f"POST /api/domain/odata/Crm_Sales_Customers HTTP/1.1\r\nHost: 127.0.0.1:{world.port}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with (
        socket.create_connection(("127.0.0.1", world.port)) as slow,
        ThreadPoolExecutor(6) as threads,
    ):
        slow.sendall(head.encode() + body[:5])
        wait_until(lambda: running() == 1)
        asked = [threads.submit(world.api, CUSTOMERS, token) for _ in range(6)]
        refused = next(as_completed(asked)).result()
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["error"]["message"].startswith("Too many requests of this session")
        assert statuses(world, other, 2) == [200, 200]
        assert sum(one.done() for one in asked) == 1
        slow.sendall(body[5:])
        codes = sorted(one.result().status_code for one in asked)
    assert codes == [200] * 5 + [429]


@contextlib.contextmanager
def another_server(world: World) -> Iterator[tuple[Callable[[Any], Any], Application]]:
    """A second server over the same database, in a loop of its own, and what runs work there."""
    second = Application(Database(world.database_url, world.clock), world.kek, world.clock)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    run(second.start())
    try:
        yield run, second
    finally:
        run(second.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_two_servers_count_together(a_world: Callable[..., World]) -> None:
    """As soon as each has told the other, which it does every second."""
    world = a_world(more=limits(per_session=10), customers=True)
    token = world.service_token()
    headers = {"Authorization": f"Bearer {token}"}
    with another_server(world) as (run, second):

        async def there() -> int:
            transport = httpx.ASGITransport(second)
            async with httpx.AsyncClient(transport=transport, base_url=world.base) as http:
                path = f"/api/domain/odata/{CUSTOMERS}"
                return (await http.get(path, headers=headers)).status_code

        assert statuses(world, token, 9) == [200] * 9
        keep_limits(world)
        assert run(there()) == 200
        [instance] = second._instances.values()
        run(instance.limits.keep())
        assert [run(there()), run(there())] == [429, 429]
        assert statuses(world, token, 2) == [200, 429]
