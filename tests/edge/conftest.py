"""One mintgate and one API; in front of the API the guard in process, and the real servers."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import uvicorn

from mintgate.contract.reference_tokens import TokenKind
from mintgate.gate.refusal_log import RefusalLog
from mintgate.server.application import Application
from mintgate.server.instance_application import InstanceApplication
from mintgate.verify import Guard, GuardMiddleware
from tests.edge.exchange import Upstream, upstream
from tests.edge.servers import NAMES, running
from tests.wire.test_api_checks import resigned
from tests.wire.test_python_apis import reference_token
from tests.wire.test_state_feed import API_SECRET, declare_api
from tests.world import World, sqlite_url


class Edge(NamedTuple):
    """What all servers in front share.

    Args:
        direct: the port of the guard in process, with which every other way is compared.
    """

    world: World
    api: Upstream
    direct: int
    tokens: dict[str, str]


@pytest.fixture(scope="session")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    world = World(sqlite_url(tmp_path_factory.mktemp("edge")), clock=time.time).start()
    world.leaks.note("secret", API_SECRET)
    declare_api(world)
    world.sync()
    with upstream() as api:
        tokens = {
            "user": world.user_tokens()["access_token"],
            "reader": world.user_tokens(scope="openid read")["access_token"],
            "service": world.service_token(),
            "pat": reference_token(world, TokenKind.PERSONAL),
            "sat": reference_token(world, TokenKind.SERVICE),
            "nothing": resigned(world, scope=["DomainApi"]),
            "elsewhere": resigned(world, aud=["TableAPI"]),
            "crossed": resigned(world, client_db="OTHER"),
            "expired": resigned(world, exp=int(time.time()) - 10),
        }
        yield Edge(world, api, direct_guard(world), tokens)
    world.stop()


def direct_guard(world: World) -> int:
    """Serve the guard in process, by the server's own sources; gives the port."""
    listening = socket.create_server(("127.0.0.1", 0))

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"direct"})

    async def serve(application: Application, instance: InstanceApplication) -> None:
        guard = Guard(instance._verifier, "DomainAPI", sessions=instance.erp_sessions)
        log = RefusalLog(instance.instance, "DomainAPI", world.server_database, world.clock)
        config = uvicorn.Config(
            GuardMiddleware(answer, guard, on_refusal=log),
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            assert not task.done()
            await asyncio.sleep(0.01)

    world.run_in_server(serve)
    return int(listening.getsockname()[1])


@pytest.fixture(scope="session", params=NAMES)
def front(edge: Edge, request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """Every real server in turn: its name and port."""
    with running(request.param, edge.world.port, edge.api.port, API_SECRET) as port:
        yield request.param, port
