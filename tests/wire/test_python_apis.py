"""The same requests to every example application: the same decision and the same answer (§10.1).

Each runs in a process of its own and knows the issuer over HTTP only, by `connect`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from mintgate.contract.applications import ReferenceTokenPolicy
from mintgate.contract.reference_tokens import TokenKind
from mintgate.identity import references
from mintgate.store import users
from tests.wire.python_apis import COMMANDS, Reply, Running, ask, ask_twice, running
from tests.wire.test_api_checks import resigned
from tests.wire.test_state_feed import API_SECRET, declare_api
from tests.world import BACKOFFICE, STOCK, World, sqlite_url

ITEM = b'{"item": "milk"}'
FAR_FUTURE = 86_400.0


class Apis(NamedTuple):
    world: World
    running: dict[str, Running]
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def apis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apis]:
    folder = tmp_path_factory.mktemp("python_apis")
    world = World(sqlite_url(folder), clock=time.time).start()
    declare_api(world)
    environment = {
        "MINTGATE_ISSUER": world.issuer,
        "MINTGATE_API": "DomainAPI",
        "MINTGATE_API_SECRET": API_SECRET,
        "MINTGATE_DATABASE": world.instance.database,
    }
    with running(folder, **environment) as found:
        tokens = {
            "user": world.user_tokens()["access_token"],
            "reader": world.user_tokens(scope="openid read")["access_token"],
            "nothing": resigned(world, scope=["DomainApi"]),
            "service": world.service_token(),
            "pat": reference_token(world, TokenKind.PERSONAL),
            "sat": reference_token(world, TokenKind.SERVICE),
            "elsewhere": resigned(world, aud=["TableAPI"]),
            "crossed": resigned(world, client_db="OTHER"),
        }
        yield Apis(world, found, tokens)
        for one in found.values():
            text = one.output.read_text()
            assert "Traceback" not in text
            assert not any(token in text for token in tokens.values())
            assert API_SECRET not in text
    world.stop()


def reference_token(world: World, kind: TokenKind) -> str:
    client_id = BACKOFFICE if kind is TokenKind.PERSONAL else STOCK
    policy = ReferenceTokenPolicy.AUTHENTICATED_USERS
    application = world.change_application(client_id, reference_tokens=policy)
    with world.database.begin() as tx:
        by_login = {
            login: users.by_login(tx.connection, world.instance.id, login)
            for login in ("mira.k", "ada", "svc.stock")
        }
        creator = by_login["mira.k" if kind is TokenKind.PERSONAL else "ada"]
        assert creator is not None
        value, _ = references.create(
            tx,
            world.instance.id,
            kind=kind,
            application=application,
            creator=creator,
            system_user=by_login["svc.stock"],
            scopes=("read",),
            expires_at=time.time() + FAR_FUTURE,
            description="for a test",
        )
    world.sync()
    return value


Headers = list[tuple[str, str]]


def bearer(name: str) -> Headers:
    return [("Authorization", f"Bearer {{{name}}}")]


ACCEPTED = [
    pytest.param(bearer("user"), "GET", "mira.k", id="user reads"),
    pytest.param(bearer("user"), "POST", "mira.k", id="user writes"),
    pytest.param(bearer("reader"), "GET", "mira.k", id="a token to read with reads"),
    pytest.param(bearer("service"), "GET", "svc.stock", id="service reads"),
    pytest.param(bearer("service"), "POST", "svc.stock", id="service writes"),
    pytest.param(bearer("pat"), "GET", "mira.k", id="REF-30 PAT"),
    pytest.param([("X-Api-Key", "{pat}")], "GET", "mira.k", id="REF-30 PAT as X-Api-Key"),
    pytest.param([("Api-Key", "{sat}")], "GET", "svc.stock", id="REF-30 SAT as Api-Key"),
    pytest.param(bearer("sat"), "GET", "svc.stock", id="REF-30 SAT"),
]

GET, POST = "GET /orders", "POST /orders"
TWO = [*bearer("user"), *bearer("service")]
REFUSED = [
    pytest.param([], GET, 401, "invalid_token", id="API-1 none"),
    pytest.param([], POST, 401, "invalid_token", id="API-1 none, writing"),
    pytest.param(TWO, GET, 400, "invalid_request", id="API-1 two"),
    pytest.param([*bearer("user"), *bearer("user")], GET, 400, "invalid_request", id="API-1 twice"),
    pytest.param(
        [*bearer("user"), ("X-Api-Key", "{pat}")], GET, 400, "invalid_request", id="REF-31 two"
    ),
    pytest.param([("Authorization", "Basic dTpw")], GET, 401, "invalid_token", id="API-2 Basic"),
    pytest.param([("X-Api-Key", "{user}")], GET, 401, "invalid_token", id="REF-32 JWT as key"),
    pytest.param([("Api-Key", "enrt_" + "0" * 64)], GET, 401, "invalid_token", id="API-3 unknown"),
    pytest.param([], GET + "?access_token={user}", 401, "invalid_token", id="API-21"),
    pytest.param(bearer("elsewhere"), GET, 401, "invalid_token", id="API-10 wrong audience"),
    pytest.param(bearer("crossed"), GET, 401, "invalid_token", id="API-12 wrong database"),
    pytest.param(bearer("reader"), POST, 403, "insufficient_scope", id="API-15 reader writes"),
    pytest.param(bearer("pat"), POST, 403, "insufficient_scope", id="API-15 PAT writes"),
    pytest.param(bearer("nothing"), GET, 403, "insufficient_scope", id="API-39 no API scope"),
    pytest.param(
        [*bearer("user"), ("X-HTTP-Method-Override", "GET")], POST, 400, "invalid_request",
        id="method override header",
    ),
    pytest.param(
        bearer("reader"), GET + "?_method=POST", 400, "invalid_request", id="method parameter"
    ),
    pytest.param(
        [*bearer("user"), ("X-Mintgate-User", "ada")], GET, 400, "invalid_request",
        id="identity header",
    ),
    pytest.param(bearer("user"), "GET /orders/a;b", 400, "invalid_request", id="semicolon"),
    pytest.param(bearer("user"), "GET /orders/a%5Cb", 400, "invalid_request", id="backslash"),
    pytest.param(bearer("user"), "GET /orders/%252e", 400, "invalid_request", id="escaped twice"),
    pytest.param(bearer("user"), "GET /orders/%00", 400, "invalid_request", id="NUL"),
    pytest.param(bearer("user"), "GET /orders/%2e%2e", 400, "invalid_request", id="dots"),
]  # fmt: skip


def filled(headers: Headers, tokens: dict[str, str]) -> Headers:
    return [(name, value.format(**tokens)) for name, value in headers]


def all_replies(apis: Apis, headers: Headers, request: str, body: bytes = b"") -> dict[str, Reply]:
    method, target = request.format(**apis.tokens).split(" ")
    body = body or (ITEM if method == "POST" else b"")
    return {
        name: ask(one.port, method, target, filled(headers, apis.tokens), body)
        for name, one in apis.running.items()
    }


@pytest.mark.parametrize(("headers", "method", "login"), ACCEPTED)
def test_accepted(headers: Headers, method: str, login: str, apis: Apis) -> None:
    expected = ("caller", 200) if method == "GET" else ("by", 201)
    for name, reply in all_replies(apis, headers, f"{method} /orders").items():
        assert reply.status == expected[1], (name, reply)
        assert reply.challenge is None
        assert json.loads(reply.body)[expected[0]] == login, name


@pytest.mark.parametrize(("headers", "request_line", "status", "kind"), REFUSED)
def test_refused(headers: Headers, request_line: str, status: int, kind: str, apis: Apis) -> None:
    replies = all_replies(apis, headers, request_line)
    expected = replies["asgi"]
    error = json.loads(expected.body)["error"]
    assert (expected.status, error["code"], error["type"]) == (status, status, kind)
    assert expected.challenge is not None
    assert expected.challenge.startswith('Bearer realm="DomainAPI"')
    assert replies == dict.fromkeys(COMMANDS, expected)


AMBIGUOUS = [
    "//orders",
    "/x/../orders",
    "/orders/..%2fx",
    "/x/%2e%2e/orders",
    "/orders%2f1",
    "/./orders",
]


@pytest.mark.parametrize("target", AMBIGUOUS)
def test_an_ambiguous_path_reaches_no_operation(target: str, apis: Apis) -> None:
    """A dependency is asked at routes only: beside them FastAPI says that there is nothing."""
    replies = all_replies(apis, bearer("user"), f"GET {target}")
    expected = replies["asgi"]
    assert expected.status == 400
    assert replies.pop("fastapi").status in {400, 404}
    assert replies == dict.fromkeys(replies, expected)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_refused_head_has_no_body(name: str, apis: Apis) -> None:
    """RFC 9110 §9.3.2: what follows would be read as the next answer."""
    heads = ask_twice(apis.running[name].port, "HEAD", "/orders").split(b"\r\n\r\n")
    statuses = [head.split(b"\r\n")[0].split(b" ")[:2] for head in heads if head]
    # FastAPI has no HEAD beside a GET, and says so before it asks what a route depends on.
    expected = b"405" if name == "fastapi" else b"401"
    assert statuses[0] == [b"HTTP/1.1", expected]
    assert all(first == b"HTTP/1.1" for first, *_ in statuses), heads


def test_a_body_is_not_read_before_the_caller_is_known(apis: Apis) -> None:
    """FastAPI would answer 422 to what is no JSON, whoever sends it."""
    replies = all_replies(apis, [], POST, b"no JSON")
    assert {reply.status for reply in replies.values()} == {401}


def test_a_preflight_reaches_no_operation(apis: Apis) -> None:
    """[API-25]: nobody in particular asks, so none of the examples does anything for it."""
    asks = [("Origin", "https://shop.example.org"), ("Access-Control-Request-Method", "POST")]
    replies = all_replies(apis, asks, "OPTIONS /orders")
    assert replies["flask"].status == 200  # Flask tells the methods by itself
    assert {reply.status for name, reply in replies.items() if name != "flask"} <= {404, 405}


def test_what_is_revoked_is_refused_by_all(apis: Apis) -> None:
    """[LIF-20]: each follows the state feed by itself."""
    token = apis.world.user_tokens(login="ada")["access_token"]
    headers = [("Authorization", f"Bearer {token}")]
    assert {reply.status for reply in all_replies(apis, headers, GET).values()} == {200}
    apis.world.change_user("ada", active=False)
    deadline = time.monotonic() + 10
    while True:
        replies = all_replies(apis, headers, GET)
        if {reply.status for reply in replies.values()} != {200}:
            break
        assert time.monotonic() < deadline, "nobody has seen it"
    while {reply.status for reply in replies.values()} != {401}:
        assert time.monotonic() < deadline, replies
        replies = all_replies(apis, headers, GET)
    assert replies == dict.fromkeys(COMMANDS, replies["asgi"])


def test_without_a_free_slot_all_refuse_as_the_server_does(apis: Apis) -> None:
    """[API-16, SES-34] and whoever is in stays in"""
    assert {reply.status for reply in all_replies(apis, bearer("user"), GET).values()} == {200}
    apis.world.declare(replace=("licences = 1000", "licences = 1"))
    apis.tokens["late"] = apis.world.service_token()
    replies = all_replies(apis, bearer("late"), GET)
    own = apis.world.api("Crm_Sales_Customers?$top=1", apis.tokens["late"])
    assert json.loads(own.content)["error"]["type"] == "MaximumLicenseCountExceeded"
    assert replies == dict.fromkeys(COMMANDS, Reply(503, None, own.content))
    assert {reply.status for reply in all_replies(apis, bearer("user"), GET).values()} == {200}
    apis.world.declare()
    assert {reply.status for reply in all_replies(apis, bearer("late"), GET).values()} == {200}


def test_the_openapi_document_tells_the_scheme(apis: Apis) -> None:
    document = json.loads(ask(apis.running["fastapi"].port, "GET", "/openapi.json", [], b"").body)
    scheme = document["components"]["securitySchemes"]["DomainAPI"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    orders = document["paths"]["/orders"]
    assert orders["get"]["security"] == [{"DomainAPI": []}]
    assert orders["post"]["security"] == [{"DomainAPI": ["update"]}]
