# ruff: noqa: E501 - the cases read as tables, one a line
"""The two formats of a batch: what is written is read again, and everybody reads the same."""

from __future__ import annotations

import email
import email.policy
import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.errors import AmbiguousRequest, BatchTooLarge, Refusal
from mintgate.verify.batch.json_format import JsonBatch
from mintgate.verify.batch.mime import boundary_of, media_type_of
from mintgate.verify.batch.multipart import Multipart
from mintgate.verify.batch.parts import Part, Reply, Unit, ambiguous
from tests.unit.verify.batches import change_set, get, http, mixed, post, take

NAMES = st.from_regex(r"[A-Za-z0-9._~-]{1,12}", fullmatch=True)
URLS = st.from_regex(r"[A-Za-z0-9()',$=?&%/:.-]{1,30}", fullmatch=True)
TOKENS = st.from_regex(r"x-[a-z0-9-]{1,8}", fullmatch=True).map(str.encode)
VALUES = st.from_regex(r"([!-~]([ -~]{0,20}[!-~])?)?", fullmatch=True).map(str.encode)
HEADERS = st.dictionaries(TOKENS, VALUES, max_size=3).map(lambda found: tuple(found.items()))
READS, WRITES = ("GET", "HEAD"), ("POST", "PATCH", "PUT", "DELETE")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@st.composite
def _units(draw: Any, bodies: Any, *, named: bool, group_names: bool) -> list[Unit]:
    """Batches as a client may send them; every name is there once."""
    prefix = draw(NAMES)
    free = (f"{prefix}{number}" for number in itertools.count())
    units = []
    for _ in range(draw(st.integers(1, 4))):
        is_group = draw(st.booleans())
        parts = []
        for _ in range(draw(st.integers(1, 3)) if is_group else 1):
            method = draw(st.sampled_from(WRITES if is_group else (*READS, *WRITES)))
            has_body = method in {"POST", "PATCH", "PUT"}
            headers = draw(HEADERS)
            if has_body and named is False:
                headers = (*headers, (b"content-type", b"application/octet-stream"))
            parts.append(
                Part(
                    method=method,
                    url=draw(URLS),
                    headers=headers,
                    body=draw(bodies) if has_body else (None if named else b""),
                    id=next(free) if named or draw(st.booleans()) else None,
                )
            )
        group = (next(free) if group_names else "") if is_group else None
        units.append(Unit(tuple(parts), group))
    return units


MULTIPART = _units(st.binary(max_size=40), named=False, group_names=False)
IN_JSON = _units(JSON_VALUES.map(json.dumps).map(str.encode), named=True, group_names=True)


def reader_of(content_type: bytes) -> Multipart:
    return Multipart(boundary_of(media_type_of(content_type, ambiguous)[1], ambiguous))


@given(MULTIPART)
def test_what_is_written_in_multipart_is_read_again(units: list[Unit]) -> None:
    """and the standard library reads the same"""
    content_type, body = Multipart(b"x").write(units)
    assert reader_of(content_type).read(body, 100) == tuple(units)
    assert read_by_email(content_type, body) == [_seen(unit) for unit in units]


@given(st.text("ab1: \r\n-", max_size=60).map(str.encode), st.booleans())
def test_what_is_accepted_is_what_the_standard_library_reads(noise: bytes, at_front: bool) -> None:
    """Noise around and in a batch is refused, or read by both in the same way."""
    good = mixed(get("A"), post("B", "2")).encode()
    for body in (noise + good if at_front else good + noise, good.replace(b"\r\n--b1", noise, 1),
                 good.replace(b"{", noise, 1)):  # fmt: skip
        try:
            units = Multipart(b"b1").read(body, 100)
        except Refusal:
            continue
        read = read_by_email(b"multipart/mixed; boundary=b1", body)
        # Empty lines that stand before a boundary belong to no request.
        assert [_stripped(one) for one in read] == [_stripped(_seen(unit)) for unit in units]


@given(IN_JSON)
def test_what_is_written_in_json_is_read_again(units: list[Unit]) -> None:
    """and the standard library reads the same"""
    _, body = JsonBatch().write(units)
    again = JsonBatch().read(body, 100)
    assert [_json_seen(unit) for unit in again] == [_json_seen(unit) for unit in units]
    read = json.loads(body)["requests"]
    parts = [(part, unit.group) for unit in units for part in unit.parts]
    assert [r["url"] for r in read] == [part.url for part, _ in parts]
    assert [r.get("atomicityGroup") for r in read] == [group for _, group in parts]
    bodies = [json.loads(part.body) if part.body is not None else ... for part, _ in parts]
    assert [r.get("body", ...) for r in read] == bodies


@given(st.text('{}[]",:01e.-\\ntru \x00\ufeff', max_size=40))
def test_json_that_is_accepted_is_what_two_libraries_read(text: str) -> None:
    body = f'{{"requests":[{{"id":"1","method":"post","url":"A","body":{text}}}]}}'
    try:
        ((part,),) = ((unit.parts) for unit in JsonBatch().read(body.encode(), 9))
    except Refusal:
        return
    assert json.loads(part.body or b"") == json.loads(text) == msgspec.json.decode(text)


AMBIGUOUS = [
    ("empty", ""),
    ("no boundary", "hello"),
    ("a preamble", "hello\r\n" + mixed(get("A"))),
    ("an epilogue in the last line", mixed(get("A")).removesuffix("\r\n") + "hello"),
    ("an epilogue after a bare line feed", mixed(get("A")).removesuffix("\r\n") + "\nhello"),
    ("a second batch", mixed(get("A")) + mixed(post("B"))),
    ("not closed", mixed(get("A")).removesuffix("--\r\n")),
    ("bare line feeds", mixed(get("A")).replace("\r\n", "\n")),
    ("one bare line feed", mixed(get("A")).replace("http\r\n\r\n", "http\n\r\n")),
    ("bare line feed in the request", mixed(get("A", "X-A: 1\nAuthorization: 2"))),
    ("bare carriage return", mixed(get("A", "X-A: 1\rX-B: 2"))),
    ("boundary after a bare line feed", mixed(post("A", body='{}\n--b1\nX: y'))),
    ("a part after half a line", mixed(post("A", body=f"x--b1\r\n{get('B')}"))),
    ("a part after a bare line feed", mixed(post("A", body=f"{{}}\n--b1\r\n{get('B')}"))),
    ("a part after two letters", mixed(get("A"), get("B")).replace("--b1\r\n", "--b1xy", 1)),
    ("boundary in a line", mixed(post("A", body="x--b1"))),
    ("space after the boundary", mixed(get("A")).replace("--b1\r\n", "--b1 \r\n", 1)),
    ("longer boundary", mixed(get("A")).replace("--b1\r\n", "--b12\r\n", 1)),
    ("closed in the middle", mixed(get("A"), get("B")).replace("\r\n--b1\r\n", "\r\n--b1--\r\n", 1)),
    ("folded header", mixed(get("A", "X-A: 1", " 2"))),
    ("header without colon", mixed(get("A", "X-A"))),
    ("space before the colon", mixed(get("A", "X-A : 1"))),
    ("header twice", mixed(get("A", "X-A: 1", "x-a: 1"))),
    ("null byte", mixed(get("A", "X-A: \0"))),
    ("envelope header twice", mixed("Content-Type: text/plain\r\n" + get("A"))),
    ("unknown envelope header", mixed("X-Method: POST\r\n" + get("A"))),
    ("envelope encoded", mixed("Content-Transfer-Encoding: base64\r\n" + get("A"))),
    ("envelope of another length", mixed("Content-Length: 3\r\n" + get("A"))),
    ("no envelope", mixed("\r\nGET A HTTP/1.1\r\n")),
    ("envelope of another type", mixed(get("A").replace("application/http", "text/plain"))),
    ("no version", mixed(http("GET A"))),
    ("HTTP/2", mixed(http("GET A HTTP/2"))),
    ("HTTP/1.0", mixed(http("GET A HTTP/1.0"))),
    ("two spaces", mixed(http("GET  A HTTP/1.1"))),
    ("tab", mixed(http("GET\tA HTTP/1.1"))),
    ("space in the URL", mixed(http("GET A B HTTP/1.1"))),
    ("URL beyond ASCII", mixed(http("GET \u00e9 HTTP/1.1"))),
    ("a line before", mixed(http("", "GET A HTTP/1.1"))),
    ("length too long", mixed(http("POST A HTTP/1.1", "Content-Length: 9", body="{}"))),
    ("length too short", mixed(http("POST A HTTP/1.1", "Content-Length: 1", body="{}"))),
    ("length with a sign", mixed(http("POST A HTTP/1.1", "Content-Length: +2", body="{}"))),
    ("two ids", mixed(http("POST A HTTP/1.1", "Content-ID: 1", envelope=("Content-ID: 2",)))),
    ("odd id", mixed(post("A", "<1@x>"))),
    ("a change set that reads", mixed(change_set(get("A")))),
    ("a change set in one", mixed(change_set(change_set(post("A", "1")).replace("c1", "c2")))),
    ("a change set with an id", mixed("Content-ID: 1\r\n" + change_set(post("A", "1")))),
    ("an empty change set", mixed("Content-Type: multipart/mixed; boundary=c1\r\n\r\n--c1--\r\n")),
    ("a change set with the same boundary", mixed(change_set(post("A")).replace("c1", "b1"))),
    ("a change set whose boundary begins like the other",
     mixed(change_set(post("A")).replace("c1", "b1c"))),
]  # fmt: skip


@pytest.mark.parametrize("body", [row[1] for row in AMBIGUOUS], ids=[row[0] for row in AMBIGUOUS])
def test_multipart_that_could_be_read_in_two_ways_is_refused(body: str) -> None:
    with pytest.raises(AmbiguousRequest):
        Multipart(b"b1").read(body.encode("utf-8"), 100)


ACCEPTED = [
    ("a line first", "\r\n" + mixed(get("A"))),
    ("an epilogue, as UI5 writes it", mixed(get("A")) + "Group ID: $auto"),
    ("no line at the end", mixed(get("A")).removesuffix("\r\n")),
    ("no empty line", mixed("Content-Type: application/http\r\n\r\nGET A HTTP/1.1\r\nX: y")),
    ("one empty line", mixed("Content-Type: application/http\r\n\r\nGET A HTTP/1.1\r\n")),
    ("many empty lines", mixed(get("A") + "\r\n\r\n")),
    ("binary", mixed("Content-Transfer-Encoding: binary\r\n" + get("A"))),
    ("msgtype", mixed(get("A").replace("http\r\n", "http; msgtype=request\r\n"))),
    ("other case", mixed(get("A").replace("Content-Type: application", "CONTENT-type:APPLICATION"))),
    ("id", mixed("Content-ID: 1\r\n" + get("A"))),
]  # fmt: skip


@pytest.mark.parametrize("body", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_multipart_as_clients_write_it(body: str) -> None:
    [unit] = Multipart(b"b1").read(body.encode(), 100)
    [part] = unit.parts
    assert (part.method, part.url, part.body) == ("GET", "A", b"")


def test_a_body_ends_where_its_length_says() -> None:
    """Empty lines before the boundary are the client's habit and not the entity's."""
    body = mixed(http("POST A HTTP/1.1", "Content-Length: 2", body="{}\r\n"))
    [unit] = Multipart(b"b1").read(body.encode(), 100)
    assert unit.parts[0].body == b"{}"
    _, written = Multipart(b"b1").write([unit])
    assert b"Content-Length: 2\r\n\r\n{}\r\n--" in written


MEDIA_TYPES = [
    "multipart/mixed", "multipart/mixed; boundary=", "multipart/mixed; boundary=a b",
    "multipart/mixed; boundary=a; boundary=b", "multipart/mixed; boundary=a; BOUNDARY=b",
    "multipart/mixed; boundary*=utf-8''a", "multipart/mixed; boundary*0=a; boundary*1=b",
    'multipart/mixed; boundary="a', "multipart/mixed; boundary=a (comment)",
    "multipart/mixed boundary=a", "multipart/mixed; boundary=" + "a" * 71,
    'multipart/mixed; boundary="a\\b"', 'multipart/mixed; boundary="a "', "mixed",
    "multipart/mixed; boundary=a, multipart/mixed; boundary=b", "",
]  # fmt: skip


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_an_odd_boundary_is_refused(media_type: str) -> None:
    with pytest.raises(AmbiguousRequest):
        boundary_of(media_type_of(media_type.encode(), ambiguous)[1], ambiguous)


@pytest.mark.parametrize("written", ["boundary=a_1", 'boundary="a_1"', "x=y ; Boundary=a_1"])
def test_a_plain_boundary(written: str) -> None:
    media_type = f"Multipart/Mixed; {written}".encode()
    kind, parameters = media_type_of(media_type, ambiguous)
    assert (kind, boundary_of(parameters, ambiguous)) == (b"multipart/mixed", b"a_1")


ODD_JSON = [
    ("not JSON", "{"),
    ("an array", "[]"),
    ("two values", '{"requests":[]}{"requests":[]}'),
    ("byte order mark", '\ufeff{"requests":[]}'),
    ("requests twice", '{"requests":[],"requests":[]}'),
    ("another member", '{"requests":[],"Requests":[]}'),
    ("no array", '{"requests":{}}'),
    ("NaN", '{"requests":[{"id":"1","method":"get","url":"A","body":NaN}]}'),
    ("half a pair", '{"requests":[{"id":"1","method":"post","url":"A","body":"\\ud800"}]}'),
    ("deep", '{"requests":' + "[" * 100_000 + "]" * 100_000 + "}"),
    *((name, f'{{"requests":[{text}]}}') for name, text in [
        ("a url twice", '{"id":"1","method":"get","url":"A","url":"B"}'),
        ("a method twice, escaped", '{"id":"1","method":"get","m\\u0065thod":"post","url":"A"}'),
        ("a member twice in the body", '{"id":"1","method":"post","url":"A","body":{"a":1,"a":2}}'),
        ("an unknown member", '{"id":"1","method":"get","url":"A","Url":"B"}'),
        ("a header twice", '{"id":"1","method":"get","url":"A","headers":{"A":"1","a":"2"}}'),
        ("a header with a line", '{"id":"1","method":"get","url":"A","headers":{"A":"1\\r\\nB:2"}}'),
        ("a header that is no name", '{"id":"1","method":"get","url":"A","headers":{"A B":"1"}}'),
        ("a header that is a number", '{"id":"1","method":"get","url":"A","headers":{"A":1}}'),
        ("headers in an array", '{"id":"1","method":"get","url":"A","headers":["A"]}'),
        ("an id in the headers", '{"id":"1","method":"get","url":"A","headers":{"Content-ID":"2"}}'),
        ("no id", '{"method":"get","url":"A"}'),
        ("an id that is a number", '{"id":1,"method":"get","url":"A"}'),
        ("an odd id", '{"id":"a/b","method":"get","url":"A"}'),
        ("no method", '{"id":"1","url":"A"}'),
        ("an odd method", '{"id":"1","method":"get x","url":"A"}'),
        ("no url", '{"id":"1","method":"get"}'),
        ("a url with a space", '{"id":"1","method":"get","url":"A B"}'),
        ("a url beyond ASCII", '{"id":"1","method":"get","url":"\u00e9"}'),
        ("two with one id", '{"id":"1","method":"get","url":"A"},{"id":"1","method":"get","url":"B"}'),
        ("a group like a request", '{"id":"1","method":"get","url":"A"},'
         '{"id":"2","method":"post","url":"B","atomicityGroup":"1"}'),
        ("a request like its group", '{"id":"1","method":"post","url":"A","atomicityGroup":"1"}'),
        ("a group in two pieces", '{"id":"1","method":"post","url":"A","atomicityGroup":"g"},'
         '{"id":"2","method":"get","url":"B"},'
         '{"id":"3","method":"post","url":"C","atomicityGroup":"g"}'),
        ("a group that is null", '{"id":"1","method":"post","url":"A","atomicityGroup":null}'),
        ("waiting for a later one", '{"id":"1","method":"get","url":"A","dependsOn":["2"]},'
         '{"id":"2","method":"get","url":"B"}'),
        ("waiting for a text that is a name", '{"id":"1","method":"get","url":"A"},'
         '{"id":"2","method":"get","url":"B","dependsOn":"1"}'),
        ("waiting for itself", '{"id":"1","method":"get","url":"A","dependsOn":["1"]}'),
        ("waiting for its group", '{"id":"1","method":"post","url":"A","atomicityGroup":"g",'
         '"dependsOn":["g"]}'),
        ("waiting for a text", '{"id":"1","method":"get","url":"A","dependsOn":"2"}'),
        ("an if that is an object", '{"id":"1","method":"get","url":"A","if":{}}'),
    ]),
]  # fmt: skip


@pytest.mark.parametrize("body", [row[1] for row in ODD_JSON], ids=[row[0] for row in ODD_JSON])
def test_json_that_could_be_read_in_two_ways_is_refused(body: str) -> None:
    with pytest.raises(AmbiguousRequest):
        JsonBatch().read(body.encode(), 100)


def test_a_get_with_null_for_a_body() -> None:
    body = '{"requests":[{"id":"1","method":"get","url":"A","body":null}]}'
    bodies = [
        JsonBatch().read(body.replace("get", method).encode(), 9)[0].parts[0].body
        for method in ("get", "post")
    ]
    assert bodies == [None, b"null"]


# Batches as clients in the wild write them: spelling, order and empty lines are theirs.
UI5 = """--batch_id-1604-234
Content-Type:application/http
Content-Transfer-Encoding:binary

GET Customers?$count=true&$top=1 HTTP/1.1
Accept:application/json;odata.metadata=minimal;IEEE754Compatible=true
Accept-Language:en
Content-Type:application/json;charset=UTF-8;IEEE754Compatible=true


--batch_id-1604-234
Content-Type: multipart/mixed;boundary=changeset_id-1604-235

--changeset_id-1604-235
Content-Type:application/http
Content-Transfer-Encoding:binary
Content-ID:0.0

PATCH Customers(1) HTTP/1.1
Accept:application/json;odata.metadata=minimal
Content-Type:application/json;charset=UTF-8
If-Match:W/"1"

{"A":1}
--changeset_id-1604-235--

--batch_id-1604-234--
Group ID: $auto"""
DOTNET = """--batch_36522ad7
Content-Type: multipart/mixed; boundary=changeset_77162fcd

--changeset_77162fcd
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 1

POST http://erp.example.org/api/domain/odata/Customers HTTP/1.1
OData-Version: 4.0
OData-MaxVersion: 4.0
Content-Type: application/json;odata.metadata=minimal

{"A":1}
--changeset_77162fcd--
--batch_36522ad7
Content-Type: application/http
Content-Transfer-Encoding: binary

GET http://erp.example.org/api/domain/odata/Customers HTTP/1.1
OData-Version: 4.0


--batch_36522ad7--
"""
CLIENTS = [
    (UI5, b"batch_id-1604-234", [("GET", b""), ("PATCH", b'{"A":1}')]),
    (DOTNET, b"batch_36522ad7", [("POST", b'{"A":1}'), ("GET", b"")]),
]


@pytest.mark.parametrize(("text", "boundary", "requests"), CLIENTS, ids=["UI5", ".NET"])
def test_batches_of_well_known_clients(
    text: str, boundary: bytes, requests: list[tuple[str, bytes]]
) -> None:
    body = text.replace("\n", "\r\n").encode()
    units = Multipart(boundary).read(body, 9)
    assert [(p.method, p.body) for unit in units for p in unit.parts] == requests
    taken = take(body, f"multipart/mixed;boundary={boundary.decode()}", "update")
    assert taken.plan.is_whole


def test_the_limit_of_requests_holds_in_both_formats() -> None:
    requests = [{"id": str(n), "method": "get", "url": "A"} for n in range(3)]
    with pytest.raises(BatchTooLarge):
        JsonBatch().read(json.dumps({"requests": requests}).encode(), 2)
    with pytest.raises(BatchTooLarge):
        Multipart(b"b1").read(mixed(*[get("A")] * 3).encode(), 2)


BODIES = [
    ({}, b'{"a":1.50}', b'{"a":1.50}', b"application/json"),
    ({b"content-type": b"application/vnd.x+json"}, b"[1]", b"[1]", b"application/vnd.x+json"),
    ({b"content-type": b"text/plain"}, b'"h\\u00e9"', "h\u00e9".encode(), b"text/plain"),
    ({b"content-type": b"image/png"}, b'"_-8"', b"\xff\xef", b"image/png"),
]


@pytest.mark.parametrize(("headers", "member", "body", "content_type"), BODIES)
def test_the_member_body_stands_for_json_text_or_bytes(
    headers: dict[bytes, bytes], member: bytes, body: bytes, content_type: bytes
) -> None:
    """OData JSON Format 4.01 §19.1"""
    part = Part(method="POST", url="A", headers=tuple(headers.items()), body=member, id="1")
    found, read = JsonBatch().message_of(part)
    assert (read, dict(found)[b"content-type"]) == (body, content_type)


@pytest.mark.parametrize("member", [b"{}", b'"%%"', b'"a"', b"1"])
def test_a_member_body_that_does_not_fit_its_media_type(member: bytes) -> None:
    headers = ((b"content-type", b"image/png"),)
    with pytest.raises(AmbiguousRequest):
        JsonBatch().message_of(Part(method="POST", url="A", headers=headers, body=member, id="1"))


def test_replies_in_json_have_their_bodies_as_the_media_type_says() -> None:
    parts = tuple(Part(method="GET", url="A", headers=(), id=str(n)) for n in range(3))
    types = [b"application/json; x=y", b"text/plain", b"image/png"]
    bodies = [b'{"a":1.50}', "h\u00e9".encode(), b"\xff\xef"]
    both = zip(types, bodies, strict=True)
    replies = [Reply(200, [(b"Content-Type", kind)], body) for kind, body in both]
    answer = JsonBatch().answered(Unit(parts, "g"), replies)
    _, written = JsonBatch().write_answers([answer])
    assert b'"body":{"a":1.50}' in written
    assert [r["body"] for r in json.loads(written)["responses"]][1:] == ["h\u00e9", "_-8"]
    assert {r["atomicityGroup"] for r in json.loads(written)["responses"]} == {"g"}


def read_by_email(content_type: bytes, body: bytes) -> list[list[tuple[str, str, bytes]]]:
    """First lines, ids and bodies by the standard library; one list a unit."""
    head = b"Content-Type: " + content_type + b"\r\n\r\n"
    whole = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    return [
        [_request(inner) for inner in part.iter_parts()]
        if part.get_content_type() == "multipart/mixed"
        else [_request(part)]
        for part in whole.iter_parts()  # type: ignore[attr-defined]
    ]


def _request(part: Any) -> tuple[str, str, bytes]:
    raw = part.get_payload(decode=True)
    head, _, body = raw.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), str(part.get("content-id", "")), body


def _seen(unit: Unit) -> list[tuple[str, str, bytes]]:
    return [
        (f"{part.method} {part.url} HTTP/1.1", part.id or "", part.body or b"")
        for part in unit.parts
    ]


def _stripped(requests: list[tuple[str, str, bytes]]) -> list[tuple[str, str, bytes]]:
    return [(line, name, body.rstrip(b"\r\n")) for line, name, body in requests]


def _json_seen(unit: Unit) -> list[Any]:
    return [
        (p.method, p.url, p.headers, p.id, unit.group, json.loads(p.body) if p.body else None)
        for p in unit.parts
    ]
