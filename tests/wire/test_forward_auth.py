"""The endpoint that servers in front of an API ask, called as each of them does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from mintgate.contract.declared_apis import ApiSettings
from mintgate.contract.errors import TooManyRequests
from mintgate.contract.identifiers import secret_hash
from mintgate.gate.forward_auth import ForwardAuth
from mintgate.identity import auditing
from mintgate.jose import CALLER_TYPE
from mintgate.server.application import Application
from mintgate.server.instance_application import InstanceApplication
from mintgate.store import DatabaseUnavailable, apis
from mintgate.verify import OpenSession, Principal
from tests.edge.exchange import exchange
from tests.wire.test_api_checks import resigned
from tests.world import World, sqlite_url

SECRET = "gate-s3cret, of DomainAPI %+"
SHOP = "gate-s3cret-of-shop"
MORE = f"""
[[apis]]
Name = "DomainAPI"
Secret = "{SECRET}"

[[apis]]
Name = "TableAPI"

[[apis]]
Name = "Shop/2"
Secret = "{SHOP}"

[apis.policy]
security = ["/admin"]
reading = ["/search"]
"""
CUSTOMERS = "/api/domain/odata/Crm_Sales_Customers"
GATE = "/gate/haproxy/orion/DomainAPI"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(sqlite_url(tmp_path_factory.mktemp("gate")), more=MORE)
    for secret in (SECRET, SHOP):
        world.leaks.note("secret", secret)
    yield world.start()
    world.stop()


def ask(
    world: World,
    token: str | None,
    url: str = GATE,
    *,
    method: str = "GET",
    uri: str = CUSTOMERS,
    headers: dict[str, str] | None = None,
    **told: str,
) -> httpx.Response:
    """A call by headers of mintgate's own, as those of nginx, HAProxy and Apache are."""
    sent = {
        "X-Mintgate-Gate-Secret": SECRET,
        "X-Mintgate-Gate-Method": method,
        "X-Mintgate-Gate-Uri": uri,
        "X-Mintgate-Gate-Address": "192.0.2.7",
    }
    sent |= {f"X-Mintgate-Gate-{name.title()}": value for name, value in told.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    return world.http.get(url, headers={k: v for k, v in sent.items() if v} | (headers or {}))


def test_allowed(gate: World) -> None:
    answer = ask(gate, gate.service_token())
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["x-mintgate-login"] == "svc.stock"
    assert answer.headers["cache-control"] == "no-store"


def test_at_once_as_by_the_application(gate: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same permission, byte for byte but for the order of headers; and it is not asked."""
    token = gate.user_tokens()["access_token"]
    called: list[str] = []
    whole = ForwardAuth.__call__

    async def noted(self: ForwardAuth, scope: Any, receive: Any, send: Any) -> None:
        called.append(scope["path"])
        await whole(self, scope, receive, send)

    monkeypatch.setattr(ForwardAuth, "__call__", noted)
    for dialect in ("haproxy", "nginx", "haproxy-token"):
        url = f"/gate/{dialect}/orion/DomainAPI"
        called.clear()
        ask(gate, token, url)
        kept = ask(gate, token, url)
        assert called == ([] if dialect == "nginx" else [url] * (1 + dialect.endswith("-token")))
        # A client that says "close" is answered by the application.
        closing = ask(gate, token, url, headers={"Connection": "close"})
        assert called[-1] == url
        assert kept.status_code == closing.status_code == 204
        left_out = {"date", "connection", "x-mintgate-token", "ratelimit"}
        assert {n: v for n, v in kept.headers.items() if n not in left_out} == {
            n: v for n, v in closing.headers.items() if n not in left_out
        }
        assert kept.headers["date"]


def test_refused_like_in_process(gate: World) -> None:
    """[API-40, API-41]"""
    for path, token in ((CUSTOMERS, None), (CUSTOMERS, "abc"), (CUSTOMERS + "/../x", "abc")):
        inside = gate.api("Crm_Sales_Customers", token)
        answer = ask(gate, token, uri=path)
        if path == CUSTOMERS:
            assert answer.status_code == inside.status_code
            assert answer.content == inside.content
            assert answer.headers["www-authenticate"] == inside.headers["www-authenticate"]
        else:
            assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request")


MISUSES: list[tuple[str, dict[str, Any]]] = [
    ("no-secret", {"secret": ""}),
    ("wrong-secret", {"secret": "wrong"}),
    ("secret-of-another-api", {"secret": SHOP}),
    ("its-hash", {"secret": secret_hash(SECRET)}),
    ("api-without-a-secret", {"url": "/gate/haproxy/orion/TableAPI", "secret": ""}),
    ("api-not-declared", {"url": "/gate/haproxy/orion/OLAP"}),
    ("api-unknown", {"url": "/gate/haproxy/orion/Nothing"}),
    ("api-case", {"url": "/gate/haproxy/orion/domainapi"}),
    ("instance-unknown", {"url": "/gate/haproxy/lyra/DomainAPI"}),
    ("dialect-unknown", {"url": "/gate/squid/orion/DomainAPI"}),
    ("dialect-encoded", {"url": "/gate/hapro%78y/orion/DomainAPI"}),
    ("path-behind", {"url": GATE + "/x"}),
    ("no-api", {"url": "/gate/haproxy/orion"}),
    ("no-method", {"method": ""}),
    ("no-uri", {"uri": ""}),
    ("no-address", {"address": ""}),
    ("another-dialect", {"url": "/gate/traefik/orion/DomainAPI"}),
]


@pytest.mark.parametrize("how", [pytest.param(how, id=name) for name, how in MISUSES])
def test_only_a_server_that_proves_itself_gets_an_answer(how: dict[str, Any], gate: World) -> None:
    """[ITR-1] and it is the same for a good token as for a bad one"""
    auditing._counts.clear()
    told = dict(how)
    answers = [
        ask(gate, token, told.get("url", GATE), **_without_url(told))
        for token in (gate.service_token(), "abc", None)
    ]
    bodies = {answer.content for answer in answers}
    assert {answer.status_code for answer in answers} == {500}
    assert len(bodies) == 1
    assert not any(name.startswith("x-mintgate") for a in answers for name in a.headers)
    by_id = {(event.details or {}).get("request_id") for event in gate.events("gate.refused")}
    assert answers[0].headers["x-request-id"] in by_id


def _without_url(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "url"}


def test_what_is_told_twice_is_not_believed(gate: World) -> None:
    token = gate.service_token()
    base = [
        ("X-Mintgate-Gate-Secret", SECRET),
        ("X-Mintgate-Gate-Method", "POST"),
        ("X-Mintgate-Gate-Uri", CUSTOMERS),
        ("X-Mintgate-Gate-Address", "192.0.2.7"),
        ("Authorization", f"Bearer {token}"),
    ]
    for name, value, status in (
        ("Method", "GET", 400),
        ("Uri", "/", 400),
        ("Address", "192.0.2.8", 400),
        ("Secret", SECRET, 500),
        ("Secret", "x", 500),
    ):
        answer = gate.http.get(GATE, headers=[*base, (f"X-Mintgate-Gate-{name}", value)])
        assert answer.status_code == status, name


def test_the_host_of_the_call_does_not_matter(gate: World) -> None:
    """Envoy sends that of the client."""
    answer = ask(gate, gate.service_token(), headers={"Host": "api.example.org"})
    assert answer.status_code == 204
    answer = ask(gate, gate.service_token(), secret="wrong", headers={"Host": "api.example.org"})
    assert answer.status_code == 500


def test_by_forwarded_headers(gate: World) -> None:
    """Traefik's ForwardAuth and Caddy's forward_auth"""
    headers = {
        "Authorization": f"Bearer {gate.service_token('read')}",
        "X-Mintgate-Gate-Secret": SECRET,
        "X-Forwarded-Method": "GET",
        "X-Forwarded-Uri": CUSTOMERS + "?$top=1",
        "X-Forwarded-For": "203.0.113.9, 192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "api.example.org",
    }
    for dialect in ("traefik", "caddy"):
        url = f"/gate/{dialect}/orion/DomainAPI"
        assert gate.http.get(url, headers=headers).status_code == 204
        # Caddy adds the client's query to the address of the call.
        assert gate.http.get(url + "?_method=DELETE", headers=headers).status_code == 204
        auditing._counts.clear()
        changed = headers | {"X-Forwarded-Method": "POST"}
        answer = gate.http.get(url, headers=changed)
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "insufficient_scope")
        assert gate.events("api.refused")[0].address == "192.0.2.7"
        changed = headers | {"X-Forwarded-Uri": CUSTOMERS + "?_method=DELETE"}
        assert gate.http.get(url, headers=changed).status_code == 400
        # A handshake has lost `Upgrade` on its way [API-15].
        handshake = headers | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        assert gate.http.get(url, headers=handshake).status_code == 403
        # What other servers tell is a client's own here.
        smuggled = headers | {"X-Mintgate-Gate-Method": "GET"}
        assert gate.http.get(url, headers=smuggled).status_code == 400


def test_by_the_path_behind_the_address(gate: World) -> None:
    """Envoy's ext_authz over HTTP"""
    headers = {
        "Authorization": f"Bearer {gate.service_token('read')}",
        "X-Mintgate-Gate-Secret": SECRET,
        "X-Forwarded-For": "192.0.2.7",
    }
    url = "/gate/envoy/orion/DomainAPI"
    answer = gate.http.get(f"{url}{CUSTOMERS}?$top=1", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")  # it takes no other status
    assert answer.headers["x-mintgate-login"] == "svc.stock"
    assert gate.http.post(f"{url}{CUSTOMERS}", headers=headers).status_code == 403
    assert gate.http.get(f"{url}{CUSTOMERS}?_method=PUT", headers=headers).status_code == 400
    for path in ("/x%2Fy", "//x", "/a/../../TableAPI/x", "/../TableAPI/x", "/a;b"):
        reply = exchange(gate.port, "GET", url + path, list(headers.items()))
        assert reply.status == 400, path
    assert gate.http.get(url, headers=headers).status_code == 500  # no path
    # It takes a 5xx for a failure of the endpoint.
    batch = gate.http.post(f"{url}/api/domain/odata/$batch", headers=headers)
    assert (batch.status_code, batch.headers["x-mintgate-status"]) == (403, "501")
    assert batch.json()["error"]["code"] == 501
    joined = headers | {"Authorization": f"{headers['Authorization']},Bearer x"}
    assert gate.http.get(f"{url}{CUSTOMERS}", headers=joined).status_code == 400  # [API-2]


HANDED_OVER: list[tuple[str, str, str, str | None, int, int]] = [
    ("API-1", "GET", CUSTOMERS, None, 401, 401),
    ("API-4", "GET", CUSTOMERS, "abc", 401, 401),
    ("API-15", "POST", CUSTOMERS, "read", 403, 403),
    ("API-15-method", "PROPFIND", CUSTOMERS, "read", 403, 405),
    ("API-32", "POST", "/api/domain/odata/$batch", "read", 403, 501),
    ("path", "GET", "/a//b", "read", 403, 400),
]


@pytest.mark.parametrize(
    ("method", "uri", "token", "status", "real"),
    [pytest.param(*row[1:], id=row[0]) for row in HANDED_OVER],
)
def test_for_nginx(
    method: str, uri: str, token: str | None, status: int, real: int, gate: World
) -> None:
    """It takes 401 and 403 only, and drops the body: headers say what it is really."""
    token = gate.service_token("read") if token == "read" else token
    plain = ask(gate, token, method=method, uri=uri)
    assert plain.status_code == real
    answer = ask(gate, token, "/gate/nginx/orion/DomainAPI", method=method, uri=uri)
    told = answer.headers
    assert (answer.status_code, told["x-mintgate-status"]) == (status, str(real))
    assert told["x-mintgate-body"].encode() == plain.content
    name = "www-authenticate" if real == 401 else "x-mintgate-challenge"
    assert told.get(name) == plain.headers.get("www-authenticate")
    assert told.get("allow") == plain.headers.get("allow")


def test_identity_as_an_internal_token(gate: World) -> None:
    """[EXT-16] for an API that is to have one kind of check only"""
    token = gate.service_token()
    answer = ask(gate, token, "/gate/haproxy-token/orion/DomainAPI")
    assert "x-mintgate-login" not in answer.headers
    internal = answer.headers["x-mintgate-token"]
    header = jwt.get_unverified_header(internal)
    assert header["typ"] == CALLER_TYPE
    assert gate.api("Crm_Sales_Customers", internal).status_code == 401  # no access token
    served = gate.http.get("/id/.well-known/openid-configuration/jwks").json()
    keys = {key["kid"]: jwt.PyJWK(key) for key in served["keys"]}
    options = {"verify_exp": False, "verify_iat": False}  # the world has a clock of its own
    claims = jwt.decode(
        internal,
        keys[header["kid"]],
        ["RS256"],
        audience="DomainAPI",
        issuer=gate.issuer,
        options=options,
    )
    assert (claims["sub"], claims["db"]) == ("svc.stock", "ORION_PROD X-1")
    again = ask(gate, token, "/gate/haproxy-token/orion/DomainAPI").headers["x-mintgate-token"]
    assert again == internal


def test_a_preflight_has_no_caller(gate: World) -> None:
    """[API-25]"""
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    for url in (GATE, "/gate/haproxy-token/orion/DomainAPI"):
        answer = ask(gate, None, url, method="OPTIONS", headers=headers)
        assert answer.status_code == 204
        told = {v for n, v in answer.headers.items() if n.startswith("x-mintgate-")}
        assert told == {""}


def test_a_declared_api_has_its_own_policy(gate: World) -> None:
    """[EXT-12]"""
    url = "/gate/haproxy/orion/Shop%2F2"
    reader, writer = (
        resigned(gate, aud=["Shop/2"], scope=[scope], jti=f"{number:032X}")
        for number, scope in enumerate(("read", "update"), 1)
    )
    ways = (
        (reader, "GET", "/orders", 204),
        (reader, "POST", "/orders", 403),
        (writer, "POST", "/orders", 204),
        (reader, "POST", "/search", 204),
        (writer, "GET", "/admin/x", 403),
        (writer, "POST", "/orders/$batch", 204),  # no OData
        (gate.service_token(), "GET", "/orders", 401),
    )
    for token, method, uri, status in ways:
        answer = ask(gate, token, url, method=method, uri=uri, secret=SHOP)
        assert answer.status_code == status, (method, uri)
    auditing._counts.clear()
    refused = ask(gate, reader, url, method="POST", uri="/orders/7", secret=SHOP)
    (event,) = (
        e
        for e in gate.events("api.refused")
        if (e.details or {})["request_id"] == refused.headers["x-request-id"]
    )
    details = event.details or {}
    assert (details["api"], details["method"], details["path"]) == ("Shop/2", "POST", "/orders/7")
    assert any(line.startswith("API-15 failed") for line in details["checks"])
    assert event.address == "192.0.2.7"
    challenge = ask(gate, None, url, secret=SHOP).headers["www-authenticate"]
    assert challenge == 'Bearer realm="Shop/2"'


class Twice:
    """Two requests of a caller, and no more."""

    def __init__(self, api: ApiSettings) -> None:
        self.api = api
        self.seen: list[str] = []

    def hit(
        self, principal: Principal, session: OpenSession | None, address: str
    ) -> list[tuple[bytes, bytes]]:
        assert session is not None
        self.seen.append(address)
        if len(self.seen) > 2:
            limits = ((b"ratelimit", b'"x";r=0'),)
            raise TooManyRequests(retry_after=7, limits=limits)
        return [(b"ratelimit", b'"x";r=1')]


def test_limits(a_world: Any) -> None:
    """[API-54] counted by the address that the server in front tells"""
    world: World = a_world(more=MORE)
    made: list[Twice] = []

    async def limit(_: Application, instance: InstanceApplication) -> None:
        def limits_of(api: ApiSettings) -> Twice | None:
            if api.name != "DomainAPI":
                return None
            made.append(Twice(api))
            return made[-1]

        instance.forward_auth.guards.limits_of = limits_of

    world.run_in_server(limit)
    token = world.service_token()
    answers = [ask(world, token) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 429]
    assert answers[0].headers["ratelimit"] == '"x";r=1'
    assert (answers[2].headers["retry-after"], answers[2].headers["ratelimit"]) == ("7", '"x";r=0')
    assert len(made[-1].seen) == 3  # what is refused at once is not counted by the application
    assert "ratelimit" not in ask(world, None).headers
    nginx = ask(world, token, "/gate/nginx/orion/DomainAPI")
    assert (nginx.status_code, nginx.headers["x-mintgate-status"]) == (403, "429")
    assert nginx.headers["retry-after"] == "7"
    assert set(made[-1].seen) == {"192.0.2.7"}


def test_sessions_and_their_end(a_world: Any) -> None:
    """[SES-11, SES-33] a permission opens the session, a refusal does not"""
    world: World = a_world(more=MORE)
    world.declare(replace=("licences = 1000", "licences = 1"))
    # The instance is loaded anew, and found by its name as before.
    assert ask(world, None, headers={"Host": "api.example.org"}).status_code == 401
    first = world.user_tokens(scope="openid read")["access_token"]
    second = world.user_tokens("ada", scope="openid read")["access_token"]
    assert ask(world, first, method="POST").status_code == 403
    assert ask(world, first, uri="/api/$batch", method="POST").status_code == 501
    assert ask(world, second).status_code == 204
    assert ask(world, second).status_code == 204
    refused = ask(world, first)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
    assert refused.json()["error"]["type"] == "MaximumLicenseCountExceeded"
    envoy = "/gate/envoy/orion/DomainAPI" + CUSTOMERS
    told = {"X-Forwarded-For": "192.0.2.7"}
    answer = ask(world, first, envoy, method="", uri="", address="", headers=told)
    assert (answer.status_code, answer.headers["x-mintgate-status"]) == (403, "503")


def test_another_secret_holds_at_once(a_world: Any) -> None:
    """[ITR-1] and one that was taken away opens nothing"""
    world: World = a_world(more=MORE)
    token = world.service_token()
    assert ask(world, token).status_code == 204
    for new in ("another-secret-1", None):
        with world.database.begin() as tx:
            hashed = secret_hash(new) if new else None
            apis.set_secret(tx, world.instance.id, "DomainAPI", hashed)
        world.sync()
        assert ask(world, token).status_code == 500
        if new:
            assert ask(world, token, secret=new).status_code == 204
    assert ask(world, token, secret="another-secret-1").status_code == 500


def test_while_the_database_is_away(a_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing passes that cannot be proved; what is known goes on for as long as it is certain."""
    world: World = a_world(more=MORE)
    token = world.service_token()

    async def away(*_: Any, **__: Any) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(world.server_database, "read", away)
    answer = ask(world, token)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"]["type"] == "temporarily_unavailable"
    monkeypatch.undo()
    assert ask(world, token).status_code == 204
    monkeypatch.setattr(world.server_database, "read", away)
    assert ask(world, token).status_code in {204, 503}


def test_a_call_by_a_handshake_is_answered_and_not_taken(gate: World) -> None:
    """A server may ask with the client's own `Upgrade`."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for scope, status in (("update", 204), ("read", 403)):
        answer = ask(gate, gate.service_token(scope), headers=headers)
        assert answer.status_code == status
    assert answer.json()["error"]["type"] == "insufficient_scope"


def test_what_fails_inside_lets_nothing_pass(gate: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    async def breaks(_: Application, instance: InstanceApplication) -> None:
        await asyncio.sleep(0)
        monkeypatch.setattr(instance.forward_auth, "_identity", broken)

    gate.run_in_server(breaks)
    answer = ask(gate, gate.service_token())
    assert (answer.status_code, json.loads(answer.content)["error"]["code"]) == (500, 500)
    assert "broken" not in answer.text
    answer = ask(gate, gate.service_token(), "/gate/nginx/orion/DomainAPI")
    assert (answer.status_code, answer.headers["x-mintgate-status"]) == (403, "500")
