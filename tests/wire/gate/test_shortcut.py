"""Answers that are given without a call of the application, over real connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mintgate.gate.listener import server_config
from mintgate.gate.settings import ListenerSettings
from mintgate.gate.shortcut import Shortcut, head, header_lines
from mintgate.verify import ApiRequest
from tests.gate_world import Served, exchange

ASKED = b"GET /short/%b HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /long/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Call:
    """A request that `App` may answer at once."""

    varying = None

    def __init__(self, app: App, request: ApiRequest) -> None:
        self._app = app
        self._request = request

    def at(self, value: bytes) -> None:
        """Nothing varies."""

    def answer(self) -> bytes | dict[str, Any]:
        return self._app.at_once(self._request)


class App:
    """Answers below `/short/` at once, except `no`; and says of each request which way it took."""

    def __init__(self) -> None:
        self.left: list[Any] = []

    def prepare(self, request: ApiRequest) -> Call | None:
        if request.raw_path.endswith(b"/never"):
            return None
        if request.raw_path.endswith(b"/fails"):
            raise RuntimeError("this way is closed")
        return Call(self, request)

    def at_once(self, request: ApiRequest) -> bytes | dict[str, Any]:
        if request.raw_path.endswith(b"/no"):
            return {"left": "a note"}
        named = [(b"x-way", b"short"), (b"x-path", request.raw_path), (b"x-query", request.query)]
        return head(204, named)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        self.left.append(scope.get("left"))
        body = (await receive())["body"]
        headers = [(b"x-way", b"long"), (b"x-path", scope["raw_path"]), (b"x-body", body)]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def app_and_port() -> Iterator[tuple[App, int]]:
    app = App()
    settings = ListenerSettings(header_seconds=5, keep_alive_seconds=1, max_headers=20)
    shortcut = Shortcut(b"/short/", app.prepare)
    served = Served(server_config(app, settings, shortcut=shortcut, date_header=True))
    yield app, served.port
    served.stop()


@pytest.fixture
def port(app_and_port: tuple[App, int]) -> int:
    app_and_port[0].left.clear()
    return app_and_port[1]


def ways(answer: bytes) -> list[tuple[str, str]]:
    """Way and path of each answer, in order."""
    found = []
    for one in answer.split(b"HTTP/1.1 ")[1:]:
        lines = dict(line.split(": ", 1) for line in one.decode().split("\r\n")[1:] if ": " in line)
        assert one.startswith(b"204 No Content\r\n")
        assert one.endswith(b"\r\n\r\n")
        assert lines["date"]
        found.append((lines["x-way"], lines["x-path"]))
    return found


def test_a_whole_answer(port: int) -> None:
    answer = exchange(port, b"GET /short/a%20b?c=d?e HTTP/1.1\r\nHost: a\r\n\r\n" + LAST)
    first, _, rest = answer.partition(b"\r\n\r\n")
    lines = first.split(b"\r\n")
    assert lines[:4] == [
        b"HTTP/1.1 204 No Content",
        b"x-way: short",
        b"x-path: /short/a%20b",
        b"x-query: c=d?e",
    ]
    assert [line.partition(b":")[0] for line in lines[4:]] == [b"date"]
    assert ways(rest) == [("long", "/long/last")]


def test_pipelined_answers_come_in_order(port: int) -> None:
    """RFC 9112 §9.3.2: whichever way each of them takes, and however the bytes are cut."""
    names = [b"1", b"2", b"no", b"3", b"fails", b"4", b"5"]
    data = b"".join(ASKED % name for name in names) + LAST
    expected = [
        ("long" if name in {b"no", b"fails"} else "", f"/short/{name.decode()}") for name in names
    ] + [("long", "/long/last")]
    for size in (len(data), 7, 50):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(data), size):
                link.sendall(data[at : at + size])
            answer = b""
            while piece := link.recv(65536):
                answer += piece
        found = ways(answer)
        assert [path for _, path in found] == [path for _, path in expected]
        # What waits for an answer before it is never overtaken.
        assert all(
            way == "long" for (way, _), (wanted, _) in zip(found, expected, strict=True) if wanted
        )
        assert found[0] == ("short", "/short/1")


def test_many_answers_that_nobody_reads_end_in_waiting(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        count = 3000
        link.sendall((ASKED % b"x") * count + LAST)
        answer = b""
        while piece := link.recv(65536):
            answer += piece
    assert [path for _, path in ways(answer)] == ["/short/x"] * count + ["/long/last"]


@pytest.mark.parametrize(
    ("data", "closes"),
    [
        pytest.param(b"GET /short/a HTTP/1.0\r\n\r\n", True, id="HTTP/1.0"),
        pytest.param(
            b"GET /short/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", True, id="close"
        ),
        pytest.param(
            b"POST /short/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", False, id="body"
        ),
        pytest.param(
            b"POST /short/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nab\r\n0\r\n\r\n",
            False,
            id="chunked",
        ),
        pytest.param(ASKED % b"no", False, id="not at once"),
        pytest.param(ASKED % b"fails", False, id="failure"),
    ],
)
def test_everything_unusual_goes_the_long_way(port: int, data: bytes, *, closes: bool) -> None:
    answer = exchange(port, data if closes else data + LAST)
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert ways(first + b"\r\n\r\n") == [
        ("long", "/short/" + first.split(b"/short/")[1].split(b"\r")[0].decode())
    ]
    assert (b"connection: close" in first) is closes
    assert (b"x-body: ab" in first) is (b"POST" in data)
    assert ways(rest) == ([] if closes else [("long", "/long/last")])


def test_what_was_found_out_is_left_for_the_application(
    app_and_port: tuple[App, int], port: int
) -> None:
    exchange(port, ASKED % b"no" + LAST)
    assert app_and_port[0].left == ["a note", None]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
def test_an_empty_body_is_none(port: int, method: bytes) -> None:
    data = method + b" /short/a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    assert ways(exchange(port, data + LAST)) == [("short", "/short/a"), ("long", "/long/last")]


def test_what_is_malformed_is_refused_after_the_answers_before_it(port: int) -> None:
    answer = exchange(port, ASKED % b"a" + b"GET /short/b HTTP/1.1\r\n\r\n" + ASKED % b"c")
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert ways(first + b"\r\n\r\n") == [("short", "/short/a")]
    assert rest.startswith(b"HTTP/1.1 400 ")
    assert b"/short/c" not in rest


def test_an_idle_connection_is_closed_and_a_used_one_kept(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        began = time.monotonic()
        while time.monotonic() - began < 1.5:  # longer than an idle one is kept
            link.sendall(ASKED % b"a")
            assert link.recv(65536).startswith(b"HTTP/1.1 204 ")
        assert link.recv(65536) == b""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x-a", b"b\r\nx-c: d"),
        (b"x-a", b"b\n"),
        (b"x-a", b"\x00"),
        (b"x-a", b"\x7f"),
        (b"x a", b"b"),
        (b"x-a:", b"b"),
        (b"", b"b"),
        (b"x-a\r\nx-b", b"b"),
    ],
)
def test_headers_that_would_come_out_as_others(name: bytes, value: bytes) -> None:
    with pytest.raises(ValueError, match="no header"):
        header_lines([(b"x-good", b"yes"), (name, value)])


def test_headers_as_they_are_sent() -> None:
    assert header_lines([(b"a", b""), (b"b", "é\t~".encode("latin-1"))]) == b"a: \r\nb: \xe9\t~\r\n"
