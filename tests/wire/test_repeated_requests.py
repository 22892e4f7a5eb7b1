"""A request for a service token whose bytes are known is decided anew, every time."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from mintgate.contract.applications import ClientType
from mintgate.contract.identifiers import secret_hash
from mintgate.identity.endpoints.token import TokenEndpoint
from mintgate.store import Database, DatabaseUnavailable
from tests.world import NOW, SECRET, STOCK, World, payload_of, sqlite_url

FORM = {"grant_type": "client_credentials", "client_id": STOCK, "client_secret": SECRET}


def request(form: dict[str, str] | None = None, more: str = "", *, port: int) -> bytes:
    body = urlencode(FORM if form is None else form)
    return (
        f"POST /id/connect/token HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"{more}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Client:
    """A kept connection, and how many requests the token endpoint was called with."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.link = socket.create_connection(("127.0.0.1", world.port), timeout=20)
        self.read = 0
        called = TokenEndpoint.__call__

        async def counted(endpoint: TokenEndpoint, *arguments: Any) -> None:
            self.read += 1
            await called(endpoint, *arguments)

        monkeypatch.setattr(TokenEndpoint, "__call__", counted)

    def ask(self, data: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
        self.link.sendall(data)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._more()
        head, _, body = got.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        while len(body) < int(headers["content-length"]):
            body += self._more()
        answer = json.loads(body)
        for name in ("access_token",):
            if name in answer:
                self.world.leaks.note("token", answer[name])
        return int(status.split(" ")[1]), headers, answer

    def _more(self) -> bytes:
        piece = self.link.recv(65536)
        assert piece
        return piece

    def know(self, data: bytes) -> None:
        """Ask until the request is known. A machine that is busy may be late to follow the feed."""
        for asked in range(100):
            before = self.read
            assert self.ask(data)[0] == 200
            if self.read == before:
                return
            time.sleep(0.01 if asked > 3 else 0)
        raise AssertionError("the request is read again and again")

    def refused(self, data: bytes) -> str:
        """The error, which the long way gives."""
        before = self.read
        status, _, answer = self.ask(data)
        assert status in {400, 401}
        assert self.read == before + 1
        return str(answer["error"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(sqlite_url(tmp_path_factory.mktemp("repeated"))).start()
    yield world
    world.stop()


@pytest.fixture
def client(house: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Whose request is known."""
    client = Client(house, monkeypatch)
    client.know(request(port=house.port))
    yield client
    client.link.close()
    house.clock.now = NOW


def test_the_answer_is_the_same(house: World, client: Client) -> None:
    """[TKN-20, EP-6]: headers, members, claims; the audit row too, and each `jti` once."""
    data = request(port=house.port)
    read = client.ask(data.replace(b"Host:", b"X-Other: y\r\nHost:"))
    before = client.read
    again = [client.ask(data) for _ in range(20)]
    assert client.read == before
    claims = [payload_of(answer["access_token"]) for _, _, answer in [read, *again]]
    for status, headers, answer in again:
        assert status == read[0] == 200
        assert {k: v for k, v in headers.items() if k != "date"} == {
            k: v for k, v in read[1].items() if k != "date"
        }
        assert answer.keys() == read[2].keys()
        assert {k: v for k, v in answer.items() if k != "access_token"} == {
            k: v for k, v in read[2].items() if k != "access_token"
        }
    changing = {"jti", "nbf", "iat", "exp"}
    assert all(
        {k: v for k, v in one.items() if k not in changing}
        == {k: v for k, v in claims[0].items() if k not in changing}
        for one in claims
    )
    identifiers = [one["jti"] for one in claims]
    assert len(set(identifiers)) == len(identifiers)
    events = {event.jti: event for event in house.events("token.issued")}
    told = [events[jti] for jti in identifiers]
    assert {(one.application, one.address, one.actor) for one in told} == {
        (STOCK, "127.0.0.1", "svc.stock")
    }
    assert len({str(one.details) for one in told}) == 1


CHANGES: dict[str, tuple[Callable[[World], object], Callable[[World], object], str]] = {
    "another secret [EXT-10]": (
        lambda w: w.change_application(STOCK, application_secret_hash=secret_hash("x" * 20)),
        lambda w: w.change_application(STOCK, application_secret_hash=secret_hash(SECRET)),
        "invalid_client",
    ),
    "the secret has ended [EXT-10]": (
        lambda w: w.change_application(STOCK, application_secret_end_utc=int(NOW)),
        lambda w: w.change_application(STOCK, application_secret_end_utc=None),
        "invalid_client",
    ),
    "disabled [TKN-33]": (
        lambda w: w.change_application(STOCK, is_enabled=False),
        lambda w: w.change_application(STOCK, is_enabled=True),
        "invalid_client",
    ),
    "ClientType None [TKN-38]": (
        lambda w: w.change_application(STOCK, client_type=ClientType.NONE),
        lambda w: w.change_application(STOCK, client_type=ClientType.CONFIDENTIAL),
        "unauthorized_client",
    ),
    "no system user any more [TKN-39]": (
        lambda w: w.change_application(STOCK, system_user_allowed=False),
        lambda w: w.change_application(STOCK, system_user_allowed=True),
        "unauthorized_client",
    ),
    "the system user is inactive [TKN-41]": (
        lambda w: w.change_user("svc.stock", active=False),
        lambda w: w.change_user("svc.stock", active=True),
        "unauthorized_client",
    ),
    "nothing may be granted [TKN-42]": (
        lambda w: w.change_application(STOCK, scope=""),
        lambda w: w.change_application(STOCK, scope="read update"),
        "invalid_scope",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changes_is_seen(what: str, house: World, client: Client) -> None:
    change, undo, error = CHANGES[what]
    data = request(port=house.port)
    change(house)
    try:
        assert client.refused(data) == error
    finally:
        undo(house)
    client.know(data)


def test_less_scope_is_seen(house: World, client: Client) -> None:
    data = request(port=house.port)
    house.change_application(STOCK, scope="read")
    try:
        assert client.ask(data)[2]["scope"] == "read"
    finally:
        house.change_application(STOCK, scope="read update")
    assert client.ask(data)[2]["scope"] == "read update"


def test_time_goes_on(house: World, client: Client) -> None:
    house.clock.advance(100)
    assert (
        payload_of(client.ask(request(port=house.port))[2]["access_token"])["iat"] == int(NOW) + 100
    )


def test_a_browser_is_answered_as_one(house: World, client: Client) -> None:
    """[EP-8] What asks with an `Origin` goes the long way, each time."""
    data = request(more="Origin: http://127.0.0.1:9101\r\n", port=house.port)
    for _ in range(4):
        before = client.read
        status, headers, _ = client.ask(data)
        assert status == 200
        assert headers["access-control-allow-origin"] == "http://127.0.0.1:9101"
        assert client.read == before + 1


@pytest.mark.parametrize(
    "form",
    [
        FORM | {"client_secret": "wrong-secret-of-the-tests"},
        FORM | {"scope": "sec"},
        FORM | {"grant_type": "password"},
        {"grant_type": "client_credentials"},
    ],
)
def test_a_refusal_is_never_known(house: World, client: Client, form: dict[str, str]) -> None:
    for _ in range(3):
        client.refused(request(form, port=house.port))


def test_another_host_is_not_answered(house: World, client: Client) -> None:
    data = request(port=house.port).replace(b"Host: 127.0.0.1", b"Host: other.example")
    for _ in range(3):
        client.link.sendall(data)
        assert client._more().startswith(b"HTTP/1.1 421 ")


def test_what_an_instance_became_is_seen(house: World, client: Client) -> None:
    """Another life of tokens: what is known was of the instance as it was."""
    data = request(port=house.port)
    house.declare(replace=("licences = 1000", "licences = 1000\naccess_token_lifetime = 600"))
    try:
        assert client.ask(data)[2]["expires_in"] == 600
        client.know(data)
        assert client.ask(data)[2]["expires_in"] == 600
    finally:
        house.declare()
    assert client.ask(data)[2]["expires_in"] != 600


def test_a_known_address_goes_on_after_wrong_secrets(house: World, client: Client) -> None:
    """Whoever guesses from the same address cannot keep the application out."""
    wrong = request(FORM | {"client_secret": "wrong-secret-of-the-tests"}, port=house.port)
    for _ in range(5):
        client.refused(wrong)
    client.know(request(port=house.port))  # from here the right secret came before


@pytest.mark.parametrize(
    ("error", "status"), [(DatabaseUnavailable("cause"), 503), (RuntimeError("cause"), 500)]
)
def test_nothing_leaves_that_is_not_committed(
    house: World,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
) -> None:
    """As on the long way: the error of the standard, no token, and nothing of the cause."""

    def fail(*_: Any) -> bool:
        raise error

    before = client.read
    monkeypatch.setattr(Database, "append_alone", fail)
    monkeypatch.setattr(Database, "commit", fail)
    got, headers, answer = client.ask(request(port=house.port))
    assert got == status
    assert client.read == before
    assert "access_token" not in answer
    assert answer["error"] == ("temporarily_unavailable" if status == 503 else "server_error")
    assert "cause" not in str(answer)
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert ("retry-after" in headers) == (status == 503)
