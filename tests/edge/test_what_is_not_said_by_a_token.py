"""Limits, slots, and a gate that is away or does not know the server in front (§9, §10)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import jwt
import pytest

from mintgate.contract.errors import TooManyRequests
from mintgate.server.application import Application
from mintgate.server.instance_application import InstanceApplication
from mintgate.verify import OpenSession, Principal
from tests.edge.conftest import Edge
from tests.edge.exchange import exchange
from tests.edge.servers import NAMES, running
from tests.edge.test_forward_auth import CUSTOMERS, Front, bearer, both
from tests.wire.test_state_feed import API_SECRET

IDENTITY = {
    "caddy": (
        " ".join(
            f"X-Mintgate-{name}"
            for name in (
                "Kind Login User-Id User-Type Name Email Admin Client-Id Issuer Database Scope "
                "Session"
            ).split()
        ),
        "X-Mintgate-Token",
    )
}
"""What has to be changed in an example besides the address, for an internal token."""


class NoMore:
    """A limit that is used up for one caller."""

    def hit(
        self, principal: Principal, session: OpenSession | None, address: str
    ) -> list[tuple[bytes, bytes]]:
        if principal.login == "mira.k":
            raise TooManyRequests(retry_after=7, limits=((b"ratelimit", b'"x";r=0'),))
        return [(b"ratelimit", b'"x";r=1')]


@contextmanager
def limited(edge: Edge) -> Iterator[None]:
    async def change(_: Application, instance: InstanceApplication) -> None:
        guards = instance.forward_auth.guards
        guards.limits_of = (lambda _: None) if guards.limits_of is unlimited else unlimited
        guards._apis = None
        guards.stamp = lambda: None  # type: ignore[method-assign]

    def unlimited(_: object) -> NoMore:
        return NoMore()

    edge.world.run_in_server(change)
    try:
        yield
    finally:
        edge.world.run_in_server(change)


def test_a_limit_that_is_used_up(edge: Edge, front: Front) -> None:
    """[API-54] 429 with `Retry-After` and `RateLimit`"""
    name, port = front
    with limited(edge):
        reply = exchange(port, "GET", CUSTOMERS, bearer(edge, "user"))
        allowed = exchange(port, "GET", CUSTOMERS, bearer(edge, "service"))
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")
    assert reply.headers["ratelimit"] == '"x";r=0'
    assert json.loads(reply.body)["error"]["type"] == "too_many_requests"
    assert allowed.status == 200
    # Caddy has no way to copy a header of a permission to the client's answer.
    assert allowed.headers.get("ratelimit") == (None if name == "caddy" else '"x";r=1')


def test_no_free_slot(edge: Edge, front: Front) -> None:
    """[SES-33, SES-34] 503, which some servers in front would take for a failure"""
    exchange(edge.direct, "GET", CUSTOMERS, bearer(edge, "user"))
    late = edge.world.user_tokens("ada", scope="openid read")["access_token"]
    headers = [("Authorization", f"Bearer {late}")]
    edge.world.declare(replace=("licences = 1000", "licences = 1"))
    try:
        edge.world.http.get("/id/.well-known/openid-configuration")
        direct, reply = both(edge, front, "GET", CUSTOMERS, headers)
    finally:
        edge.world.declare()
        edge.world.http.get("/id/.well-known/openid-configuration")
    assert (direct.status, reply.status) == (503, 503)
    assert reply.body == direct.body
    assert reply.headers["retry-after"] == direct.headers["retry-after"] == "60"


@pytest.mark.parametrize("name", NAMES)
def test_a_gate_that_is_away_lets_nothing_pass(name: str, edge: Edge) -> None:
    before = edge.api.requests
    with (
        socket.socket() as taken,  # and not listened at
        running(name, closed_port(taken), edge.api.port, API_SECRET) as port,
    ):
        reply = exchange(port, "GET", CUSTOMERS, bearer(edge, "user"))
        assert reply.status in {502, 503}, reply
    assert edge.api.requests == before


def closed_port(taken: socket.socket) -> int:
    taken.bind(("127.0.0.1", 0))
    return int(taken.getsockname()[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_secret_lets_nothing_pass(name: str, edge: Edge) -> None:
    """[ITR-1] and no client takes it for its own credential"""
    before = edge.api.requests
    with running(name, edge.world.port, edge.api.port, "wrong-secret-of-gate") as port:
        reply = exchange(port, "GET", CUSTOMERS, bearer(edge, "user"))
        assert reply.status in {500, 503}, reply
        assert "www-authenticate" not in reply.headers
        told = exchange(
            port,
            "GET",
            CUSTOMERS,
            [*bearer(edge, "user"), ("X-Mintgate-Gate-Secret", API_SECRET)],
        )
        assert told.status in {500, 503}, told
    assert edge.api.requests == before


@pytest.mark.parametrize("name", NAMES)
def test_the_caller_as_an_internal_token(name: str, edge: Edge) -> None:
    """[EXT-16] whatever the credential is"""
    changes = {f"/gate/{name}/": f"/gate/{name}-token/"}
    if name in IDENTITY:
        changes |= dict([IDENTITY[name]])
    served = edge.world.http.get("/id/.well-known/openid-configuration/jwks").json()
    keys = {key["kid"]: jwt.PyJWK(key) for key in served["keys"]}
    with running(name, edge.world.port, edge.api.port, API_SECRET, **changes) as port:
        for credential in ("user", "pat"):
            reply = exchange(port, "GET", CUSTOMERS, bearer(edge, credential))
            told = {n: v for n, v in reply.reached["headers"] if n.startswith("x-mintgate-")}
            assert set(told) == {"x-mintgate-token"}
            token = told["x-mintgate-token"]
            kid = jwt.get_unverified_header(token)["kid"]
            claims = jwt.decode(token, keys[kid], ["RS256"], audience="DomainAPI")
            assert claims["sub"] == "mira.k"
