"""Starts every way: real nginx with its example, `mintgate gate`, and a guard in process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from mintgate.contract.declared_apis import Limits
from mintgate.gate.identity import identity_headers
from mintgate.gate.route_limits import counting_in
from mintgate.gate.settings import RouteSettings
from mintgate.gate.tenants import LimitsByTenant
from mintgate.verify import GuardMiddleware, RemoteState, connect_guard
from mintgate.verify.asgi import PRINCIPAL
from mintgate.verify.counters import Counters
from mintgate.verify.limits import RequestLimits
from mintgate.verify.rate_limits import RateLimits
from tests.edge.servers import running
from tests.edge.ways import (
    AUDIENCES,
    BUILT_IN,
    GATE,
    MANY,
    MIDDLEWARE,
    NGINX,
    PREFIXES,
    Limited,
    Ways,
    declared,
)
from tests.gate_world import API_SECRET, GateWorld, Seen, Served, Upstream
from tests.world import World, sqlite_url

_TENANT = """
[[tenants]]
name = "orion"
issuer = "{issuer}"
database = "{database}"
secrets = {{ {secrets} }}
"""
_ROUTE = """
[[routes]]
prefix = "{prefix}"
api = "{api}"
upstream = "{upstream}"
identity = "headers"
limits = {{ per_session = {per_session} }}
"""


class Recording:
    """An application behind the guard in process; it notes who calls as `Upstream` is told."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for moment in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{moment}.complete"})
            return
        body = b""
        while (message := await receive()).get("more_body"):
            body += message.get("body", b"")
        principal = scope[PRINCIPAL]
        told = [] if principal is None else identity_headers(principal)
        headers = [(n.decode(), v.decode()) for n, v in told]
        self.seen.append(Seen(scope["method"], scope["raw_path"].decode(), headers, body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@contextmanager
def every_way(folder: Path) -> Iterator[Ways]:
    """Start them all: four nginx (a server has one audience), a gate, four applications."""
    with ExitStack() as stack:
        world = World(sqlite_url(folder), clock=time.time, more=declared(MANY)).start()
        stack.callback(world.stop)
        world.leaks.note("secret", API_SECRET)
        ports: dict[tuple[str, str], int] = {}
        behind_nginx, behind_gate = Upstream(), Upstream()
        stack.callback(behind_nginx.stop)
        stack.callback(behind_gate.stop)
        for api in AUDIENCES:
            changes = {"DomainAPI": api} if api != "DomainAPI" else {}
            ports[NGINX, api] = stack.enter_context(
                running("nginx", world.port, behind_nginx.port, API_SECRET, **changes)
            )
            ports[BUILT_IN, api] = world.port
        limits: list[Limited] = []
        gate = _gate(world, behind_gate.url, limits)
        stack.callback(gate.stop)
        states = [tenant.state for tenant in gate.gate.tenants if tenant.state is not None]
        recording = Recording()
        for api in AUDIENCES:
            ports[GATE, api] = gate.port
            served, state = _in_process(world, api, recording, limits)
            stack.callback(served.stop)
            ports[MIDDLEWARE, api] = served.port
            states.append(state)
        for state in states:
            state.ensure_followed()
        seen = {NGINX: behind_nginx.seen, GATE: behind_gate.seen, MIDDLEWARE: recording.seen}
        ways = Ways(world, ports, seen, states, limits)
        stack.callback(ways.close)
        ways.learn()
        yield ways


def _gate(world: World, upstream: str, limits: list[Limited]) -> GateWorld:
    secrets = ", ".join(f'{api} = {{ env = "SECRET" }}' for api in AUDIENCES)
    text = _TENANT.format(
        issuer=world.issuer, database=world.instance.database, secrets=secrets
    ) + "".join(
        _ROUTE.format(prefix=PREFIXES[api], api=api, upstream=upstream, per_session=MANY)
        for api in AUDIENCES
    )
    usual = counting_in(Counters())

    def limits_of(route: RouteSettings) -> RequestLimits | None:
        found = usual(route)
        assert isinstance(found, LimitsByTenant)
        limits.append(found)
        return found

    return GateWorld(text, {"SECRET": API_SECRET}, limits_of=limits_of)


def _in_process(
    world: World, api: str, app: Recording, limits: list[Limited]
) -> tuple[Served, RemoteState]:
    counted = RateLimits(Limits(per_session=MANY), api=api)
    limits.append(counted)
    guard = connect_guard(
        world.issuer,
        api=api,
        secret=API_SECRET,
        database=world.instance.database,
        limits=counted,
    )
    state = guard.verifier.state  # type: ignore[attr-defined]
    assert isinstance(state, RemoteState)
    config = uvicorn.Config(
        GuardMiddleware(app, guard), log_config=None, access_log=False, lifespan="on"
    )
    return Served(config), state
