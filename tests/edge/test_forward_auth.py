"""The same requests to the guard in process and to real servers that ask forward auth (§10)."""

from __future__ import annotations

import json
import shutil
import socket
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from mintgate.identity import auditing
from tests.edge import servers
from tests.edge.conftest import Edge
from tests.edge.exchange import Pairs, Reply, exchange
from tests.wire.test_metadata import ORIGIN
from tests.wire.test_state_feed import API_SECRET

CUSTOMERS = "/api/domain/odata/Crm_Sales_Customers"
Front = tuple[str, int]
TOLD = ("content-type", "www-authenticate", "allow", "retry-after", "cache-control")


def bearer(edge: Edge, name: str) -> Pairs:
    return [("Authorization", f"Bearer {edge.tokens[name]}")]


def both(edge: Edge, front: Front, method: str, target: str, headers: Pairs) -> tuple[Reply, Reply]:
    """What the guard in process answers, and what the server in front does."""
    return exchange(edge.direct, method, target, headers), exchange(
        front[1], method, target, headers
    )


@pytest.mark.parametrize("name", ["user", "reader", "service", "pat", "sat"])
def test_allowed(name: str, edge: Edge, front: Front) -> None:
    """[API-30] and the API is told who calls"""
    target = CUSTOMERS + "?$top=1&$filter=Name%20eq%20'a%2Fb'"
    reply = exchange(front[1], "GET", target, bearer(edge, name))
    assert reply.status == 200, reply
    assert reply.reached["line"] == f"GET {target} HTTP/1.1"
    told = [(n, v) for n, v in reply.reached["headers"] if n.startswith("x-mintgate-")]
    seen = dict(told)
    assert len(seen) == len(told)
    login = "svc.stock" if name in {"service", "sat"} else "mira.k"
    assert (seen["x-mintgate-login"], seen["x-mintgate-admin"]) == (login, "false")
    assert seen["x-mintgate-database"] == "ORION_PROD X-1"
    assert not any(n.startswith("x-mintgate-gate-") for n in seen)


REFUSED: list[tuple[str, str, str, str | None, int]] = [
    ("API-1", "GET", CUSTOMERS, None, 401),
    ("API-9", "GET", CUSTOMERS, "expired", 401),
    ("API-10", "GET", CUSTOMERS, "elsewhere", 401),
    ("API-12", "GET", CUSTOMERS, "crossed", 401),
    ("API-15", "POST", CUSTOMERS, "reader", 403),
    ("API-15-nothing", "GET", CUSTOMERS, "nothing", 403),
    ("API-15-method", "PROPFIND", CUSTOMERS, "user", 405),
    ("API-15-HEAD", "HEAD", CUSTOMERS, "nothing", 403),
    ("API-33", "GET", "/api/domain/odata/Systems_Security_Users", "user", 403),
    ("API-33-case", "GET", "/api/domain/odata/systems_security_users", "user", 403),
]


@pytest.mark.parametrize(
    ("method", "target", "name", "status"), [pytest.param(*r[1:], id=r[0]) for r in REFUSED]
)
def test_refused(
    method: str, target: str, name: str | None, status: int, edge: Edge, front: Front
) -> None:
    """[API-20, API-40, API-41] with the same status, body and headers as in process"""
    before = edge.api.requests
    auditing._counts.clear()  # many in a minute are only counted
    direct, reply = both(edge, front, method, target, bearer(edge, name) if name else [])
    assert edge.api.requests == before
    assert (direct.status, reply.status) == (status, status), reply
    assert reply.body == direct.body
    for header in TOLD:
        if method == "HEAD" and header == "content-type":
            continue  # Envoy leaves it out with the body
        assert reply.headers.get(header) == direct.headers.get(header), header
    # By it the audit log finds the explanation of this very refusal.
    ids = [(e.details or {}).get("request_id") for e in edge.world.events("api.refused")]
    assert reply.headers["x-request-id"] in ids
    assert "x-mintgate-status" not in reply.headers


@pytest.mark.parametrize(("name", "status"), [(None, 401), ("nothing", 403), ("user", 405)])
def test_a_page_can_read_why_it_was_refused(
    name: str | None, status: int, edge: Edge, front: Front
) -> None:
    """[EP-8, API-23] of an application that has a redirect URI there, and of no other"""
    method = "PROPFIND" if status == 405 else "GET"
    for origin, is_allowed in ((ORIGIN, True), ("https://evil.example", False), ("null", False)):
        sent = [("Origin", origin), *(bearer(edge, name) if name else [])]
        reply = exchange(front[1], method, CUSTOMERS, sent)
        assert reply.status == status
        assert reply.headers.get("access-control-allow-origin") == (origin if is_allowed else None)
        exposed = reply.headers.get("access-control-expose-headers", "")
        assert ("WWW-Authenticate, Retry-After" in exposed) == is_allowed
        assert reply.headers["vary"] == "Origin"
    allowed = exchange(front[1], "GET", CUSTOMERS, [("Origin", ORIGIN), *bearer(edge, "user")])
    assert allowed.status == 200
    assert "access-control-allow-origin" not in allowed.headers, "the API speaks for itself"


def test_a_batch_is_not_taken(edge: Edge, front: Front) -> None:
    """[API-32] no server in front shows its body, in which its parts are"""
    before = edge.api.requests
    _, reply = both(edge, front, "POST", "/api/domain/odata/$batch", bearer(edge, "user"))
    assert edge.api.requests == before
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"]) == (501, 501)
    assert "mintgate gate" in error["message"]


BYPASSES: list[tuple[str, str, Pairs]] = [
    ("encoded-slash", "/api/domain/odata%2FSystems_Security_Users", []),
    ("encoded-slash-lower", "/api/domain/x%2f..%2fodata/Systems_Security_Users", []),
    ("encoded-backslash", "/api/domain%5Codata/Systems_Security_Users", []),
    ("dots", "/api/domain/public/../odata/Systems_Security_Users", []),
    ("encoded-dots", "/api/domain/public/%2e%2e/odata/Systems_Security_Users", []),
    ("dot", "/api/domain/./odata/Systems_Security_Users", []),
    ("doubled-slash", "/api/domain//odata/Systems_Security_Users", []),
    ("leading-slashes", "//api/domain/odata/Systems_Security_Users", []),
    ("semicolon", "/api/domain/odata/Systems_Security_Users;v=1", []),
    ("semicolon-dots", "/api/domain/..;/odata/Systems_Security_Users", []),
    ("nul", "/api/domain/odata/Systems_Security_Users%00", []),
    ("twice-escaped", "/api/domain/odata/Systems%255FSecurity_Users", []),
    ("escaped-letter", "/api/domain/odata/%53ystems_Security_Users", []),
    ("bad-escape", "/api/domain/odata/%zz", []),
    ("fragment", "/api/domain/odata/Crm_Sales_Customers%23x", []),
    ("method-override", CUSTOMERS, [("X-HTTP-Method-Override", "DELETE")]),
    ("method-override-2", CUSTOMERS, [("X-Method-Override", "DELETE")]),
    ("method-parameter", CUSTOMERS + "?_method=DELETE", []),
    ("original-url", CUSTOMERS, [("X-Original-URL", "/api/domain/odata/Systems_Security_Users")]),
    ("rewrite-url", CUSTOMERS, [("X-Rewrite-URL", "/api/domain/odata/Systems_Security_Users")]),
    ("smuggled-login", CUSTOMERS, [("X-Mintgate-Login", "ada")]),
    ("smuggled-admin", CUSTOMERS, [("x-mintgate-ADMIN", "true")]),
    ("smuggled-token", CUSTOMERS, [("X-Mintgate-Token", "x")]),
]


@pytest.mark.parametrize(("target", "headers"), [pytest.param(t, h, id=i) for i, t, h in BYPASSES])
def test_bypass(target: str, headers: Pairs, edge: Edge, front: Front) -> None:
    """A server may refuse it by itself or normalise it; it is never more than was allowed."""
    before = edge.api.requests
    direct, reply = both(edge, front, "GET", target, [*bearer(edge, "user"), *headers])
    assert direct.status in {400, 403}
    assert 400 <= reply.status < 500, reply
    assert edge.api.requests == before
    if reply.headers.get("x-request-id"):  # mintgate has decided
        assert reply.status == direct.status or reply.status == 403
        assert reply.body == direct.body or reply.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Mintgate-Gate-Method", "GET")],
        [("X-Mintgate-Gate-Uri", CUSTOMERS)],
        [("X-Mintgate-Gate-Address", "10.9.9.9")],
        [("X-Mintgate-Gate-Secret", "x")],
        [("X-Mintgate-Gate-Upgrade", "")],
        [("X-Mintgate-Gate-Connection", "")],
        [("X-Forwarded-Method", "GET")],
        [("X-Forwarded-Uri", CUSTOMERS)],
        [("X-Forwarded-For", "10.9.9.9")],
        [("x_mintgate_gate_method", "GET"), ("X_Forwarded_Method", "GET")],
        [("Connection", "close, x-mintgate-gate-method, x-forwarded-method")],
        [("Connection", "close, x-mintgate-gate-uri, x-forwarded-uri, x-mintgate-gate-secret")],
        [("Connection", "close, authorization")],
        [("Forwarded", "for=10.9.9.9")],
        [("X-Real-Ip", "10.9.9.9")],
    ],
    ids=lambda h: h[-1][0] + "-" + h[-1][1][-12:],
)
def test_what_a_server_tells_cannot_be_told_by_a_client(
    headers: Pairs, edge: Edge, front: Front
) -> None:
    before = edge.api.requests
    security = "/api/domain/odata/Systems_Security_Users"
    for method, target in (("POST", CUSTOMERS), ("GET", security)):
        auditing._counts.clear()
        reply = exchange(front[1], method, target, [*bearer(edge, "reader"), *headers])
        assert 400 <= reply.status < 500, reply
        by_id = {(e.details or {})["request_id"]: e for e in edge.world.events("api.refused")}
        event = by_id[reply.headers["x-request-id"]]
        details = event.details or {}
        # Envoy names itself where the client is on the same machine.
        assert event.address == "127.0.0.1" or front[0] == "envoy"
        assert event.address != "10.9.9.9"
        assert (details["method"], details["path"]) == (method, target)
    assert edge.api.requests == before


def test_two_credentials(edge: Edge, front: Front) -> None:
    """[API-2] also where a server makes one header of them, or refuses by itself"""
    before = edge.api.requests
    one, other = bearer(edge, "user"), bearer(edge, "reader")
    for headers in (
        [*one, *other],
        [*one, ("X-Api-Key", edge.tokens["pat"])],
        [("X-Api-Key", edge.tokens["pat"]), ("Api-Key", edge.tokens["sat"])],
    ):
        direct, reply = both(edge, front, "GET", CUSTOMERS, headers)
        assert (direct.status, reply.status) == (400, 400), reply
        if reply.headers.get("x-request-id"):
            assert reply.body == direct.body
    assert edge.api.requests == before


@pytest.mark.parametrize("target", ["http://other.example/api/domain/odata/Systems_Security_Users"])
def test_absolute_form(target: str, edge: Edge, front: Front) -> None:
    before = edge.api.requests
    reply = exchange(front[1], "GET", target, bearer(edge, "user"))
    assert 400 <= reply.status < 500, reply
    assert edge.api.requests == before
    allowed = exchange(front[1], "GET", f"http://127.0.0.1{CUSTOMERS}", bearer(edge, "user"))
    if allowed.status == 200:
        assert allowed.reached["line"] == f"GET {CUSTOMERS} HTTP/1.1"


def test_a_handshake_needs_what_writing_needs(edge: Edge, front: Front) -> None:
    """A WebSocket can carry anything, though it begins as a GET."""
    before = edge.api.requests
    handshake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    reply = exchange(front[1], "GET", CUSTOMERS, [*bearer(edge, "reader"), *handshake])
    assert reply.status == 403, reply
    assert json.loads(reply.body)["error"]["type"] == "insufficient_scope"
    assert edge.api.requests == before


def test_a_preflight_passes_without_a_caller(edge: Edge, front: Front) -> None:
    """[API-25]"""
    headers = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST")]
    reply = exchange(front[1], "OPTIONS", CUSTOMERS, headers)
    assert reply.status == 200, reply
    told = [n for n, v in reply.reached["headers"] if n.startswith("x-mintgate-") and v]
    assert told == []


def test_a_body_is_passed_on(edge: Edge, front: Front) -> None:
    reply = exchange(front[1], "POST", CUSTOMERS, bearer(edge, "user"), b'{"Name": "a"}' * 1000)
    assert reply.status == 200, reply
    assert reply.reached["line"] == f"POST {CUSTOMERS} HTTP/1.1"


NOMINATED = [
    "close, x-mintgate-login, x-mintgate-admin",
    "X-Mintgate-Kind,close",
    "close, x-mintgate-gate-secret",
]


@pytest.mark.parametrize("connection", NOMINATED)
def test_a_client_cannot_have_the_identity_removed(
    connection: str, edge: Edge, front: Front
) -> None:
    """By naming its headers as those of one connection only (RFC 9110 §7.6.1)."""
    plain = identity_in(exchange(front[1], "GET", CUSTOMERS, bearer(edge, "user")))
    headers = [*bearer(edge, "user"), ("Connection", connection)]
    reply = exchange(front[1], "GET", CUSTOMERS, headers)
    if reply.status == 200:
        assert identity_in(reply) == plain
    else:
        assert reply.status == 400, reply


def identity_in(reply: Reply) -> dict[str, str]:
    return {n: v for n, v in reply.reached["headers"] if n.startswith("x-mintgate")}


def test_names_with_underscores(edge: Edge, front: Front) -> None:
    """CGI and WSGI make one name of `-` and `_`: refused, or dropped by the server in front."""
    for name in ("X_Mintgate_Login", "x_mintgate-admin", "X_HTTP_Method_Override"):
        reply = exchange(front[1], "GET", CUSTOMERS, [*bearer(edge, "user"), (name, "x")])
        assert reply.status in {200, 400}, (name, reply)
        if reply.status == 200:
            assert not any("_" in n for n, _ in reply.reached["headers"])


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("TRACE", CUSTOMERS),
        ("CONNECT", "127.0.0.1:80"),
        ("CONNECT", CUSTOMERS),
        ("OPTIONS", "*"),
        ("get", CUSTOMERS),
        ("GET", "api/domain/odata/Crm_Sales_Customers"),
        ("GET", CUSTOMERS + "#/../x"),
        ("GET", CUSTOMERS + "\\..\\x"),
        ("GET", CUSTOMERS + "/\x01"),
        ("GET", CUSTOMERS + "/\xc0\xae"),
    ],
)
def test_odd_targets_and_methods(method: str, target: str, edge: Edge, front: Front) -> None:
    """None is more than the reading that it was judged as."""
    before = edge.api.requests
    try:
        reply = exchange(front[1], method, target, bearer(edge, "reader"))
    except (HTTPException, OSError):
        assert edge.api.requests == before
        return
    if edge.api.requests != before:
        # nginx and HAProxy leave out the fragment, which no server may send on.
        assert reply.reached["line"] in {f"GET {CUSTOMERS} HTTP/1.1"}, reply
    elif reply.status < 400:
        assert reply.body == b"", reply  # by the server in front itself


TWO_LENGTHS = [
    [("Content-Length", "4"), ("Transfer-Encoding", "chunked")],
    [("Content-Length", "4"), ("Content-Length", "40")],
    [("Transfer-Encoding", "xchunked"), ("Content-Length", "4")],
    [("Transfer-Encoding", " chunked"), ("Transfer-Encoding", "identity")],
    [("Content-Length", "+4")],
    [("Content-Length", "4, 40")],
]


@pytest.mark.parametrize("headers", TWO_LENGTHS)
def test_conflicting_lengths(headers: Pairs, edge: Edge, front: Front) -> None:
    """A body that is read in two ways hides a second request, which nobody has judged."""
    seen = len(edge.api.lines)
    hidden = "0\r\n\r\nGET /api/domain/odata/Systems_Security_Users HTTP/1.1\r\nHost: a\r\n\r\n"
    lines = [("Host", "127.0.0.1"), *bearer(edge, "user"), *headers]
    text = f"POST {CUSTOMERS} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines)
    with socket.create_connection(("127.0.0.1", front[1]), timeout=5) as link:
        link.sendall(f"{text}\r\n{hidden}".encode())
        link.settimeout(0.15)
        with suppress(OSError):
            while link.recv(65536):
                pass
    assert not [line for line in edge.api.lines[seen:] if "Security" in line]


H2C = ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")


@pytest.mark.parametrize(
    "headers",
    [
        [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), H2C],
        [("Connection", "Upgrade"), ("Upgrade", "h2c"), H2C],
        [("Connection", "Upgrade"), ("Upgrade", "h2c")],
        [("Connection", "Upgrade"), ("Upgrade", "websocket, h2c"), H2C],
        [("Connection", "Upgrade"), ("Upgrade", "TLS/1.3")],
    ],
    ids=lambda h: "-".join([h[1][1], *(n for n, _ in h[2:])]),
)
@pytest.mark.parametrize("is_preflight", [False, True], ids=["GET", "preflight"])
def test_no_other_protocol(is_preflight: bool, headers: Pairs, edge: Edge, front: Front) -> None:
    """Behind `101` to h2c (RFC 7540 §3.2) nobody would judge anything any more."""
    before = edge.api.requests
    if is_preflight:
        asking = [("Origin", "https://spa.example"), ("Access-Control-Request-Method", "GET")]
        reply = exchange(front[1], "OPTIONS", CUSTOMERS, [*asking, *headers])
    else:
        reply = exchange(front[1], "GET", CUSTOMERS, [*bearer(edge, "reader"), *headers])
    if front[0] == "envoy" and reply.status == 200:  # it hands on only what it is told to
        assert not any(name == "upgrade" for name, _ in reply.reached["headers"])
        return
    assert 400 <= reply.status < 500, reply
    assert edge.api.requests == before


TOO_MUCH: dict[str, tuple[str, Pairs]] = {
    **{f"query-{n}": ("?q=" + "x" * n, []) for n in (3_000, 7_500, 14_500, 15_500)},
    **{f"header-{n}": ("", [("X-Long", "x" * n)]) for n in (3_000, 7_500, 14_500, 15_500)},
    **{f"{n}-headers": ("", [(f"X-{i}", "x") for i in range(n)]) for n in (75, 90, 96, 98)},
    **{f"{n}-equal": ("", [("X-Same", "x")] * n) for n in (75, 90, 95, 98, 150)},
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_request_that_hardly_fits_passes_no_server(name: str, edge: Edge, front: Front) -> None:
    """What a server cannot ask about is not allowed, and ends no server."""
    before = edge.api.requests
    more, headers = TOO_MUCH[name]
    reply = exchange(front[1], "GET", CUSTOMERS + more, [("X-Mintgate-Login", "ada"), *headers])
    assert reply.status >= 400, reply
    assert exchange(front[1], "GET", CUSTOMERS).status == 401
    assert edge.api.requests == before


@pytest.mark.parametrize(
    ("name", "begins"), [("haproxy", "  local asked = {}\n"), ("apache", "function check(r)\n")]
)
def test_an_error_in_a_script_is_no_permission(
    name: str, begins: str, edge: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HAProxy goes on with a request when the script that judges it has failed."""
    shutil.copytree(servers.EXAMPLES, tmp_path / "examples")
    monkeypatch.setattr(servers, "EXAMPLES", tmp_path / "examples")
    script = servers.EXAMPLES / name / "mintgate.lua"
    text = script.read_text()
    assert text.count(begins) == 1
    script.write_text(text.replace(begins, begins + 'error("on purpose")\n'))
    before = edge.api.requests
    with servers.running(name, edge.world.port, edge.api.port, API_SECRET) as port:
        reply = exchange(port, "GET", CUSTOMERS, [("X-Mintgate-Login", "ada")])
        assert reply.status in {500, 503}
    assert edge.api.requests == before
