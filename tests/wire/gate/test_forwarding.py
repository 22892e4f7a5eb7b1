"""What goes through a gate and what it becomes, with a real server behind it."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from contextlib import suppress

import httpx
import jwt
import pytest

from tests.gate_world import exchange, reply_to, until
from tests.wire.gate.conftest import Gated
from tests.world import payload_of


def test_a_request_goes_through_byte_for_byte(gated: Gated) -> None:
    target = '/plain/a%20b/%C3%A9(1)?$top=5&q=%41%zz&x=a+b&&=;"<>^`{|}'
    data = (
        f"GET {target} HTTP/1.1\r\nHost: orion.example\r\nX-Name: \u00e9\r\n"
        f"Authorization: Bearer {gated.token}\r\nConnection: close\r\n\r\n"
    )
    assert reply_to(gated.gate.port, data.encode()).status == 200
    [seen] = gated.upstream.seen
    assert seen.target == target
    assert seen.one("x-name") == "\u00e9".encode().decode("latin-1")
    assert seen.one("authorization") == f"Bearer {gated.token}"
    assert seen.one("host") == f"127.0.0.1:{gated.upstream.port}"
    assert {name for name, _ in seen.headers} == {
        "authorization",
        "forwarded",
        "host",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-name",
    }


def test_what_is_refused_never_arrives(gated: Gated) -> None:
    refused = [
        (gated.gate.ask("/plain/x"), 401),
        (gated.gate.ask("/plain/x", "rubbish"), 401),
        (gated.gate.ask("/plain/x", gated.reader, "POST"), 403),
        (gated.gate.ask("/plain/x", gated.token, headers={"X-Mintgate-Login": "ada"}), 400),
        (gated.gate.ask("/plain/x", gated.token, headers={"X-Api-Key": gated.pat}), 400),
        (gated.gate.ask("/plain//x", gated.token), 400),
        (gated.gate.ask("/plain/..%2fx", gated.token), 400),
    ]
    for answer, status in refused:
        assert answer.status_code == status, answer.text
        assert answer.headers["x-request-id"]
        assert answer.json()["error"]["code"] == status
        assert 'realm="DomainAPI"' in answer.headers["www-authenticate"]
    assert gated.upstream.seen == []


@pytest.mark.parametrize("which", ["token", "user_token", "reader", "pat"])
def test_every_kind_of_token_opens_it(gated: Gated, which: str) -> None:
    assert gated.gate.ask("/plain/x", getattr(gated, which)).status_code == 200


def test_a_preflight_goes_through_without_what_nobody_has_checked(gated: Gated) -> None:
    """[API-25]"""
    headers = {
        "Origin": "https://spa.example",
        "Access-Control-Request-Method": "GET",
        "Cookie": "a=b",
        "Authorization": "Bearer forged",
    }
    assert gated.gate.ask("/plain/x", method="OPTIONS", headers=headers).status_code == 200
    [seen] = gated.upstream.seen
    assert seen.one("authorization") is None
    assert seen.one("cookie") is None
    with_body = gated.gate.ask("/plain/x", method="OPTIONS", headers=headers, content=b"x")
    assert with_body.status_code == 400
    assert len(gated.upstream.seen) == 1


def test_the_client_says_nothing_about_where_it_is(gated: Gated) -> None:
    headers = {
        "Forwarded": "for=10.0.0.1",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-User": "ada",
        "X_Forwarded_For": "10.0.0.1",
        "X.Forwarded.Host": "evil.example",
        "X-Real-IP": "10.0.0.1",
        "Proxy": "http://evil.example",
        "Keep-Alive": "timeout=5",
        "Proxy-Authorization": "Basic eDp5",
        "TE": "trailers",
        "Connection": "keep-alive, X-Mine, X-Forwarded-Proto, Host",
        "X-Mine": "for this hop",
        "X-Mine-Too": "for both",
    }
    assert gated.gate.ask("/plain/x", gated.token, headers=headers).status_code == 200
    [seen] = gated.upstream.seen
    host = f"127.0.0.1:{gated.gate.port}"
    assert seen.one("x-forwarded-for") == "127.0.0.1"
    assert seen.one("x-forwarded-host") == host
    assert seen.one("x-forwarded-proto") == "http"
    assert seen.one("forwarded") == f'for=127.0.0.1;host="{host}";proto=http'
    assert seen.one("x-mine-too") == "for both"
    assert seen.one("via") == "1.1 gate-of-tests"
    names = {name for name, _ in seen.headers}
    assert not names & {
        "connection",
        "keep-alive",
        "proxy",
        "proxy-authorization",
        "te",
        "x-forwarded-user",
        "x-mine",
        "x-real-ip",
        "x_forwarded_for",
        "x.forwarded.host",
    }


def test_the_caller_as_headers(gated: Gated) -> None:
    answer = gated.gate.ask("/plain/deeper/a/b", gated.user_token)
    assert answer.status_code == 200
    [seen] = gated.upstream.seen
    assert seen.target == "/base/a/b"
    assert seen.one("x-mintgate-login") == "mira.k"
    assert seen.one("x-mintgate-issuer") == gated.world.issuer
    assert seen.one("authorization") is None
    assert seen.one("x-forwarded-prefix") == "/plain/deeper"
    assert seen.one("host") == f"127.0.0.1:{gated.gate.port}"
    assert gated.gate.ask("/plain/deeper", gated.user_token).json()["target"] == "/base/"


def test_the_caller_as_a_token_that_the_upstream_can_check(gated: Gated) -> None:
    assert gated.gate.ask("/as-token", headers={"X-Api-Key": gated.pat}).status_code == 200
    [seen] = gated.upstream.seen
    token = seen.one("x-mintgate-token")
    assert token is not None
    # PyJWT knows nothing of ours.
    key = jwt.PyJWKClient(f"{gated.gate.url}/-/jwks.json").get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key.key, algorithms=["ES256"], audience="DomainAPI")
    assert claims["sub"] == "mira.k"
    assert claims["tenant"] == gated.world.issuer
    assert seen.one("x-api-key") == gated.pat


def test_a_body_of_any_length_streams_up(gated: Gated) -> None:
    def pieces() -> object:
        for _ in range(40):
            yield b"x" * 100_000

    answer = gated.gate.ask("/big/x", gated.token, "POST", content=pieces())
    assert answer.status_code == 200
    assert gated.upstream.received == 4_000_000
    [seen] = gated.upstream.seen
    assert seen.one("transfer-encoding") == "chunked"
    gated.gate.ask("/big/x", gated.token, "PUT", content=b"abc")
    assert gated.upstream.seen[1].one("content-length") == "3"
    assert gated.upstream.seen[1].one("transfer-encoding") is None
    assert gated.upstream.seen[1].body == b"abc"


def test_the_first_piece_comes_before_the_last_is_sent(gated: Gated) -> None:
    headers = {"Authorization": f"Bearer {gated.token}"}
    with gated.gate.http.stream("GET", "/plain/stream", headers=headers) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"one"
        gated.upstream.go_on.set()
        assert b"".join(pieces) == b"two"


def test_nothing_is_unpacked_followed_or_kept(gated: Gated) -> None:
    gated.upstream.answer_headers = [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"location", b"/elsewhere"),
        (b"content-encoding", b"identity"),
    ]
    gated.upstream.status = 307
    answer = gated.gate.ask("/plain/x", gated.token)
    assert answer.status_code == 307
    assert answer.headers["location"] == "/elsewhere"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    gated.gate.http.cookies.clear()
    gated.upstream.status = 200
    gated.gate.ask("/plain/x", gated.token)
    assert gated.upstream.seen[-1].one("cookie") is None
    assert len(gated.upstream.seen) == 2


def test_a_packed_answer_stays_packed(gated: Gated) -> None:
    packed = gzip.compress(b"hello")
    gated.odd.answer = (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
        % (len(packed), packed)
    )
    with gated.gate.http.stream(
        "GET", "/odd/x", headers={"Authorization": f"Bearer {gated.token}"}
    ) as answer:
        assert b"".join(answer.iter_raw()) == packed


def test_what_the_upstream_says_for_one_hop_stays_there(gated: Gated) -> None:
    gated.upstream.answer_headers = [
        (b"connection", b"x-mine"),
        (b"x-mine", b"1"),
        (b"x-mintgate-login", b"ada"),
        (b"keep-alive", b"timeout=1"),
        (b"alt-svc", b'h3=":443"'),
        (b"x-theirs", b"2"),
    ]
    answer = gated.gate.ask("/plain/x", gated.token)
    assert answer.headers["x-theirs"] == "2"
    assert not {"x-mine", "x-mintgate-login", "keep-alive", "alt-svc"} & set(answer.headers)
    assert len(answer.headers.get_list("date", split_commas=False)) == 1


@pytest.mark.parametrize("status", [204, 304, 404, 500])
def test_the_status_of_the_api_is_its_own(gated: Gated, status: int) -> None:
    gated.upstream.status = status
    for _ in range(2):  # the connection goes on
        assert gated.gate.ask("/plain/x", gated.token).status_code == status


def test_head_has_the_length_and_no_body(gated: Gated) -> None:
    answer = gated.gate.ask("/plain/x", gated.token, "HEAD")
    assert int(answer.headers["content-length"]) > 0
    assert answer.content == b""


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"", 502),
        (b"rubbish\r\n\r\n", 502),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n", 502),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200),
    ],
)
def test_an_odd_answer_is_not_passed_on(gated: Gated, answer: bytes, status: int) -> None:
    gated.odd.answer = answer
    got = gated.gate.ask("/odd/x", gated.token)
    assert got.status_code == status, got.text
    if status == 502:
        assert got.json()["error"]["type"] == "bad_gateway"
        assert "127.0.0.1" not in got.text
    else:
        assert got.text == "until the end"


def test_an_answer_that_breaks_off_is_seen_to_break_off(gated: Gated) -> None:
    gated.odd.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"
    with pytest.raises(httpx.RemoteProtocolError):
        gated.gate.ask("/odd/x", gated.token)
    gated.odd.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n"
    with pytest.raises(httpx.RemoteProtocolError):
        gated.gate.ask("/odd/x", gated.token)


def test_nothing_that_changes_something_is_sent_twice(gated: Gated) -> None:
    gated.odd.answer = b""
    assert gated.gate.ask("/odd/x", gated.token, "POST", content=b"x").status_code == 502
    assert gated.gate.ask("/odd/x", gated.token, "PATCH").status_code == 502
    assert gated.gate.ask("/odd/x", gated.token, "PUT", content=b"x").status_code == 502
    assert gated.gate.ask("/odd/x", gated.token, "PUT").status_code == 502
    assert gated.gate.ask("/odd/x", gated.token, "DELETE").status_code == 502
    assert len(gated.odd.requests) == 5


def test_an_upstream_that_is_away_or_silent(gated: Gated) -> None:
    away = gated.gate.ask("/away/x", gated.token)
    assert (away.status_code, away.json()["error"]["type"]) == (502, "bad_gateway")
    gated.odd.holds, gated.odd.answer = True, b""
    silent = gated.gate.ask("/odd/x", gated.token)
    assert (silent.status_code, silent.json()["error"]["type"]) == (504, "gateway_timeout")
    assert silent.headers["x-request-id"]


def test_a_body_that_stops_coming_is_given_up(gated: Gated) -> None:
    gated.odd.holds, gated.odd.answer = True, b""
    data = (
        f"POST /odd/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gated.token}\r\n"
        "Content-Length: 10\r\n\r\nhalf"
    )
    answer = exchange(gated.gate.port, data.encode())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer


@pytest.mark.parametrize("path", ["/plain/slow", "/plain/endless"])
def test_a_client_that_goes_away_ends_it_behind_the_gate(gated: Gated, path: str) -> None:
    with socket.create_connection(("127.0.0.1", gated.gate.port)) as link:
        head = f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gated.token}\r\n\r\n"
        link.sendall(head.encode())
        until(lambda: gated.upstream.seen)
        if path.endswith("endless"):
            link.recv(10)
    assert gated.upstream.gone.wait(3)


def test_half_a_body_is_never_taken_for_a_whole_one(gated: Gated) -> None:
    with socket.create_connection(("127.0.0.1", gated.gate.port)) as link:
        link.sendall(
            f"POST /plain/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gated.token}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".encode()
        )
        until(lambda: gated.upstream.received)
    assert gated.upstream.gone.wait(3)
    assert gated.upstream.seen == []


def test_a_body_that_is_too_large(gated: Gated) -> None:
    told = gated.gate.ask("/plain/x", gated.token, "POST", content=b"x" * 100_001)
    assert (told.status_code, told.json()["error"]["type"]) == (413, "content_too_large")
    assert gated.upstream.seen == []
    chunked = b"%x\r\n%s\r\n" % (50_000, b"x" * 50_000)
    head = (
        f"POST /plain/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gated.token}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    answer = reply_to(gated.gate.port, head.encode() + chunked * 3)
    assert answer.status == 413
    assert gated.upstream.seen == []
    assert gated.gate.ask("/plain/x", gated.token, "POST", content=b"x" * 99_999).is_success


def test_an_answer_may_come_before_the_body_has_gone(gated: Gated) -> None:
    gated.odd.holds = True
    gated.odd.answer = (
        b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig"
    )
    answer = gated.gate.ask("/odd/x", gated.token, "POST", content=b"x" * 3_000_000)
    assert (answer.status_code, answer.text) == (413, "big")
    gated.odd.holds = False
    assert gated.gate.ask("/plain/x", gated.token).status_code == 200


def test_100_continue_comes_only_after_the_checks(gated: Gated) -> None:
    head = "POST /plain/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
    refused = exchange(gated.gate.port, f"{head}\r\n".encode())
    assert refused.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in refused  # nobody knows whether the body comes
    with socket.create_connection(("127.0.0.1", gated.gate.port), timeout=10) as link:
        link.sendall(f"{head}Authorization: Bearer {gated.token}\r\n\r\n".encode())
        assert link.recv(100).startswith(b"HTTP/1.1 100 ")
        link.sendall(b"abc")
        assert link.recv(10_000).startswith(b"HTTP/1.1 200 ")
    assert gated.upstream.seen[-1].one("expect") is None
    other = gated.gate.ask("/plain/x", gated.token, "POST", headers={"Expect": "coffee"})
    assert other.status_code == 417


def test_http_1_0_gets_no_chunks(gated: Gated) -> None:
    gated.odd.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    got = exchange(
        gated.gate.port,
        f"GET /odd/x HTTP/1.0\r\nAuthorization: Bearer {gated.token}\r\n\r\n".encode(),
    )
    head, _, body = got.partition(b"\r\n\r\n")
    assert body == b"abc"
    assert b"transfer-encoding" not in head
    assert b"content-length: 3" in head


def test_connections_to_the_upstream_and_of_the_client_are_used_again(gated: Gated) -> None:
    request = (
        f"GET /plain/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gated.token}\r\n"
    ).encode()
    answers = exchange(gated.gate.port, request + b"\r\n" + request + b"Connection: close\r\n\r\n")
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    gated.upstream.peers.clear()
    for _ in range(10):
        assert gated.gate.ask("/plain/x", gated.token, "POST", content=b"x").is_success
    assert len(gated.upstream.peers) == 1


def test_many_at_once(gated: Gated) -> None:
    found: list[int] = []

    def work() -> None:
        with httpx.Client(base_url=gated.gate.url, timeout=30) as http:
            for _ in range(10):
                headers = {"Authorization": f"Bearer {gated.token}"}
                found.append(http.post("/plain/x", headers=headers, content=b"x").status_code)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 80


def test_who_does_not_read_holds_back_who_sends(gated: Gated) -> None:
    """Backpressure in both directions: the gate gathers nothing that nobody takes."""
    size = 100_000_000
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            sent += connection.send(b"x" * 65536)

    gated.odd.answer = flood
    head = f"GET /odd/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gated.token}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gated.gate.port)) as link:
        link.sendall(head.encode())
        until(lambda: sent > 0)
        before = -1
        while sent != before:  # until it is held back, or has sent everything
            before = sent
            time.sleep(0.1)
        assert sent < size / 2

    # Nobody reads the body of this one.
    gated.odd.answer, gated.odd.holds = b"", True
    uploaded = 0
    head = f"POST /odd/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gated.token}\r\n"
    with socket.create_connection(("127.0.0.1", gated.gate.port)) as link:
        link.sendall(f"{head}Content-Length: 60000000\r\n\r\n".encode())
        link.settimeout(0.2)
        with suppress(TimeoutError):
            while uploaded < 60_000_000:
                uploaded += link.send(b"x" * 65536)
    assert uploaded < 30_000_000


def test_own_answers(gated: Gated) -> None:
    assert gated.gate.ask("/-/health").json() == {"status": "ok"}
    until(lambda: gated.gate.ask("/-/ready").status_code == 200)
    assert gated.gate.ask("/-/other").status_code == 404
    assert gated.gate.ask("/-/health", method="POST").status_code == 404
    assert "d" not in gated.gate.ask("/-/jwks.json").json()["keys"][0]


@pytest.mark.parametrize("path", ["/", "/nowhere", "/plainer", "/Plain/x", "/api", "/PLAIN/deeper"])
def test_no_route(gated: Gated, path: str) -> None:
    answer = gated.gate.ask(path, gated.token)
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found")
    assert gated.upstream.seen == []


def test_a_prefix_in_another_case_is_not_the_shorter_prefix(gated: Gated) -> None:
    """A server that makes no difference would serve `/plain/deeper` as `/plain`."""
    assert gated.gate.ask("/plain/Deeper/x", gated.token).status_code == 404


def test_a_loop_is_seen(gated: Gated) -> None:
    answer = gated.gate.ask("/plain/x", gated.token, headers={"Via": "1.1 a, 1.1 gate-of-tests"})
    assert answer.status_code == 508
    gated.gate.ask("/plain/x", gated.token, headers={"Via": "1.0 another"})
    assert gated.upstream.seen[-1].one("via") == "1.0 another, 1.1 gate-of-tests"


def test_the_access_log_has_no_token_and_no_query(
    gated: Gated, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="mintgate.access")
    gated.gate.ask("/plain/x?secret=1", gated.token)
    refused = gated.gate.ask(f"/plain/y?access_token={gated.token}")
    until(lambda: len(caplog.records) >= 2)
    through, away = (record.getMessage() for record in caplog.records[:2])
    assert "path=/plain/x status=200" in through
    assert f"client_id={payload_of(gated.token)['client_id']}" in through
    assert "secret" not in through
    assert f"id={refused.headers['x-request-id']}" in away
    assert gated.token not in away + through


def test_the_log_of_a_failure_behind_the_gate_has_no_query(
    gated: Gated, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="mintgate.access")
    gated.odd.answer = b"rubbish\r\n\r\n"
    assert gated.gate.ask("/odd/x?secret=1", gated.token).status_code == 502
    until(lambda: caplog.records)
    line = caplog.records[0].getMessage()
    assert "ClientResponseError" in line
    assert "secret" not in line
