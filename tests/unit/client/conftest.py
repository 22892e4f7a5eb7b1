from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from mintgate.client import BearerAuth, ClientCredentialsAuth, RefreshTokenAuth
from tests.unit.client.issuer_stub import FakeClock, Stage, World, served

Send = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[Stage, str]]:
    stage = Stage()
    with served(stage) as base:
        yield stage, base


@pytest.fixture
def world(stage: tuple[Stage, str]) -> World:
    stage[0].world = World(stage[1])
    return stage[0].world


@pytest.fixture
def foreign() -> Iterator[World]:
    """Another server, which must not see a token."""
    world = World()
    with served(world) as world.base:
        yield world


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def service(world: World, clock: FakeClock) -> Callable[..., ClientCredentialsAuth]:
    """Makes a `ClientCredentialsAuth` for the world; arguments replace the usual ones."""

    def make(**arguments: Any) -> ClientCredentialsAuth:
        usual: dict[str, Any] = {
            "api": world.api,
            "client_id": world.client_id,
            "client_secret": world.client_secret,
            "clock": clock,
        }
        if "issuer" not in arguments:
            usual["token_endpoint"] = world.token_endpoint
        return ClientCredentialsAuth(**usual | arguments)

    return make


@pytest.fixture
def user(world: World, clock: FakeClock) -> Callable[..., RefreshTokenAuth]:
    """Makes a `RefreshTokenAuth` for the world; arguments replace the usual ones."""

    def make(**arguments: Any) -> RefreshTokenAuth:
        usual: dict[str, Any] = {
            "api": world.api,
            "client_id": world.client_id,
            "refresh_token": world.refresh_token,
            "token_endpoint": world.token_endpoint,
            "clock": clock,
        }
        return RefreshTokenAuth(**usual | arguments)

    return make


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    """Sends one request with an auth: every scenario runs sync and async.

    Each async call has an event loop of its own, so locks bound to one loop would show.
    """

    def send_sync(
        auth: BearerAuth, url: str, method: str = "GET", **options: Any
    ) -> httpx.Response:
        follow = options.pop("follow_redirects", False)
        with httpx.Client(auth=auth, follow_redirects=follow) as client:
            return client.request(method, url, **options)

    def send_async(
        auth: BearerAuth, url: str, method: str = "GET", **options: Any
    ) -> httpx.Response:
        follow = options.pop("follow_redirects", False)

        async def go() -> httpx.Response:
            async with httpx.AsyncClient(auth=auth, follow_redirects=follow) as client:
                return await client.request(method, url, **options)

        return asyncio.run(go())

    return send_sync if request.param == "sync" else send_async
