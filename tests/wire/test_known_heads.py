"""A call of forward auth whose bytes are known is decided anew, every time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mintgate.contract.identifiers import secret_hash
from mintgate.gate.answering_protocol import AnsweringProtocol
from mintgate.gate.strict_protocol import StrictProtocol
from mintgate.store import DatabaseUnavailable, apis, erp_session_ends, keys, revocations
from tests.wire.test_api_checks import resigned, signing_key
from tests.world import STOCK, World, payload_of, sqlite_url

SECRET, SHOP, FEW = "gate-s3cret-of-domain", "gate-s3cret-of-shop", "gate-s3cret-of-few"
LIMIT = 120
POLICY = """
[apis.policy]
security = ["/admin"]
"""
MORE = f"""
[[apis]]
Name = "DomainAPI"
Secret = "{SECRET}"

[[apis]]
Name = "Few"
Secret = "{FEW}"
limits = {{ per_session = {LIMIT} }}

[[apis]]
Name = "Shop"
Secret = "{SHOP}"
{POLICY}
"""


class Counted:
    """How many heads the parser has read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heads = 0

        def on_headers_complete(protocol: StrictProtocol) -> None:
            self.heads += 1
            StrictProtocol.on_headers_complete(protocol)

        monkeypatch.setattr(
            AnsweringProtocol, "on_headers_complete", on_headers_complete, raising=False
        )


class Link:
    """A kept connection of a server in front."""

    def __init__(self, world: World, counted: Counted) -> None:
        self._socket = socket.create_connection(("127.0.0.1", world.port), timeout=20)
        self._counted = counted

    def status(self, data: bytes) -> int:
        return int(self.answer(data)[9:12])

    def answer(self, data: bytes) -> bytes:
        self._socket.sendall(data)
        got = b""
        while b"\r\n\r\n" not in got:
            piece = self._socket.recv(65536)
            assert piece, got
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(lines.get(b"content-length", b"0")):
            body += self._socket.recv(65536)
        return head + b"\r\n"

    def know(self, data: bytes) -> int:
        """Ask until the head is known; returns how often. A machine that is busy may be late to
        follow the feed, and then each head is read."""
        for asked in range(1, 100):
            before = self._counted.heads
            assert self.status(data) == 204
            if self._counted.heads == before:
                return asked
            time.sleep(0.01 if asked > 3 else 0)
        raise AssertionError("the head is read again and again")

    def is_read(self, data: bytes) -> int:
        """The status of what the parser has to read."""
        before = self._counted.heads
        status = self.status(data)
        assert self._counted.heads == before + 1
        return status


def call(
    token: str, uri: str = "/orders", api: str = "DomainAPI", secret: str = SECRET, **more: str
) -> bytes:
    """What HAProxy asks."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in more.items())
    return (
        f"GET /gate/haproxy/orion/{api} HTTP/1.1\r\nHost: mintgate\r\n"
        f"X-Mintgate-Gate-Secret: {secret}\r\nX-Mintgate-Gate-Method: GET\r\n"
        f"X-Mintgate-Gate-Uri: {uri}\r\nX-Mintgate-Gate-Address: 192.0.2.7\r\n"
        f"Authorization: Bearer {token}\r\n{lines}\r\n"
    ).encode()


def started(world: World) -> World:
    for secret in (SECRET, SHOP, FEW):
        world.leaks.note("secret", secret)
    return world


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(sqlite_url(tmp_path_factory.mktemp("known")), more=MORE)
    yield started(world).start()
    world.stop()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
def link(gate: World, counted: Counted) -> Link:
    return Link(gate, counted)


def test_a_known_head_is_known_on_every_connection(
    gate: World, counted: Counted, link: Link
) -> None:
    data = call(gate.service_token())
    link.know(data)
    assert any(Link(gate, counted).know(data) == 1 for _ in range(20))


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("/orders?$skip=1", 204),
        ("/Systems_Security_Users", 403),
        ("/a/../b", 400),
        ("/a%2fb", 400),
        ("//a", 400),
        ("/orders?_method=PUT", 400),
        ("orders", 400),
        ("?a=b", 500),
        ("/$batch", 405),
    ],
)
def test_another_uri_is_judged_by_itself(gate: World, link: Link, uri: str, status: int) -> None:
    """[API-15] It may be all that differs."""
    token = gate.service_token("read")
    link.know(call(token))
    assert link.status(call(token, uri)) == status
    assert link.status(call(token, uri, x_other="1")) == status  # read by the parser
    assert link.status(call(token)) == 204


def test_what_differs_in_anything_else_is_read(gate: World, link: Link) -> None:
    data = call(gate.service_token("read"))
    link.know(data)
    write = data.replace(b"Gate-Method: GET", b"Gate-Method: PUT")
    assert link.is_read(write) == 403
    assert link.is_read(data.replace(b"Authorization: Bearer ", b"Authorization: Basic ")) == 401
    assert link.is_read(data[:-2] + b"X-HTTP-Method-Override: PUT\r\n\r\n") == 400
    assert link.is_read(data[:-2] + b"X-Mintgate-Gate-Uri: /x\r\n\r\n") == 400
    assert link.is_read(data[:-2] + b"Connection: close\r\n\r\n") == 204


def test_a_revoked_token(gate: World, link: Link) -> None:
    """[API-13]"""
    token = gate.service_token()
    data = call(token)
    link.know(data)
    claims = payload_of(token)
    with gate.database.begin() as tx:
        revocations.add(tx, gate.instance.id, claims["jti"], claims["exp"])
    gate.sync()
    assert [link.is_read(data), link.is_read(data)] == [401, 401]


def _inactive(gate: World) -> Callable[[], Any]:
    gate.change_user("svc.stock", active=False)
    return lambda: gate.change_user("svc.stock", active=True)


def _disabled(gate: World) -> Callable[[], Any]:
    gate.change_application(STOCK, is_enabled=False)
    return lambda: gate.change_application(STOCK, is_enabled=True)


@pytest.mark.parametrize("change", [_inactive, _disabled])
def test_a_state_that_changed(
    gate: World, link: Link, change: Callable[[World], Callable[[], Any]]
) -> None:
    """[API-13, API-14]"""
    data = call(gate.service_token())
    link.know(data)
    undo = change(gate)
    assert link.status(data) == 401
    undo()
    link.know(data)


def test_who_is_no_administrator_any_more(gate: World, link: Link) -> None:
    """[API-22]"""
    data = call(gate.user_tokens("ada")["access_token"])
    link.know(data)
    assert b"\r\nx-mintgate-admin: true\r\n" in link.answer(data)
    gate.change_user("ada", is_admin=False)
    assert b"\r\nx-mintgate-admin: false\r\n" in link.answer(data)
    gate.change_user("ada", is_admin=True)
    assert b"\r\nx-mintgate-admin: true\r\n" in link.answer(data)


def test_another_secret(gate: World, link: Link) -> None:
    """[ITR-1]"""
    data = call(resigned(gate, aud=["Shop"]), api="Shop", secret=SHOP)
    for secret in ("gate-an0ther", None):
        link.know(data)
        with gate.database.begin() as tx:
            hashed = secret_hash(secret) if secret else None
            apis.set_secret(tx, gate.instance.id, "Shop", hashed)
        gate.sync()
        assert link.is_read(data) == 500
        with gate.database.begin() as tx:
            apis.set_secret(tx, gate.instance.id, "Shop", secret_hash(SHOP))
        gate.sync()


def test_another_policy_and_an_api_that_was_removed(gate: World, link: Link) -> None:
    """[EXT-12, API-15]"""
    data = call(resigned(gate, aud=["Shop"], scope=["read"]), "/orders", "Shop", SHOP)
    link.know(data)
    gate.declare(more=MORE.replace('"/admin"', '"/orders"'))
    assert link.is_read(data) == 403
    gate.declare()
    link.know(data)
    with gate.database.begin() as tx:
        apis.remove(tx, gate.instance.id, "Shop")
    gate.sync()
    assert link.is_read(data) == 500
    gate.declare()


def test_a_limit(gate: World, link: Link) -> None:
    """[API-54] Each request is counted once, whichever way it takes."""
    data = call(resigned(gate, aud=["Few"], jti="F" * 32), api="Few", secret=FEW)
    for left in reversed(range(LIMIT - link.know(data))):
        assert b'"session";r=%d;' % left in link.answer(data)
    assert link.is_read(data) == 429
    gate.clock.advance(120.0)
    assert link.status(data) == 204
    gate.clock.advance(-120.0)


def test_a_state_that_may_be_stale(
    gate: World, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[TOP-13] Whoever does not follow the feed asks the database, every time."""
    data = call(gate.service_token())
    link.know(data)
    assert gate.application is not None
    follower = gate.application.follower

    async def nothing(*_: Any) -> None:
        pass

    async def away(*_: Any, **__: Any) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(follower, "poll", nothing)
    clock = follower._clock
    monkeypatch.setattr(follower, "_clock", lambda: clock() + 60)
    assert [link.is_read(data), link.is_read(data)] == [204, 204]
    monkeypatch.setattr(gate.server_database, "read", away)
    assert link.is_read(data) == 503
    monkeypatch.undo()
    assert link.status(data) == 204


def test_the_moment_at_which_a_token_ends(gate: World, link: Link) -> None:
    """[API-9]"""
    token = gate.service_token()
    data = call(token)
    link.know(data)
    before, end = gate.clock.now, payload_of(token)["exp"]
    gate.clock.now = end - 0.01
    link.know(data)
    gate.clock.now = float(end)
    assert [link.is_read(data), link.is_read(data)] == [401, 401]
    gate.clock.now = before


def test_a_key_that_was_removed(a_world: Any, counted: Counted) -> None:
    """[API-6]"""
    world: World = started(a_world(more=MORE))
    data = call(world.service_token())
    link = Link(world, counted)
    link.know(data)
    kid = signing_key(world).kid
    with world.database.begin() as tx:
        keys.end(tx, world.instance.id, kid)
    world.sync()
    assert [link.is_read(data), link.is_read(data)] == [401, 401]


def test_a_session_that_was_closed(a_world: Any, counted: Counted) -> None:
    """[SES-23, SES-33] and an instance whose settings have changed."""
    world: World = started(a_world(more=MORE))
    data = call(world.user_tokens()["access_token"])
    other = call(world.user_tokens("ada")["access_token"])
    link = Link(world, counted)
    link.know(data)
    world.declare(replace=("licences = 1000", "licences = 1"))
    assert link.is_read(data) == 204  # by the instance as it is now
    link.know(data)
    with world.database.begin() as tx:
        erp_session_ends.close_all(tx, world.instance.id)
    world.sync()
    link.know(other)  # which has the only slot now
    assert link.is_read(data) == 503
    with world.database.begin() as tx:
        erp_session_ends.close_all(tx, world.instance.id)
    world.sync()
    link.know(data)
    assert link.is_read(other) == 503
