"""OData batches through the guard: in front of the DomainAPI, and of an application that is not
ours [API-32]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mintgate.contract.errors import Refusal
from mintgate.verify import GuardMiddleware
from mintgate.verify.batch import BatchLimits
from tests.unit.verify.batches import carried_out, change_set, get, mixed, post
from tests.unit.verify.workbench import Limits, OneSession, a_guard, served, sign, user_claims
from tests.world import World, sqlite_url

CUSTOMERS = "Crm_Sales_Customers"
GO_ON = {"Prefer": "continue-on-error"}


class Upstream:
    """An API behind the guard that reads batches with the standard library, and keeps them."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.headers: dict[str, str] = {}
        self.raw = b""
        self.answers_with: tuple[int, bytes, bytes] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.raw = body
        self.headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if self.answers_with is None:
            lines, kind, answer = carried_out(self.headers["content-type"], body)
            self.batches.append(lines)
            status, content_type = 200, kind.encode()
        else:
            status, content_type, answer = self.answers_with
        headers = [(b"content-type", content_type), (b"x-upstream", b"1")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        half = len(answer) // 2
        await send({"type": "http.response.body", "body": answer[:half], "more_body": True})
        await send({"type": "http.response.body", "body": answer[half:]})


class Guarded:
    """The upstream behind the middleware, and what the log was told."""

    def __init__(self) -> None:
        self.upstream = Upstream()
        self.sessions = OneSession()
        self.limits = Limits()
        self.refused: list[tuple[str, str, int]] = []
        guard = a_guard(sessions=self.sessions, limits=self.limits)
        limits = BatchLimits(parts=5, body_bytes=10_000, answer_bytes=10_000)
        self.app = GuardMiddleware(self.upstream, guard, self.note, limits)

    async def note(self, scope: Any, refusal: Refusal) -> None:
        self.refused.append((scope["method"], scope["path"], refusal.status))


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Guarded, str]]:
    guarded = Guarded()
    with served(guarded.app) as base:
        yield guarded, f"{base}/api/domain/odata/$batch"


@pytest.fixture
def guarded(running: tuple[Guarded, str]) -> Guarded:
    guarded = running[0]
    guarded.refused.clear()
    guarded.upstream.batches.clear()
    guarded.upstream.answers_with = None
    guarded.sessions.opened = 0
    guarded.sessions.session.uploaded = guarded.sessions.session.downloaded = 0
    guarded.limits.used_up = False
    return guarded


@pytest.fixture
def url(running: tuple[Guarded, str]) -> str:
    return running[1]


def ask(url: str, body: Any, scopes: str = "read", **headers: str) -> httpx.Response:
    token = sign(user_claims(scope=scopes.split()))
    sent = {"Authorization": f"Bearer {token}", **headers}
    if isinstance(body, list):
        return httpx.post(url, json={"requests": body}, headers=sent, trust_env=False)
    sent = {"Content-Type": "multipart/mixed; boundary=b1", **sent}
    return httpx.post(url, content=body, headers=sent, trust_env=False)


def test_the_upstream_gets_the_permitted_parts_only(guarded: Guarded, url: str) -> None:
    """[API-32] in multipart"""
    body = mixed(get("A"), post("B", "2"), get("Systems_Security_Users"), get("C"))
    answer = ask(url, body, **GO_ON)
    assert answer.status_code == 200
    assert guarded.upstream.batches == [["GET A", "GET C"]]
    assert b"Systems_Security" not in guarded.upstream.raw
    assert b"--b1\r\n" not in guarded.upstream.raw  # written anew, not cut out
    assert guarded.upstream.headers["authorization"].startswith("Bearer ")
    statuses = [piece[:3] for piece in answer.text.split("HTTP/1.1 ")[1:]]
    assert statuses == ["200", "403", "403", "200"]
    assert answer.headers["x-upstream"] == "1"
    assert answer.headers["ratelimit"] == '"client";r=9;t=1'
    assert guarded.refused == [
        ("POST", "/api/domain/odata/B", 403),
        ("GET", "/api/domain/odata/Systems_Security_Users", 403),
    ]
    assert guarded.sessions.opened == 1
    assert guarded.sessions.session.current == 0
    assert guarded.sessions.session.downloaded == len(answer.content)  # [SES-26]


def test_json_answers_come_in_the_order_of_the_requests(guarded: Guarded, url: str) -> None:
    """[API-32] in JSON"""
    requests = [
        {"id": "1", "method": "get", "url": "A"},
        {"id": "2", "method": "post", "url": "B", "body": {}},
        {"id": "3", "method": "get", "url": "C"},
    ]
    answer = ask(url, requests, **GO_ON)
    assert guarded.upstream.batches == [["GET A", "GET C"]]
    found = answer.json()["responses"]
    assert [(r["id"], r["status"]) for r in found] == [("1", 200), ("2", 403), ("3", 200)]
    assert found[1]["body"]["error"]["type"] == "insufficient_scope"
    assert found[1]["headers"]["www-authenticate"].endswith('scope="update"')
    assert len(found[1]["headers"]["x-request-id"]) == 16
    assert found[0]["body"] == {"of": "A"}


def test_what_is_permitted_whole_is_answered_by_the_upstream_alone(
    guarded: Guarded, url: str
) -> None:
    answer = ask(url, mixed(get("A"), change_set(post("B", "1"))), "update")
    assert guarded.upstream.batches == [["GET A", "POST B"]]
    assert answer.headers["content-type"] == "multipart/mixed; boundary=up"
    guarded.upstream.answers_with = (200, b"text/plain", b"odd")  # it is not read
    assert ask(url, mixed(get("A"))).text == "odd"


def test_no_session_is_opened_when_nothing_is_permitted(guarded: Guarded, url: str) -> None:
    """[API-32, SES-11] and nothing is counted against the limits"""
    guarded.limits.used_up = True
    for body in (mixed(post("B", "1")), [{"id": "1", "method": "post", "url": "B"}], []):
        answer = ask(url, body)
        assert answer.status_code == 200
    assert guarded.upstream.batches == []
    assert guarded.sessions.opened == 0
    assert ask(url, mixed(get("A"))).status_code == 429  # a batch counts as one request


def test_who_may_not_call_at_all_is_told_so(guarded: Guarded, url: str) -> None:
    """The batch itself needs a caller, and no scope."""
    answer = httpx.post(url, json={"requests": []}, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="DomainAPI"'
    assert ask(url, mixed(get("A")), "openid").status_code == 200


BAD = [
    (mixed(get("A")).replace("\r\n", "\n"), {}, 400),
    (mixed(get("A")), {"Content-Type": "text/plain"}, 415),
    (mixed(*[get("A")] * 6), {}, 413),
    (mixed(get("A" * 5000), get("B" * 5000)), {}, 413),
    (mixed(get("A")), {"X-HTTP-Method-Override": "GET"}, 400),
    (mixed(get("A")), {"Content-Encoding": "gzip"}, 415),
]


@pytest.mark.parametrize(("body", "headers", "status"), BAD, ids=range(len(BAD)))
def test_a_batch_that_is_refused_whole(
    guarded: Guarded, url: str, body: str, headers: dict[str, str], status: int
) -> None:
    answer = ask(url, body, "read update", **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)
    assert guarded.upstream.batches == []
    assert guarded.sessions.opened == 0
    assert [refused[2] for refused in guarded.refused] == [status]


def test_a_body_without_a_length_is_cut_off_at_the_limit(guarded: Guarded, url: str) -> None:
    answer = ask(url, iter([b"x" * 4000] * 3))
    assert answer.status_code == 413
    assert guarded.upstream.batches == []


def test_a_web_socket_is_no_batch(guarded: Guarded, url: str) -> None:
    token = sign(user_claims(scope=["read"]))
    headers = {"Authorization": f"Bearer {token}", "Upgrade": "websocket", "Connection": "Upgrade"}
    assert httpx.get(url, headers=headers, trust_env=False).status_code in {400, 501}
    assert guarded.upstream.batches == []


ODD_ANSWERS = [
    (200, b"text/html", b"<h1>hello</h1>", 502),
    (200, b"multipart/mixed; boundary=up", b"--up\n\nHTTP/1.1 200 OK\n--up--", 502),
    (200, b"multipart/mixed; boundary=up", b"x" * 10_001, 502),
    (503, b"text/plain", b"busy", 503),
    (400, b"application/json", b"{}", 400),
]


@pytest.mark.parametrize(("status", "kind", "body", "seen"), ODD_ANSWERS)
def test_an_upstream_that_answers_no_batch(
    guarded: Guarded, url: str, status: int, kind: bytes, body: bytes, seen: int
) -> None:
    guarded.upstream.answers_with = (status, kind, body)
    answer = ask(url, mixed(get("A"), post("B", "1")))
    assert answer.status_code == seen
    if seen == status:
        assert answer.content == body
    assert guarded.sessions.session.current == 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(sqlite_url(tmp_path_factory.mktemp("batch")), customers=True).start()
    yield world
    world.stop()


def batch(world: World, token: str, requests: list[dict[str, Any]], **headers: str) -> Any:
    answer = world.api(
        "$batch", token, method="POST", json={"requests": requests}, headers=dict(headers)
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["responses"]


def test_the_domain_api_carries_a_batch_out(world: World) -> None:
    """[API-32] [API-31]"""
    token = world.service_token("read update")
    [party] = world.api("General_Contacts_Parties?$top=1", token).json()["value"]
    new = {"Number": "B-1", "Party": {"@odata.id": party["@odata.id"]}}
    answers = batch(
        world,
        token,
        [
            {"id": "1", "method": "post", "url": CUSTOMERS, "body": new, "atomicityGroup": "g"},
            {"id": "2", "method": "get", "url": "Systems_Security_Users"},
            {"id": "3", "method": "get", "url": f"{CUSTOMERS}/$count", "dependsOn": ["g"]},
            {"id": "4", "method": "get", "url": f"{CUSTOMERS}/$count", "dependsOn": ["2"]},
        ],
        **GO_ON,
    )
    assert [r["status"] for r in answers] == [201, 403, 200, 424]
    assert answers[0]["headers"]["location"].startswith(f"{world.base}/api/domain/odata/")
    found = world.api(f"{CUSTOMERS}?$filter=Number eq 'B-1'", token).json()["value"]
    assert len(found) == 1


def test_a_refused_part_is_in_the_audit_log_like_a_request_by_itself(world: World) -> None:
    token = world.service_token("read")
    [answer] = batch(world, token, [{"id": "1", "method": "delete", "url": f"{CUSTOMERS}(1)"}])
    assert answer["status"] == 403
    event = world.events("api.refused")[0]
    assert event.details is not None
    assert event.details["request_id"] == answer["headers"]["x-request-id"]
    assert event.details["method"] == "DELETE"
    assert event.details["path"] == f"/api/domain/odata/{CUSTOMERS}(1)"
    assert any(line.startswith("API-15 failed") for line in event.details["checks"])


def test_multipart_at_the_domain_api(world: World) -> None:
    token = world.service_token("read")
    answer = world.api(
        "$batch",
        token,
        method="POST",
        content=mixed(get(f"{CUSTOMERS}/$count"), post(CUSTOMERS, "1")),
        headers={"Content-Type": "multipart/mixed; boundary=b1"},
    )
    assert [piece[:3] for piece in answer.text.split("HTTP/1.1 ")[1:]] == ["200", "403"]


def test_the_session_is_opened_by_the_first_batch_with_a_permitted_part(world: World) -> None:
    """[SES-11]"""
    token = world.user_tokens("mira.k", "openid profile read")["access_token"]
    before = world.count_rows("erp_sessions")
    batch(world, token, [{"id": "1", "method": "delete", "url": f"{CUSTOMERS}(1)"}])
    assert world.count_rows("erp_sessions") == before
    batch(world, token, [{"id": "1", "method": "get", "url": f"{CUSTOMERS}/$count"}])
    assert world.count_rows("erp_sessions") == before + 1
