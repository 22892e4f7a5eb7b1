"""One gate for all tests of this folder that change nothing in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mintgate.contract.reference_tokens import TokenKind
from tests.gate_world import API_SECRET, GateWorld, RawUpstream, Upstream, identity_server
from tests.wire.test_python_apis import reference_token
from tests.world import World

GATE = """
[gate]
name = "gate-of-tests"
max_header_bytes = 8192
header_seconds = 2

[[tenants]]
name = "orion"
issuer = "{issuer}"
database = "{database}"
secrets = {{ DomainAPI = {{ env = "SECRET" }} }}

[[routes]]
prefix = "/api/domain"
api = "DomainAPI"
upstream = "{upstream}"

[[routes]]
prefix = "/plain"
api = "DomainAPI"
upstream = "{upstream}"
websocket = true
idle_seconds = 5
max_body_bytes = 100000

[[routes]]
prefix = "/plain/deeper"
api = "DomainAPI"
upstream = "{upstream}/base"
strip_prefix = true
identity = "headers"
keep_host = true

[[routes]]
prefix = "/as-token"
api = "DomainAPI"
upstream = "{upstream}"
identity = "token"
pass_credential = true

[[routes]]
prefix = "/odd"
api = "DomainAPI"
upstream = "{odd}"
idle_seconds = 0.5
websocket = true

[[routes]]
prefix = "/away"
api = "DomainAPI"
upstream = "http://127.0.0.1:1"

[[routes]]
prefix = "/big"
api = "DomainAPI"
upstream = "{upstream}"
max_body_bytes = 0
total_seconds = 30
"""


@dataclass
class Gated:
    """A gate with everything around it."""

    world: World
    gate: GateWorld
    upstream: Upstream
    odd: RawUpstream
    token: str
    user_token: str
    reader: str
    pat: str


@pytest.fixture(scope="session")
def _gated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gated]:
    folder = tmp_path_factory.mktemp("gate")
    world = identity_server(folder)
    upstream, odd = Upstream(), RawUpstream()
    text = GATE.format(
        issuer=world.issuer,
        database=world.instance.database,
        upstream=upstream.url,
        odd=odd.url,
    )
    gate = GateWorld(text, {"SECRET": API_SECRET})
    yield Gated(
        world,
        gate,
        upstream,
        odd,
        token=world.service_token(),
        user_token=world.user_tokens()["access_token"],
        reader=world.user_tokens(scope="openid read")["access_token"],
        pat=reference_token(world, TokenKind.PERSONAL),
    )
    gate.stop()
    upstream.stop()
    odd.stop()
    world.stop()


@pytest.fixture
def gated(_gated: Gated) -> Gated:
    """The gate, with nothing noted yet."""
    upstream = _gated.upstream
    upstream.seen.clear()
    upstream.gone.clear()
    upstream.go_on.clear()
    upstream.answer_headers = []
    upstream.status = 200
    upstream.received = 0
    _gated.odd.holds = False
    _gated.odd.requests.clear()
    return _gated
