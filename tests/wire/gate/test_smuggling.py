"""Bytes that two servers in a row could cut into different requests: none gets past the listener.

Every case is sent as it is. Whatever the gate makes of it, the upstream sees at most what the gate
has judged, and no second request.
"""

from __future__ import annotations

import socket
import time

import pytest

from tests.gate_world import exchange, reply_to, until
from tests.wire.gate.conftest import Gated

SMUGGLED = b"GET /plain/smuggled HTTP/1.1\r\nHost: a\r\nX: y"


def sent(gated: Gated, data: bytes) -> bytes:
    """All that comes back; TOKEN in the data is a good one."""
    return exchange(gated.gate.port, data.replace(b"TOKEN", gated.token.encode()))


HEAD = b"POST /plain/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\n"
BARE = b"POST /plain/x HTTP/1.0\r\nAuthorization: Bearer TOKEN\r\n"
"""[RFC 9112 §3.2] HTTP/1.0 may come without `Host`."""
REFUSED = {
    "CL and TE": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE and CL": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two CL": HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two equal CL": HEAD + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "CL list": HEAD + b"Content-Length: 4, 4\r\n\r\nabcd",
    "CL plus": HEAD + b"Content-Length: +4\r\n\r\nabcd",
    "CL minus": HEAD + b"Content-Length: -4\r\n\r\nabcd",
    "CL hex": HEAD + b"Content-Length: 0x4\r\n\r\nabcd",
    "CL empty": HEAD + b"Content-Length:\r\n\r\nabcd",
    "CL too long": HEAD + b"Content-Length: 99999999999999999999\r\n\r\nabcd",
    "TE xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE identity": HEAD + b"Transfer-Encoding: identity\r\n\r\n",
    "TE gzip": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "TE not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two TE": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE vertical tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "TE folded": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "TE space before colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "TE in 1.0": HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE in 1.0 without Host": BARE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE identity in 1.0 without Host": BARE + b"Transfer-Encoding: identity\r\n\r\n",
    "CL plus in 1.0 without Host": BARE + b"Content-Length: +4\r\n\r\nabcd",
    "h2c settings in 1.0 without Host": BARE + b"HTTP2-Settings: AAA\r\n\r\n",
    "Upgrade in 1.0 without Host": BARE + b"Upgrade: websocket\r\n\r\n",
    "folded header": HEAD + b"X: a\r\n b\r\n\r\n",
    "folded first header": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "bare LF": HEAD.replace(b"\r\n", b"\n") + b"\n",
    "bare LF in a header": HEAD + b"X: a\nY: b\r\n\r\n",
    "bare CR in a header": HEAD + b"X: a\rY: b\r\n\r\n",
    "doubled CR": HEAD + b"X: a\r\r\n\r\n",
    "NUL in a value": HEAD + b"X: a\x00b\r\n\r\n",
    "NUL in a name": HEAD + b"X\x00: b\r\n\r\n",
    "NUL in the path": b"GET /plain/a\x00b HTTP/1.1\r\nHost: a\r\n\r\n",
    "space before colon": HEAD + b"X : y\r\n\r\n",
    "no colon": HEAD + b"X\r\n\r\n",
    "no name": HEAD + b": y\r\n\r\n",
    "space in the path": b"GET /plain/a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab after the method": b"GET\t/plain/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "chunk size is no number": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "chunk size too large": HEAD + b"Transfer-Encoding: chunked\r\n\r\n%s1\r\nabc" % (b"f" * 16),
    "chunk longer than told": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    "chunk ends in LF": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
    "LF in a chunk extension": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n",
    "CL in a trailer": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
    "no Host": b"GET /plain/a HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /plain/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "Host with a space": b"GET /plain/a HTTP/1.1\r\nHost: a b\r\n\r\n",
    "Host with a path": b"GET /plain/a HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host with a user": b"GET /plain/a HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "empty Host": b"GET /plain/a HTTP/1.1\r\nHost:\r\n\r\n",
    "target of another host": b"GET http://b/plain/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "target of another scheme": b"GET gopher://a/plain/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "target with a fragment": b"GET /plain/a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "target without a slash": b"GET plain HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /plain/a\r\n\r\n",
    "HTTP/0.9 by name": b"GET /plain/a HTTP/0.9\r\nHost: a\r\n\r\n",
    "HTTP/1.2": b"GET /plain/a HTTP/1.2\r\nHost: a\r\n\r\n",
    "HTTP/2.0": b"GET /plain/a HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "unknown method": b"FOO /plain/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "method in lower case": b"get /plain/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "h2c": HEAD
    + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n",
    "h2c without settings": HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "h2c beside websocket": HEAD + b"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
    "Upgrade without Connection": HEAD + b"Upgrade: websocket\r\n\r\n",
    "Upgrade by POST": HEAD
    + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "Upgrade to an old version": HEAD.replace(b"POST", b"GET")
    + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n"
    + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "too many headers": HEAD + b"X: y\r\n" * 200 + b"\r\n",
    "a header too long": HEAD + b"X: " + b"y" * 9000 + b"\r\n\r\n",
    "a target too long": b"GET /plain/" + b"y" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header without an end": HEAD + b"X: " + b"y" * 300_000,
    "a target without an end": b"GET /plain/" + b"y" * 300_000,
    "a name without an end": HEAD + b"y" * 300_000,
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_the_connection_is_over(gated: Gated, name: str) -> None:
    answer = sent(gated, REFUSED[name] + SMUGGLED + b"\r\n\r\n")
    # A reset may take the answer of what was too long.
    if answer or not name.endswith("without an end"):
        status = int(answer[9:12])
        assert answer.startswith(b"HTTP/1.1 ")
        assert status in {400, 408, 431, 501, 505}, answer
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"\r\nconnection: close\r\n" in answer
        assert b'"error":{' in answer
    assert gated.upstream.seen == []
    assert gated.gate.ask("/-/health").status_code == 200


def test_statuses_that_tell_what_is_wrong(gated: Gated) -> None:
    for name, status in (
        ("two CL", b"400"),
        ("too many headers", b"431"),
        ("a header too long", b"431"),
        ("a target too long", b"431"),
        ("HTTP/0.9 by name", b"505"),
        ("TE gzip", b"501"),
        ("CONNECT", b"501"),
    ):
        assert sent(gated, REFUSED[name])[9:12] == status, name


def test_trace_would_show_what_the_gate_adds(gated: Gated) -> None:
    """RFC 9110 §9.3.8"""
    answer = sent(gated, HEAD.replace(b"POST", b"TRACE") + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nallow: GET, " in answer
    assert gated.upstream.seen == []


NORMALISED = {
    "chunk extension": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
    "trailer": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    + b"X-Mintgate-Login: ada\r\nAuthorization: Bearer x\r\n\r\n",
    "TE in capitals": HEAD + b"tRANSFER-eNCODING: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "CL with spaces": HEAD + b"Content-Length: \t3 \r\n\r\nabc",
    "CL with zeros": HEAD + b"Content-Length: 0003\r\n\r\nabc",
    "lines before": b"\r\n\r\n" + HEAD + b"Content-Length: 3\r\n\r\nabc",
    "absolute target": HEAD.replace(b"/plain", b"http://a/plain") + b"Content-Length: 3\r\n\r\nabc",
    "CL named by Connection": HEAD + b"Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc",
    "TE named by Connection": HEAD
    + b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", NORMALISED)
def test_it_arrives_in_one_plain_form(gated: Gated, name: str) -> None:
    refused = b"GET /plain/y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = sent(gated, NORMALISED[name] + refused)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert b"HTTP/1.1 401 " in answer  # what comes after it is a request of its own
    [seen] = gated.upstream.seen
    assert (seen.target, seen.body) == ("/plain/x", b"abc")
    framing = [value for n, value in seen.headers if n in {"content-length", "transfer-encoding"}]
    assert framing in (["3"], ["chunked"])
    assert seen.one("x-mintgate-login") is None
    assert seen.one("authorization") == f"Bearer {gated.token}"


def test_a_body_that_looks_like_a_request_is_a_body(gated: Gated) -> None:
    body = SMUGGLED + b"\r\n\r\n"
    data = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    assert sent(gated, data).count(b"HTTP/1.1 200") == 1
    assert [seen.body for seen in gated.upstream.seen] == [body]


def test_a_get_with_a_body_is_passed_on_as_one(gated: Gated) -> None:
    data = HEAD.replace(b"POST", b"GET") + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc"
    assert sent(gated, data).startswith(b"HTTP/1.1 200 ")
    [seen] = gated.upstream.seen
    assert (seen.body, seen.one("content-length")) == (b"abc", "3")


def test_a_refused_request_with_a_body_does_not_shift_the_next_one(gated: Gated) -> None:
    body = SMUGGLED + b"\r\n\r\n"
    refused = b"POST /plain/a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
    good = HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n"
    answer = sent(gated, refused % (len(body), body) + good)
    assert [answer.count(b"HTTP/1.1 401 "), answer.count(b"HTTP/1.1 200 ")] == [1, 1]
    assert [seen.target for seen in gated.upstream.seen] == ["/plain/x"]


def test_what_follows_a_bad_chunk_reaches_nobody(gated: Gated) -> None:
    answer = sent(
        gated,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n" + SMUGGLED + b"\r\n\r\n",
    )
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer[9:12] == b"400"
    assert gated.upstream.seen == []  # not as a whole request


def test_endless_trailers_and_extensions_are_cut_off(gated: Gated) -> None:
    for tail in (b"0\r\nX: ", b"3;"):
        data = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" + tail + b"y" * 1_000_000
        with socket.create_connection(("127.0.0.1", gated.gate.port), timeout=10) as link:
            try:
                link.sendall(data.replace(b"TOKEN", gated.token.encode()))
                answer = link.recv(4096)
            except ConnectionError:
                answer = b""
        assert answer[9:12] in {b"400", b""}
    assert gated.upstream.seen == []


def test_a_head_that_comes_slowly_is_given_up(
    gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = time.monotonic()
    answer = exchange(gated.gate.port, b"GET /plain/x HT", seconds=20)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started < 15


def test_a_body_that_nobody_reads_has_to_come_in_time(gated: Gated) -> None:
    """Else everybody could hold any number of connections, with a byte now and then."""
    head = b"POST /plain/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", gated.gate.port), timeout=0.2) as link:
        link.sendall(head)
        answer = b""
        while time.monotonic() - started < 10:
            try:
                link.sendall(b"x")
                if not (piece := link.recv(4096)):
                    break
                answer += piece
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("the connection is held for ever")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_body_that_comes_late_but_in_time_does_no_harm(gated: Gated) -> None:
    head = b"POST /plain/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gated.gate.port), timeout=10) as link:
        link.sendall(head)
        assert link.recv(4096).startswith(b"HTTP/1.1 401 ")
        link.sendall(b"abc")
        time.sleep(2.2)  # longer than a head may take
        link.sendall(head)
        assert link.recv(4096).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "header",
    [
        b"X-Mintgate-Login: ada",
        b"x_mintgate_login: ada",
        b"X.Mintgate~Login: ada",
        b"x*http_method.override: DELETE",
        b"X-HTTP-Method-Override: DELETE",
        b"X-Original-URL: /plain/admin",
        b"X-Rewrite-Url: /plain/admin",
    ],
)
def test_headers_that_would_change_who_or_what(gated: Gated, header: bytes) -> None:
    assert sent(gated, HEAD + header + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")[
        9:12
    ] == (b"400")
    assert gated.upstream.seen == []


@pytest.mark.parametrize(
    "target",
    [
        "//plain/x",
        "/plain//x",
        "/plain/./x",
        "/plain/../plain/x",
        "/plain/%2e%2e/x",
        "/plain/a%2fb",
        "/plain/a%5cb",
        "/plain/a\\b",
        "/plain/a;b",
        "/plain/a%3bb",
        "/plain/%00",
        "/plain/a%252fb",
        "/plain/%ff",
        "/plain/%zz",
        "/plain/a%0d%0ab",
        "/plain/x?_method=DELETE",
        "/plain/x?%5fmethod=DELETE",
        "*",
    ],
)
def test_targets_that_servers_read_in_several_ways(gated: Gated, target: str) -> None:
    data = f"GET {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gated.token}\r\n\r\n"
    assert reply_to(gated.gate.port, data.encode()).status == 400
    assert gated.upstream.seen == []


HANDSHAKE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(
    "behind",
    [b"rubbish\r\n\r\n", HEAD.replace(b"POST", b"GET") + HANDSHAKE],
    ids=["rubbish", "a WebSocket"],
)
def test_an_answer_that_is_given_is_not_broken_into(gated: Gated, behind: bytes) -> None:
    """What is bad behind a good request closes the connection; it writes into no answer."""
    head = f"GET /plain/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gated.token}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gated.gate.port), timeout=10) as link:
        link.sendall(head.encode())
        until(lambda: gated.upstream.seen)
        answer = link.recv(4096)
        link.sendall(behind.replace(b"TOKEN", gated.token.encode()))
        gated.upstream.go_on.set()
        try:
            while piece := link.recv(4096):
                answer += piece
        except ConnectionError:
            pass
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"400" not in answer


@pytest.mark.parametrize("pause", [0.0, 0.1])
def test_an_answer_that_nobody_asked_for_is_nobodys(gated: Gated, pause: float) -> None:
    """A second answer on a connection that is kept would go to the next caller."""
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"

    def two_answers(connection: socket.socket) -> None:
        if pause:
            connection.sendall(good)
            time.sleep(pause)
            connection.sendall(poison)
        else:
            connection.sendall(good + poison)
        time.sleep(0.2)
        # Whoever comes next on this connection gets a good answer, after the poison.
        if connection.recv(65536):
            connection.sendall(good)

    gated.odd.answer = two_answers
    for _ in range(3):
        assert gated.gate.ask("/odd/x", gated.token).text == "good"
        time.sleep(pause * 2)
