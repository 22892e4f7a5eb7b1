"""The guard through WSGI: what servers hide from applications, and what they add."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import unquote, unquote_to_bytes
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest
import waitress
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.serving import make_server as make_werkzeug_server

from mintgate.contract.errors import AmbiguousRequest, Refusal
from mintgate.contract.request_target import normal_path
from mintgate.verify import GuardMiddleware, WsgiGuardMiddleware
from mintgate.verify.asgi import request_of as asgi_request_of
from mintgate.verify.wsgi import PRINCIPAL, raw_path_of, request_of
from tests.unit.verify.batches import carried_out, get, mixed, post
from tests.unit.verify.workbench import Limits, OneSession, a_guard, sign, user_claims

GOOD = sign(user_claims())
BEARER = f"Bearer {GOOD}"
REFERENCE = "enrt_" + "0123456789ABCDEF" * 4


def environ_of(path: str = "/x", **more: Any) -> dict[str, Any]:
    """What a server gives for a request; `raw=None` is a server that does not tell the raw path."""
    raw = more.pop("raw", path)
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": "",
        "REMOTE_ADDR": "192.0.2.7",
        "HTTP_AUTHORIZATION": BEARER,
    }
    if raw is not None:
        environ["RAW_URI"] = raw
    return environ | more


class Answer:
    def __init__(self, app: Callable[..., Any], environ: dict[str, Any]) -> None:
        self.status, self.headers = "", []

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            self.status, self.headers = status, headers
            return lambda piece: None

        pieces = app(environ, start)
        try:
            self.body = b"".join(pieces)
        finally:
            if hasattr(pieces, "close"):
                pieces.close()


def hello(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    read = environ["wsgi.input"].read() if "wsgi.input" in environ else b""
    start("200 OK", [("Content-Type", "text/plain")])
    return [environ[PRINCIPAL].login.encode(), read]


def test_the_caller_is_in_the_environ() -> None:
    answer = Answer(WsgiGuardMiddleware(hello, a_guard()), environ_of())
    assert (answer.status, answer.body) == ("200 OK", b"mira.k")


def test_a_refusal_is_what_the_asgi_middleware_sends() -> None:
    """[API-1, API-40]"""
    seen: list[Refusal] = []
    app = WsgiGuardMiddleware(hello, a_guard(), lambda environ, refusal: seen.append(refusal))
    environ = environ_of()
    del environ["HTTP_AUTHORIZATION"]
    answer = Answer(app, environ)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "headers": []}
    asyncio.run(GuardMiddleware(hello, a_guard())(scope, receive, send))  # type: ignore[arg-type]
    assert answer.status == "401 Unauthorized"
    # Each refusal has an id of its own, under which the hook finds it.
    assert dict(answer.headers)["x-request-id"] == seen[0].id
    assert [(n.encode(), v.encode()) for n, v in answer.headers][:-1] == sent[0]["headers"][:-1]
    assert answer.body == sent[1]["body"]
    assert [r.error for r in seen] == ["invalid_token"]


HEADERS = [
    pytest.param({"HTTP_AUTHORIZATION": f"{BEARER},{BEARER}"}, 400, id="API-1 joined"),
    pytest.param({"HTTP_AUTHORIZATION": f"{BEARER}, Basic dTpw"}, 400, id="API-1 joined, spaced"),
    pytest.param({"HTTP_AUTHORIZATION": f"{BEARER},"}, 400, id="API-1 joined with an empty one"),
    pytest.param({"HTTP_AUTHORIZATION": f",{BEARER}"}, 400, id="API-1 the empty one first"),
    pytest.param(
        {"HTTP_AUTHORIZATION": "", "HTTP_X_API_KEY": f"{REFERENCE},{REFERENCE}"}, 400,
        id="REF-31 joined keys",
    ),
    pytest.param({"HTTP_X_API_KEY": REFERENCE}, 400, id="REF-31 both"),
    pytest.param({"HTTP_X_HTTP_METHOD_OVERRIDE": "GET"}, 400, id="method override"),
    pytest.param({"HTTP_X_MINTGATE_USER": "ada"}, 400, id="identity header"),
    pytest.param({"QUERY_STRING": "_method=POST"}, 400, id="method parameter"),
    pytest.param({"HTTP_ACCEPT": "a, b", "HTTP_X_LIST": "a,b"}, 200, id="other lists"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "status"), HEADERS)
def test_headers_are_joined_and_conflated(change: dict[str, str], status: int) -> None:
    answer = Answer(WsgiGuardMiddleware(hello, a_guard()), environ_of(**change))
    assert answer.status.startswith(str(status))


PATHS = [
    pytest.param({"path": "/a%20b"}, b"/a%20b", id="as it was sent"),
    pytest.param({"raw": "/x?y=/z"}, b"/x", id="without the query"),
    pytest.param({"raw": "http://h:1/x?y"}, b"/x", id="absolute-form"),
    pytest.param({"raw": "http://h", "PATH_INFO": ""}, b"/", id="absolute-form, no path"),
    pytest.param({"raw": None, "REQUEST_URI": "/x"}, b"/x", id="uWSGI, waitress"),
    pytest.param({"raw": "/m/x", "SCRIPT_NAME": "/m"}, b"/m/x", id="mounted"),
    pytest.param({"path": "/a b", "raw": None}, b"/a%20b", id="not told, escaped anew"),
    pytest.param({"path": "/%D0%B0", "raw": None}, b"/%D0%B0", id="not told, UTF-8"),
    pytest.param({"raw": "/y"}, None, id="another one"),
    pytest.param({"raw": "/x", "SCRIPT_NAME": "/m"}, None, id="a prefix that was cut off"),
    pytest.param({"raw": "/%78", "REQUEST_URI": "/x"}, None, id="two of them"),
    pytest.param({"raw": "*", "PATH_INFO": "*"}, None, id="asterisk-form"),
    pytest.param({"raw": "h:1", "PATH_INFO": ""}, None, id="authority-form"),
    pytest.param({"raw": "//x"}, None, id="waitress strips slashes"),
    pytest.param({"raw": "/%2578"}, None, id="escaped twice"),
    pytest.param({"raw": "/а", "PATH_INFO": "/а"}, None, id="beyond bytes"),
]


@pytest.mark.parametrize(("given_environ", "raw"), PATHS)
def test_the_raw_path(given_environ: dict[str, Any], raw: bytes | None) -> None:
    environ = environ_of(**given_environ)
    if raw is not None:
        assert raw_path_of(environ) == raw
        return
    answer = Answer(WsgiGuardMiddleware(hello, a_guard()), environ)
    assert answer.status == "400 Bad Request"
    assert json.loads(answer.body)["error"]["type"] == "invalid_request"


PIECES = st.one_of(
    st.sampled_from(
        "/ . .. ; \\ // a A %2f %2F %2e %5C %00 %25 %252f %D0%B0 %FF ~ @ ? # %3f".split()
    ),
    st.text("abz019-._~", max_size=3),
)


@given(st.lists(PIECES, max_size=6).map(lambda p: "/" + "".join(p)), st.booleans())
@example("/a%2fb", False)
@example("/a;b", False)
@example("//a", True)
def test_the_guard_is_given_what_asgi_gives_it_or_the_request_is_refused(
    sent: str, tells: bool
) -> None:
    """As uvicorn (raw_path, path) and gunicorn (RAW_URI, PATH_INFO) read the same request line."""
    path, _, query = sent.partition("?")
    scope = {"path": unquote(path), "raw_path": path.encode(), "headers": []}
    try:
        expected = normal_path(asgi_request_of(scope).raw_path)
    except AmbiguousRequest:
        expected = None
    environ = environ_of(path, raw=sent if tells else None, QUERY_STRING=query)
    try:
        found = normal_path(request_of(environ).raw_path)
    except AmbiguousRequest:
        found = None
    if tells:
        assert found == expected
    elif found is not None:
        # What cannot be seen is only how it was escaped: it is what the application is given.
        assert found.encode() == environ["PATH_INFO"].encode("latin-1")
        assert found == unquote(path)
        assert expected is None or found == expected


def test_a_session_counts_bytes_and_running_requests() -> None:
    """[SES-26]"""
    source = OneSession()
    running: list[int] = []

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        running.append(source.session.current)
        stream = environ["wsgi.input"]
        got = [stream.read(2), stream.readline(), *stream.readlines()]
        start("200 OK", [])(b"written")
        yield b"".join(got)
        running.append(source.session.current)

    environ = environ_of(**{"wsgi.input": BytesIO(b"ab\ncd\nef")})
    guard = a_guard(sessions=source, limits=Limits())
    answer = Answer(WsgiGuardMiddleware(app, guard), environ)
    assert answer.body == b"ab\ncd\nef"
    assert ("ratelimit", '"client";r=9;t=1') in answer.headers
    session = source.session
    assert (session.uploaded, session.downloaded) == (8, 7 + 8)
    assert running == [1, 1]
    assert session.current == 0


def raises(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    raise LookupError


def raises_late(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    start("200 OK", [])
    yield b"x"
    raise LookupError


@pytest.mark.parametrize("app", [raises, raises_late])
def test_a_request_that_fails_does_not_run_for_ever(app: Callable[..., Any]) -> None:
    source = OneSession()
    with pytest.raises(LookupError):
        Answer(
            WsgiGuardMiddleware(app, a_guard(sessions=source)),
            environ_of(**{"wsgi.input": None}),
        )
    assert source.session.current == 0


def test_an_answer_that_nobody_reads_ends_its_request() -> None:
    """A server that cannot send closes the iterator without beginning it (PEP 3333)."""
    source = OneSession()
    app = WsgiGuardMiddleware(raises_late, a_guard(sessions=source))
    pieces: Any = app(environ_of(**{"wsgi.input": None}), lambda *_: lambda piece: None)
    assert source.session.current == 1
    pieces.close()
    pieces.close()
    assert source.session.current == 0


def test_a_used_up_limit() -> None:
    """[API-17, API-54]"""
    limits = Limits()
    limits.used_up = True
    answer = Answer(WsgiGuardMiddleware(hello, a_guard(limits=limits)), environ_of())
    assert answer.status == "429 Too Many Requests"
    assert ("retry-after", "7") in answer.headers
    assert ("ratelimit", '"client";r=9;t=1') in answer.headers


def test_a_refused_head_has_no_body() -> None:
    """RFC 9110 §9.3.2"""
    environ = environ_of(REQUEST_METHOD="HEAD", HTTP_AUTHORIZATION="Basic dTpw")
    answer = Answer(WsgiGuardMiddleware(hello, a_guard()), environ)
    assert (answer.status, answer.body) == ("401 Unauthorized", b"")
    assert int(dict(answer.headers)["content-length"]) > 0


def a_batch(*parts: str, **more: Any) -> dict[str, Any]:
    body = mixed(*parts).encode()
    given = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "multipart/mixed; boundary=b1",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_PREFER": "continue-on-error",
        "HTTP_ACCEPT_ENCODING": "gzip",
        "HTTP_AUTHORIZATION": f"Bearer {sign(user_claims(scope=['read']))}",
        "wsgi.input": io.BytesIO(body),
    }
    return environ_of("/api/$batch", **(given | more))


class Batches:
    """An application that carries batches out, and remembers what it was given."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.closed = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        assert "HTTP_ACCEPT_ENCODING" not in environ
        read = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        self.lines, kind, answer = carried_out(environ["CONTENT_TYPE"], read)
        write = start("200 OK", [("Content-Type", kind), ("X-Of-The-Api", "1")])
        write(answer[:20])
        try:
            yield answer[20:40]
            yield answer[40:]
        finally:
            self.closed += 1


def test_the_parts_of_a_batch_are_judged_one_by_one() -> None:
    """[API-32]"""
    seen: list[tuple[str, str]] = []
    app, source = Batches(), OneSession()
    guarded = WsgiGuardMiddleware(
        app,
        a_guard(sessions=source, limits=Limits()),
        lambda environ, refusal: seen.append((environ["PATH_INFO"], refusal.error)),
    )
    answer = Answer(guarded, a_batch(get("A"), post("B"), get("C")))
    assert app.lines == ["GET A", "GET C"]
    text = answer.body.decode()
    assert [piece[:3] for piece in text.split("HTTP/1.1 ")[1:]] == ["200", "403", "200"]
    assert ("x-of-the-api", "1") in answer.headers
    assert ("ratelimit", '"client";r=9;t=1') in answer.headers
    assert dict(answer.headers)["content-length"] == str(len(answer.body))
    assert seen == [("/api/B", "insufficient_scope")]
    assert (source.opened, source.session.current, app.closed) == (1, 0, 1)


def test_a_batch_of_which_nothing_is_permitted_does_not_reach_the_application() -> None:
    """[API-32]"""
    app, source = Batches(), OneSession()
    guarded = WsgiGuardMiddleware(app, a_guard(sessions=source))
    answer = Answer(guarded, a_batch(post("B")))
    assert (answer.status, answer.body.count(b"403 Forbidden")) == ("200 OK", 1)
    assert (app.lines, source.opened) == ([], 0)


def test_a_batch_of_which_everything_is_permitted_is_streamed() -> None:
    def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [])
        return [b"as it is"]

    assert Answer(WsgiGuardMiddleware(app, a_guard()), a_batch(get("A"))).body == b"as it is"


UNMEASURED = {
    "CONTENT_LENGTH": "",
    "wsgi.input_terminated": True,
    "wsgi.input": io.BytesIO(b"-" * 5_000_000),
}
BAD_BATCHES = [
    ({"CONTENT_LENGTH": "4194305"}, "413"),
    (UNMEASURED, "413"),
    ({"CONTENT_LENGTH": ""}, "400"),
    ({"CONTENT_TYPE": ""}, "415"),
    ({"HTTP_CONTENT_TYPE": "application/json"}, "415"),
    ({"REQUEST_METHOD": "GET", "HTTP_UPGRADE": "websocket"}, "501"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "status"), BAD_BATCHES, ids=range(len(BAD_BATCHES)))
def test_a_batch_that_is_refused_whole(more: dict[str, Any], status: str) -> None:
    app = Batches()
    answer = Answer(WsgiGuardMiddleware(app, a_guard()), a_batch(get("A"), **more))
    assert (answer.status[:3], app.lines) == (status, [])


def test_an_answer_to_a_batch_that_cannot_be_read() -> None:
    seen: list[str] = []
    guarded = WsgiGuardMiddleware(
        hello, a_guard(), lambda environ, refusal: seen.append(refusal.error)
    )
    answer = Answer(guarded, a_batch(get("A"), post("B")))
    assert answer.status == "502 Bad Gateway"
    assert seen == ["insufficient_scope", "bad_gateway"]


# Real servers, by raw bytes on the socket.


def echo(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1")]


@contextmanager
def waitress_server(app: Any) -> Iterator[int]:
    server: Any = waitress.create_server(app, port=0, threads=1)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        server.close()
        thread.join(10)


@contextmanager
def stopped(server: Any) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


class Silent(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        return


def wsgiref_server(app: Any) -> Any:
    return stopped(make_server("127.0.0.1", 0, app, handler_class=Silent))


def werkzeug_server(app: Any) -> Any:
    return stopped(make_werkzeug_server("127.0.0.1", 0, app))


SERVERS = [
    pytest.param(waitress_server, True, 400, id="waitress"),
    # The standard library makes one slash of several before anybody else reads the path.
    pytest.param(werkzeug_server, True, 200, id="werkzeug"),
    pytest.param(wsgiref_server, False, 200, id="wsgiref"),
]


@pytest.mark.parametrize(("serve", "tells", "doubled"), SERVERS)
def test_servers(serve: Callable[[Any], Any], tells: bool, doubled: int) -> None:
    one = f"Authorization: {BEARER}\r\n"
    requests = [
        ("/a%20b", one, 200),
        ("/a?b=/c", one, 200),
        ("/a;b", one, 400),
        ("/a/../b", one, 400),
        ("/a%2Fb", one, 400 if tells else 200),
        ("//a", one, doubled),
        ("/a", "", 401),
        ("/a", one + one, 400),
        ("/a", one + f"X-Api-Key: {REFERENCE}\r\n", 400),
        ("/a", one + "X-Mintgate-User: ada\r\n", 400),
        ("/a", one + "X-HTTP-Method-Override: DELETE\r\n", 400),
    ]
    with serve(WsgiGuardMiddleware(echo, a_guard())) as port:
        found = [(t, h[:20], status_of(port, t, h)) for t, h, _ in requests]
    assert found == [(t, h[:20], status) for t, h, status in requests]


def status_of(port: int, target: str, headers: str) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
        link.sendall(
            f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode()
        )
        answer = b""
        while piece := link.recv(65536):
            answer += piece
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(("serve", "tells", "doubled"), SERVERS)
def test_batches_on_servers(serve: Callable[[Any], Any], tells: bool, doubled: int) -> None:
    """[API-32] with a length and in chunks, which wsgiref does not know"""
    app = Batches()
    body = mixed(get("A"), post("B"), get("C")).encode()
    headers = {
        "Authorization": f"Bearer {sign(user_claims(scope=['read']))}",
        "Content-Type": "multipart/mixed; boundary=b1",
        "Prefer": "continue-on-error",
        "Accept-Encoding": "gzip",
        "Connection": "close",
    }
    pieces = [body, iter([body[:50], body[50:]])] if serve is not wsgiref_server else [body]
    with serve(WsgiGuardMiddleware(app, a_guard())) as port:
        for piece in pieces:
            app.lines = []
            url = f"http://127.0.0.1:{port}/api/$batch"
            answer = httpx.post(url, content=piece, headers=headers, trust_env=False)
            assert (answer.status_code, app.lines) == (200, ["GET A", "GET C"])
            assert answer.text.count("HTTP/1.1 403 Forbidden") == 1
