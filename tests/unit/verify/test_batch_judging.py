"""Each part of a batch is judged alone, and nothing but permitted ones goes on [API-32]."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mintgate.contract.errors import (
    AmbiguousRequest,
    BatchTooLarge,
    NotABatch,
    Refusal,
    UnreadableAnswer,
)
from mintgate.contract.policy import Policy
from mintgate.verify.batch import BatchLimits
from tests.unit.verify.batches import HOST, change_set, get, http, mixed, post, take, take_json

GO_ON = ("prefer", "continue-on-error")
ROOT = "/api/domain/odata"


def one(url: str, method: str = "get", **members: Any) -> dict[str, Any]:
    return {"id": "1", "method": method, "url": url, **members}


# What a part may need, and who has it.
JUDGED = [
    ("reads", one("Customers"), "read", False, 0),
    ("reads with update", one("Customers"), "update", False, 0),
    ("reads without a scope", one("Customers"), "openid", False, 403),
    ("writes", one("Customers", "post", body={}), "update", False, 0),
    ("writes with read", one("Customers", "post", body={}), "read", False, 403),
    ("deletes with read", one("Customers(1)", "delete"), "read", False, 403),
    ("method in capitals", one("Customers", "POST", body={}), "read", False, 403),
    ("API-33", one("Systems_Security_Users"), "read", False, 403),
    ("API-33 in another case", one("systems_security_users"), "read", False, 403),
    ("API-33 escaped", one("Systems%5FSecurity_Users"), "read", False, 403),
    ("API-33 from the root", one(f"{ROOT}/Systems_Security_Users"), "read", False, 403),
    ("API-33 absolute", one(f"http://{HOST}{ROOT}/Systems_Security_Users"), "read", False, 403),
    ("API-33 with sec", one("Systems_Security_Users"), "read sec", False, 0),
    ("API-33 $entity", one("$entity?$id=Systems_Security_Users(1)"), "read", False, 403),
    ("API-33 writes", one("Systems_Security_Users(1)", "patch"), "update sec", False, 403),
    ("API-33 admin", one("Systems_Security_Users(1)", "patch"), "update sec", True, 0),
    ("API-15 unknown method", one("Customers", "purge"), "update", True, 405),
    ("a batch in it", one("$batch", "post", body={}), "update", True, 400),
    ("a batch in it, other case", one("$BATCH", "post", body={}), "update", True, 400),
    ("absolute", one(f"https://{HOST.upper()}{ROOT}/Customers"), "read", False, 0),
    ("service document", one(f"{ROOT}/"), "read", False, 0),
    ("service document, no slash", one(ROOT), "read", False, 0),
    ("$metadata", one("$metadata"), "read", False, 0),
    ("$count", one("Customers/$count?$filter=A%20eq%201"), "read", False, 0),
    ("a key with a colon", one("Customers('a:b')"), "read", False, 0),
]


@pytest.mark.parametrize(
    ("request_", "scopes", "is_admin", "status"), [row[1:] for row in JUDGED],
    ids=[row[0] for row in JUDGED],
)  # fmt: skip
def test_a_part_needs_what_it_would_need_alone(
    request_: dict[str, Any], scopes: str, is_admin: bool, status: int
) -> None:
    taken = take_json([request_], scopes, is_admin=is_admin)
    if status == 0:
        assert taken.plan.is_whole
        assert taken.plan.refusal_only is None
        assert len(taken.requests) == 1
        return
    assert taken.plan.body is None
    [answer] = taken.answers()
    assert (answer["id"], answer["status"]) == ("1", status)
    assert answer["body"]["error"]["code"] == status  # [API-40]


AMBIGUOUS_PARTS = [
    ("another host", one("https://other.example/api/domain/odata/Customers")),
    ("network path", one(f"//{HOST}{ROOT}/Customers")),
    ("host with a user", one(f"https://x@{HOST}{ROOT}/Customers")),
    ("another scheme", one("file:Customers")),
    ("outside", one("/api/table/Customers")),
    ("outside, similar", one("/api/domain/odata2/Customers")),
    ("dots", one("../../table/Customers")),
    ("escaped dots", one("%2e%2e/Customers")),
    ("doubled slash", one("Customers//x")),
    ("escaped slash", one("a%2fSystems_Security_Users")),
    ("escaped twice", one("%2553ystems_Security_Users")),
    ("fragment", one("Customers#x")),
    ("fragment in the query", one("Customers?a=1#x")),
    ("backslash in the query", one("Customers?a=\\x")),
    ("backslash", one("a\\Systems_Security_Users")),
    ("semicolon", one("Customers;x=1")),
    ("no path", one("?a=1")),
    ("scheme by its first segment", one(f"{ROOT}/x:Customers")),
    ("_method", one("Customers?_method=DELETE")),
    ("a body to a GET", one("Customers", body={})),
    ("unknown reference", one("$7/Orders")),
    ("itself", one("$1")),
    ("escaped reference", one("%241/Orders")),
    ("reference from the root", one(f"{ROOT}/$1")),
    ("reference later", one("Customers/$1")),
    *(
        (f"header {name}", one("Customers", headers={name: "x"}))
        for name in (
            "Authorization", "X-API-Key", "api_key", "Proxy-Authorization", "Cookie",
            "X-Mintgate-User", "x_mintgate_user", "X-HTTP-Method-Override", "X-HTTP-Method",
            "X-Original-URL", "X-Forwarded-For", "X-Forwarded-User", "Forwarded", "Connection",
            "Transfer-Encoding", "Upgrade", "Expect", "Range", "Host", "Content_Type", "X_Any",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "request_", [row[1] for row in AMBIGUOUS_PARTS], ids=[row[0] for row in AMBIGUOUS_PARTS]
)
def test_a_part_that_servers_could_take_for_another_is_refused(request_: dict[str, Any]) -> None:
    taken = take_json([request_, one("Customers") | {"id": "2"}], "update sec", GO_ON)
    [given] = taken.requests
    assert given["id"] == "2"
    assert [part.refusal.status for part in taken.plan.refused] == [400]


@pytest.mark.parametrize("url", ["$1/$batch", "$1/$BATCH", "$1/%24batch", "$1/x/$2", "$1/../A"])
def test_a_reference_leads_to_no_batch_and_to_no_other_reference(url: str) -> None:
    requests = [one("A", "post", body={}), one(url, "post", body={}) | {"id": "2"}]
    taken = take_json(requests, "update sec", GO_ON, is_admin=True)
    assert [r["id"] for r in taken.requests] == ["1"]
    assert [part.refusal.status for part in taken.plan.refused] == [400]


def test_a_length_in_json_says_nothing() -> None:
    [given] = take_json([one("A", headers={"Content-Length": "99", "X-A": "1"})]).requests
    assert given["headers"] == {"x-a": "1"}


def test_urls_go_on_relative_to_the_batch_and_without_a_host() -> None:
    forms = [
        "Customers?$top=1",
        f"{ROOT}/Customers?$top=1",
        f"http://{HOST}{ROOT}/Customers?$top=1",
    ]
    requests = [one(url) | {"id": str(n)} for n, url in enumerate(forms)]
    requests[1]["headers"] = {"Host": HOST}
    assert {r["url"] for r in take_json(requests).requests} == {"Customers?$top=1"}
    body = mixed(*(get(url, f"Host: {HOST}") for url in forms))
    given = take(body).given
    assert given.count("GET Customers?$top=1 HTTP/1.1\r\n\r\n") == 3
    assert "Host" not in given


def test_a_refused_part_stands_in_its_place() -> None:
    """[API-32] and the others are carried out, as `continue-on-error` asks"""
    body = mixed(get("A"), post("B", "2"), get("C"))
    taken = take(body, "multipart/mixed; boundary=b1", "read", GO_ON)
    assert "POST" not in taken.given
    assert dict(taken.plan.request_headers)[b"prefer"] == b"continue-on-error"
    answer = mixed(*(answered(200, name) for name in "AC"), boundary="r")
    status, headers, merged = taken.plan.merge(200, mixed_headers("r"), answer.encode())
    assert status == 200
    assert b"HTTP/1.1 200 OK" in merged
    positions = [merged.index(text) for text in (b"of A", b"403 Forbidden", b"of C")]
    assert positions == sorted(positions)
    assert b"Content-ID: 2" in merged
    assert b'Www-Authenticate: Bearer realm="DomainAPI", error="insufficient_scope"' in merged
    assert dict(headers)[b"content-length"] == str(len(merged)).encode()
    assert (b"x-of-the-api", b"1") in headers


def test_without_continue_on_error_nothing_after_the_refused_part_is_carried_out() -> None:
    """OData 4.01 part 1 §8.2.8.3: the error is the last answer"""
    for prefer in ((), (("prefer", "continue-on-error=false"),), (("prefer", "respond-async"),)):
        taken = take(mixed(get("A"), post("B"), get("C")), "multipart/mixed; boundary=b1",
                     "read", *prefer)  # fmt: skip
        assert "GET A" in taken.given
        assert "GET C" not in taken.given
        assert b"prefer" not in dict(taken.plan.request_headers)
        merged = taken.plan.merge(200, mixed_headers("r"), mixed(answered(200, "A"),
                                  boundary="r").encode())[2]  # fmt: skip
        assert (merged.count(b"HTTP/1.1 200"), merged.count(b"HTTP/1.1 403")) == (1, 1)
        # The application's own failure comes first, and is the last answer as well.
        failed = mixed(answered(404, "A"), boundary="r").encode()
        assert b"403" not in taken.plan.merge(200, mixed_headers("r"), failed)[2]
    assert take(mixed(post("B"), get("C"))).plan.refusal_only is not None


PREFERENCES = [
    ("continue-on-error", "continue-on-error", True),
    ("odata.continue-on-error", "odata.continue-on-error", True),
    ("continue-on-error=true", "continue-on-error", True),
    ('return=minimal, continue-on-error="true"', "return=minimal, continue-on-error", True),
    ("continue-on-error=false, continue-on-error", "", False),
    ("respond-async, wait=5", "wait=5", False),
    ('x="a, continue-on-error"', 'x="a, continue-on-error"', False),
]


@pytest.mark.parametrize(("prefer", "handed_on", "goes_on"), PREFERENCES)
def test_preferences(prefer: str, handed_on: str, goes_on: bool) -> None:
    requests = [one("A", "post"), one("B") | {"id": "2"}]
    taken = take_json(requests, "read", ("prefer", prefer))
    assert [r["id"] for r in taken.requests] == (["2"] if goes_on else [])
    taken = take_json(requests, "update", ("prefer", prefer))
    assert dict(taken.plan.request_headers).get(b"prefer", b"").decode() == handed_on


def test_a_refused_change_set_fails_whole() -> None:
    """[API-32]"""
    inner = change_set(post("A", "1"), post("Systems_Security_Users", "2"))
    taken = take(mixed(get("X"), inner), "multipart/mixed; boundary=b1", "update", GO_ON)
    assert "POST" not in taken.given
    answer = mixed(answered(200, "X"), boundary="r").encode()
    merged = taken.plan.merge(200, mixed_headers("r"), answer)[2].decode()
    # §11.7.7.5: one answer stands for the whole change set.
    assert (merged.count("HTTP/1.1 "), merged.count("HTTP/1.1 403")) == (2, 1)
    assert "multipart" not in merged


def test_a_refused_group_fails_whole_and_what_depends_on_it_too() -> None:
    """OData JSON Format 4.01 §19"""
    requests = [
        one("A", "post", body={}, atomicityGroup="g"),
        one("Systems_Security_Users", "post", body={}, atomicityGroup="g") | {"id": "2"},
        one("B", dependsOn=["g"]) | {"id": "3"},
        one("C", dependsOn=["1"]) | {"id": "4"},
        one("D", dependsOn=["4"]) | {"id": "5"},
        one("$1/Orders") | {"id": "6"},
        one("E", **{"if": "$3 eq 200"}) | {"id": "7"},
        one("F") | {"id": "8"},
    ]
    taken = take_json(requests, "update sec", GO_ON)
    assert [r["id"] for r in taken.requests] == ["8"]
    answer = json.dumps({"responses": [{"id": "8", "status": 200}]}).encode()
    merged = taken.plan.merge(200, [(b"content-type", b"application/json")], answer)[2]
    found = {r["id"]: r["status"] for r in json.loads(merged)["responses"]}
    assert found == {"1": 424, "2": 403, "3": 424, "4": 424, "5": 424, "6": 424, "7": 424,
                     "8": 200}  # fmt: skip
    assert list(found) == list("12345678")
    # A log is told of what was refused, not of what failed with it.
    assert [part.path for part in taken.plan.refused] == [f"{ROOT}/Systems_Security_Users"]


def test_a_reference_needs_what_the_most_protected_place_needs() -> None:
    """Nobody knows beforehand what `$1` will stand for."""
    requests = [one("Customers", "post", body={}), one("$1/Orders", "post", body={}) | {"id": "2"}]
    statuses = {scopes: len(take_json(requests, scopes).requests) for scopes in
                ("update", "update sec")}  # fmt: skip
    assert statuses == {"update": 1, "update sec": 1}
    assert len(take_json(requests, "update sec", is_admin=True).requests) == 2
    # An API without protected places: the method decides, and `reading` changes nothing.
    plain = Policy(batch=True, reading=("/api/domain/odata/Search",))
    search = [one("Search", "post", body={}), one("$1", "patch", body={}) | {"id": "2"}]
    assert len(take_json(search, "read", policy=plain).requests) == 1
    assert len(take_json(search, "update", policy=plain).requests) == 2
    assert take_json(search, "update", policy=plain).requests[1]["url"] == "$1"


def test_the_application_gets_the_callers_headers_except_those_of_the_body() -> None:
    sent = [
        ("authorization", "Bearer x"),
        ("accept-encoding", "gzip"),
        ("content-length", "7"),
        ("x-trace", "1"),
        ("transfer-encoding", "chunked"),
    ]
    taken = take_json([one("A")], "read", *sent)
    headers = dict(taken.plan.request_headers)
    assert headers[b"authorization"] == b"Bearer x"
    assert headers[b"x-trace"] == b"1"
    assert headers[b"content-length"] == str(len(taken.given)).encode()
    assert headers[b"accept"] == b"application/json"
    assert b"accept-encoding" not in headers
    assert b"transfer-encoding" not in headers


def test_numbers_keep_their_digits() -> None:
    text = '{"Price":1.10,"Big":123456789012345678901234567890.000,"E":1E400}'
    body = f'{{"requests":[{{"id":"1","method":"post","url":"A","body":{text}}}]}}'
    assert text in take_json(body, "update").given


TOO_LARGE = [
    "--b1" * 1000,
    mixed("Content-Type: multipart/mixed; boundary=c\r\n\r\n" + "--c" * 1000),
    mixed(*[get("A")] * 4),
    mixed(get("A"), change_set(post("B", "1"), post("B", "2"), post("B", "3"))),
]


@pytest.mark.parametrize("body", TOO_LARGE)
def test_a_batch_has_so_many_requests_at_most(body: str) -> None:
    with pytest.raises(BatchTooLarge):
        take(body, limits=BatchLimits(parts=3))
    if "GET" in body:
        assert take(body, scopes="update", limits=BatchLimits(parts=4)).plan.is_whole


def test_an_empty_json_batch_has_an_empty_answer() -> None:
    assert take_json([]).answers() == []


CONTENT_TYPES = [
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=b1",
    "application/http",
]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_other_media_types_are_no_batch(content_type: str) -> None:
    with pytest.raises(NotABatch):
        take(mixed(get("A")), content_type)


def test_a_batch_has_one_media_type_one_charset_and_each_id_once() -> None:
    with pytest.raises(NotABatch):
        take(
            mixed(get("A")), "multipart/mixed; boundary=b1", "read", ("content-type", "text/plain")
        )
    with pytest.raises(AmbiguousRequest):
        take('{"requests":[]}', "application/json; charset=utf-16")
    assert take('{"requests":[]}', "application/json; charset=UTF-8").answers() == []
    with pytest.raises(AmbiguousRequest):
        take(mixed(change_set(post("A", "1")), change_set(post("B", "1")).replace("c1", "c2")))
    for name in ("count", "METADATA", "batch", "it"):
        with pytest.raises(AmbiguousRequest):
            take_json([one("A") | {"id": name}])


def test_a_json_application_that_stops_at_a_failure() -> None:
    """§8.2.8.3: what was refused comes after it, and is not answered any more"""
    requests = [one("A"), one("B") | {"id": "2"}, one("C", "post") | {"id": "3"}]
    kind = [(b"content-type", b"application/json")]
    answer = b'{"responses":[{"id":"1","status":404}]}'
    merged = take_json(requests).plan.merge(200, kind, answer)[2]
    assert [r["id"] for r in json.loads(merged)["responses"]] == ["1"]
    merged = take_json(requests, "read", GO_ON).plan.merge(200, kind, answer)[2]
    assert [r["id"] for r in json.loads(merged)["responses"]] == ["1", "3"]


def test_a_compressed_batch_is_none() -> None:
    with pytest.raises(NotABatch):
        take_json([one("A")], "read", ("content-encoding", "gzip"))


def test_a_batch_at_an_address_with_a_slash_at_its_end() -> None:
    with pytest.raises(AmbiguousRequest):
        take(mixed(get("A")), path="/api/domain/odata/$batch/")


# What an application may not answer.
GOOD = "Content-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
UNREADABLE = [
    ("no batch", "text/html", "<h1>hello</h1>"),
    ("other boundary", "multipart/mixed; boundary=r", mixed(GOOD, boundary="q")),
    ("too many", "multipart/mixed; boundary=r", mixed(GOOD, GOOD, GOOD, boundary="r")),
    ("no status", "multipart/mixed; boundary=r", mixed(GOOD.replace("200", "9"), boundary="r")),
    ("a request", "multipart/mixed; boundary=r", mixed(get("A"), boundary="r")),
    ("bare line feeds", "multipart/mixed; boundary=r", mixed(GOOD, boundary="r").replace("\r", "")),
    ("a change set", "multipart/mixed; boundary=r", mixed(change_set(GOOD), boundary="r")),
    ("other type", "multipart/related; boundary=r", mixed(GOOD, boundary="r")),
    ("other type in it", "multipart/mixed; boundary=r",
     mixed(GOOD.replace("application/http", "text/plain"), boundary="r")),
]  # fmt: skip
TO_A_CHANGE_SET = [
    ("one good answer for all", GOOD),
    ("more answers", change_set(GOOD, GOOD, GOOD)),
    ("another type", change_set(GOOD, GOOD.replace("application/http", "text/plain"))),
    ("no status", change_set(GOOD, GOOD.replace("200", "900"))),
    ("not closed", change_set(GOOD).replace("--c1--", "")),
]


@pytest.mark.parametrize(
    "answer", [row[1] for row in TO_A_CHANGE_SET], ids=[row[0] for row in TO_A_CHANGE_SET]
)
def test_an_answer_to_a_change_set_that_cannot_be_read(answer: str) -> None:
    body = mixed(change_set(post("A", "1"), post("B", "2")), get("Systems_Security_Users"))
    taken = take(body, "multipart/mixed; boundary=b1", "update")
    good = mixed(change_set(GOOD, GOOD), boundary="r").encode()
    assert b"403" in taken.plan.merge(200, mixed_headers("r"), good)[2]
    with pytest.raises(UnreadableAnswer):
        taken.plan.merge(200, mixed_headers("r"), mixed(answer, boundary="r").encode())


def test_headers_of_an_answer_that_cannot_be_read() -> None:
    taken = take(mixed(get("A"), post("B")))
    body = mixed(GOOD, boundary="r").encode()
    for header in ((b"content-type", b"multipart/mixed; boundary=q"), (b"content-encoding", b"br")):
        with pytest.raises(UnreadableAnswer):
            taken.plan.merge(200, [*mixed_headers("r"), header], body)


@pytest.mark.parametrize(
    ("content_type", "body"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
def test_an_answer_that_cannot_be_read_is_not_handed_on(content_type: str, body: str) -> None:
    taken = take(mixed(get("A"), post("B"), get("C")), "multipart/mixed; boundary=b1", "read",
                 GO_ON)  # fmt: skip
    with pytest.raises(UnreadableAnswer):
        taken.plan.merge(200, [(b"content-type", content_type.encode())], body.encode())


UNREADABLE_JSON = [
    "[]",
    '{"responses":[{"id":"1","status":200}],"responses":[]}',
    '{"responses":[{"id":"1","status":200},{"id":"1","status":200}]}',
    '{"responses":[{"id":"9","status":200}]}',
    '{"responses":[{"id":"1","status":"200"}]}',
    '{"responses":[{"id":"2","status":200}]}',
    '{"responses":[{"id":1,"status":200}]}',
    '{"responses":[[]]}',
]


@pytest.mark.parametrize("body", UNREADABLE_JSON)
def test_a_json_answer_that_cannot_be_read_is_not_handed_on(body: str) -> None:
    taken = take_json([one("A"), one("B", "post") | {"id": "2"}], "read", GO_ON)
    with pytest.raises(UnreadableAnswer):
        taken.plan.merge(200, [(b"content-type", b"application/json")], body.encode())
    good = b'{"responses":[{"id":"1","status":200}]}'
    with pytest.raises(UnreadableAnswer):
        taken.plan.merge(200, [(b"content-type", b"text/plain")], good)


def test_an_answer_that_fails_as_a_whole_stays_as_it_is() -> None:
    taken = take(mixed(get("A"), post("B")))
    headers = [(b"content-type", b"text/plain"), (b"retry-after", b"5")]
    assert taken.plan.merge(503, headers, b"busy") == (503, headers, b"busy")


def test_the_answers_of_an_application_that_stops_early() -> None:
    """In multipart the place tells which request is answered: nothing may come after a gap."""
    taken = take(mixed(get("A"), get("B"), post("C"), get("D")), "multipart/mixed; boundary=b1",
                 "read", GO_ON)  # fmt: skip
    answer = mixed(answered(404, "A"), boundary="r").encode()
    merged = taken.plan.merge(200, mixed_headers("r"), answer)[2]
    assert merged.count(b"HTTP/1.1 ") == 1


def test_nothing_of_a_refusal_is_new_to_the_caller() -> None:
    taken = take_json([one("Customers", "post", headers={"Authorization": "Bearer secret"})])
    refusal: Refusal = taken.plan.refused[0].refusal
    assert "secret" not in str(refusal)
    assert "secret" not in json.dumps(taken.answers())


def answered(status: int, name: str) -> str:
    return http(f"HTTP/1.1 {status} OK", "Content-Type: text/plain", body=f"of {name}")


def mixed_headers(boundary: str) -> list[tuple[bytes, bytes]]:
    content_type = f"multipart/mixed; boundary={boundary}".encode()
    return [(b"content-type", content_type), (b"x-of-the-api", b"1"), (b"content-length", b"9")]
