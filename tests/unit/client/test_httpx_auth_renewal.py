"""When a token is asked for: once, in time, and by one at a time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from mintgate.client import TokenEndpointUnavailable
from tests.unit.client.issuer_stub import wait_for_renewals, wait_until


def test_client_authenticates_with_encoded_basic(world, service, send):  # [TKN-1]
    answer = send(service(scope="DomainApi read"), world.api + "/x")
    assert answer.status_code == 200
    (request,) = world.token_requests
    assert request.client == (world.client_id, world.client_secret)
    assert request.form == {"grant_type": "client_credentials", "scope": "DomainApi read"}


def test_endpoint_is_discovered_once(world, service, send, clock):
    auth = service(issuer=world.issuer)
    assert send(auth, world.api).status_code == 200
    clock.now += 3601
    assert send(auth, world.api).status_code == 200
    assert (world.discoveries, len(world.token_requests)) == (1, 2)


def test_100_threads_make_one_token_request(world, service):
    world.delay = 0.2
    auth = service()
    with httpx.Client(auth=auth) as client, ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda n: client.get(f"{world.api}/{n}"), range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(world.token_requests) == 1


def test_100_tasks_make_one_token_request(world, service):
    world.delay = 0.2
    auth = service()

    async def go() -> list[httpx.Response]:
        async with httpx.AsyncClient(auth=auth) as client:
            return await asyncio.gather(*(client.get(f"{world.api}/{n}") for n in range(100)))

    assert {answer.status_code for answer in asyncio.run(go())} == {200}
    assert len(world.token_requests) == 1


def test_threads_and_loops_share_one_token_request(world, service):
    world.delay = 0.2
    auth = service()

    def in_a_loop(_: int) -> set[str]:
        async def go() -> list[str]:
            return await asyncio.gather(*(auth.access_token_async() for _ in range(10)))

        return set(asyncio.run(go()))

    with ThreadPoolExecutor(30) as pool:
        loops = pool.map(in_a_loop, range(10))
        threads = pool.map(lambda _: {auth.access_token()}, range(20))
        assert set().union(*loops, *threads) == world.live
    assert len(world.token_requests) == 1


@pytest.mark.parametrize("count", [1, 50])
def test_a_rejected_token_is_replaced_once(world, service, count):
    auth = service()
    with httpx.Client(auth=auth) as client, ThreadPoolExecutor(count) as pool:
        client.get(world.api)
        world.revoke_all()
        answers = list(pool.map(lambda n: client.get(f"{world.api}/{n}"), range(count)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(world.token_requests) == 2


@pytest.mark.parametrize(
    ("lifetime", "margin", "starts_at"),
    [(3600, 60.0, 3540), (3600, 300.0, 3300), (20, 60.0, 15), (3600, 0.0, 3600)],
)
def test_renewal_starts_before_expiry(world, service, send, clock, lifetime, margin, starts_at):
    world.lifetime = lifetime
    auth = service(margin=margin)
    begin = clock.now
    first = send(auth, world.api).request.headers["Authorization"]
    clock.now = begin + starts_at - 0.5
    send(auth, world.api)
    wait_for_renewals()
    assert len(world.token_requests) == 1
    clock.now = begin + starts_at
    assert send(auth, world.api).status_code == 200
    wait_for_renewals()
    assert len(world.token_requests) == 2
    assert send(auth, world.api).request.headers["Authorization"] != first


def test_lifetime_counts_from_before_the_request(world, service, clock):
    """A slow answer does not make a token look fresher than it is."""
    world.delay = 0.3
    auth = service()
    asked = threading.Thread(target=auth.access_token)
    asked.start()
    wait_until(lambda: len(world.token_requests) == 1)
    clock.now += 3600  # the token is minted by now, and its answer on the way
    asked.join()
    auth.access_token()
    assert len(world.token_requests) == 2


def test_first_half_of_the_margin_does_not_wait(world, service, clock):
    auth = service()
    first = auth.access_token()
    world.delay = 0.5
    clock.now += 3600 - 59
    assert auth.access_token() == first
    clock.now += 30
    assert auth.access_token() != first  # second half: joins the renewal under way
    assert len(world.token_requests) == 2


def test_a_cancelled_task_does_not_stop_the_renewal(world, user):
    world.delay = 0.3
    stored: list[str] = []
    auth = user(on_rotate=stored.append)

    async def go() -> str:
        impatient = asyncio.create_task(auth.access_token_async())
        patient = asyncio.create_task(auth.access_token_async())
        await asyncio.sleep(0.1)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        return await patient

    assert asyncio.run(go()) in world.live
    assert stored == [world.refresh_token]


def test_a_closed_loop_does_not_lose_the_rotated_token(world, user):
    world.delay = 0.3
    stored: list[str] = []
    auth = user(on_rotate=stored.append)

    async def go() -> None:
        await asyncio.wait_for(auth.access_token_async(), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(go())
    assert asyncio.run(auth.access_token_async()) in world.live
    assert stored == [world.refresh_token]
    assert len(world.token_requests) == 1


def test_an_event_loop_goes_on_while_renewing(world, service):
    world.delay = 0.3
    auth = service()

    async def go() -> int:
        task, turns = asyncio.create_task(auth.access_token_async()), 0
        while not task.done():
            await asyncio.sleep(0.01)
            turns += 1
        return turns

    assert asyncio.run(go()) > 5


def test_without_threads_left_the_request_fails_and_the_next_one_works(world, service, monkeypatch):
    auth = service()

    def exhausted(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", exhausted)
        with pytest.raises(TokenEndpointUnavailable):
            auth.access_token()
    assert auth.access_token() in world.live
