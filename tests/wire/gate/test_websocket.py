"""WebSockets through a gate, by a client that is not ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mintgate.store import revocations
from mintgate.verify import websocket
from tests.gate_world import until
from tests.wire.gate.conftest import Gated
from tests.world import payload_of


def opened(gated: Gated, path: str, token: str | None, **options: object) -> ClientConnection:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    headers |= options.pop("headers", {})  # type: ignore[arg-type]
    url = gated.gate.url.replace("http", "ws") + path
    return connect(url, additional_headers=headers, proxy=None, **options)  # type: ignore[arg-type]


@pytest.fixture
def link(gated: Gated) -> Iterator[ClientConnection]:
    with opened(gated, "/plain/ws?a=%20b", gated.token, subprotocols=["v1", "v2"]) as found:
        yield found


def test_messages_go_both_ways(gated: Gated, link: ClientConnection) -> None:
    assert link.subprotocol == "v2"
    for message in ("text \u00e9", b"bytes\x00", "x" * 300_000, b""):
        link.send(message)
        assert link.recv(10) == message
    [seen] = gated.upstream.seen
    assert seen.target == "/plain/ws?a=%20b"
    assert seen.one("authorization") == f"Bearer {gated.token}"
    assert seen.one("x-forwarded-for") == "127.0.0.1"
    assert seen.one("sec-websocket-key") != link.request.headers["Sec-WebSocket-Key"]


def test_the_upstream_closes(gated: Gated, link: ClientConnection) -> None:
    link.send("close")
    with pytest.raises(ConnectionClosed):
        link.recv(10)
    assert (link.close_code, link.close_reason) == (4001, "as you wish")


def test_the_client_closes(gated: Gated, link: ClientConnection) -> None:
    link.close(4002)
    assert gated.upstream.gone.wait(10)
    assert gated.upstream.closed_with == 4002


def test_the_client_disappears(gated: Gated, link: ClientConnection) -> None:
    link.socket.close()
    assert gated.upstream.gone.wait(10)


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/plain/ws", None, 401),
        ("/plain/ws", "rubbish", 401),
        ("/plain/ws", "reader", 403),  # such a connection can carry anything
        ("/plain/refused", "token", 403),
        ("/api/domain/ws", "token", 400),  # off for this route
        ("/nowhere/ws", "token", 404),
        ("/away/ws", "token", 400),
    ],
)
def test_a_refusal_is_an_answer(gated: Gated, path: str, token: str | None, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(gated, path, getattr(gated, token or "", token))
    response = refused.value.response
    assert response.status_code == status
    assert b'"error"' in response.body
    assert response.headers["X-Request-Id"]
    if status == 401:
        assert 'realm="DomainAPI"' in response.headers["WWW-Authenticate"]


def test_the_identity_is_never_the_clients(gated: Gated) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(gated, "/plain/ws", gated.token, headers={"X-Mintgate-Login": "ada"})
    assert refused.value.response.status_code == 400
    assert gated.upstream.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(gated: Gated, status: int) -> None:
    """It would lead the caller's credentials to wherever the server behind the gate is led."""
    gated.odd.answer = (
        f"HTTP/1.1 {status} Elsewhere\r\nLocation: {gated.upstream.url}/elsewhere\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
    with pytest.raises(InvalidStatus) as refused:
        opened(gated, "/odd/ws", gated.token)
    assert refused.value.response.status_code == 502
    assert len(gated.odd.requests) == 1
    assert gated.upstream.seen == []


def test_it_lives_no_longer_than_its_token(gated: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "LOOK_SECONDS", 0.2)
    token = gated.world.service_token()
    with opened(gated, "/plain/ws", token) as link:
        link.send("still there")
        assert link.recv(10) == "still there"
        with gated.world.database.begin() as tx:
            claims = payload_of(token)
            revocations.add(tx, gated.world.instance.id, claims["jti"], claims["exp"])
        with pytest.raises(ConnectionClosed):
            link.recv(10)
        assert link.close_code == 1008
    until(gated.upstream.gone.is_set)
