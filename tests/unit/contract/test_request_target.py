"""A path passes only when every server reads it in the same way."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.errors import AmbiguousRequest
from mintgate.contract.request_target import normal_path, require_plain

PLAIN = [
    (b"/", "/"),
    (b"/api/domain/odata/", "/api/domain/odata/"),
    (b"/api/Crm_Sales_Customers(0d5c2b54-6a0e-4f0b-9a55-3d1f6f1b7a10)", None),
    (b"/api/$batch", "/api/$batch"),
    (b"/api/%24metadata", "/api/$metadata"),
    (b"/a/b.json", "/a/b.json"),
    (b"/a/v1.2/x", "/a/v1.2/x"),
    (b"/a/...", "/a/..."),
    (b"/a/.well-known", "/a/.well-known"),
    (b"/a/%D0%BA%D0%BB", "/a/кл"),
    (b"/a/100%25", "/a/100%"),
    (b"/a/x%20y", "/a/x y"),
]
AMBIGUOUS = [
    b"",
    b"api",
    b"http://host/api",
    b"//api",
    b"/api//x",
    b"/api///",
    b"/api/./x",
    b"/api/../x",
    b"/api/x/..",
    b"/api/.",
    b"/api/%2e%2e/x",
    b"/api/.%2E/x",
    b"/api/%2e",
    b"/api/..%20/x",
    b"/api%2fx",
    b"/api%2Fx",
    b"/api%5cx",
    b"/api\\x",
    b"/api/x;y=1",
    b"/api/..;/x",
    b"/api/x%3by",
    b"/api/%00",
    b"/api/x%0d%0aHost:y",
    b"/api/%7f",
    b"/api/%252e%252e/x",
    b"/api/%252fx",
    b"/api/%2",
    b"/api/%zz",
    b"/api/%u002e",
    b"/api/%ff",
    b"/api/%c0%ae",
    b"/api/\xc3\x28",
    b"/api/x%3fy",
    b"/api/x%23y",
    b"/api/x#y",
    b"/api%25%32%46x",
    b"/api/%25%32e%25%32%65/x",
    b"/api/%2%35%32%66x",
]


@pytest.mark.parametrize(("raw", "path"), PLAIN, ids=lambda value: repr(value)[:40])
def test_plain_paths_are_decoded(raw: bytes, path: str | None) -> None:
    assert normal_path(raw) == (path or raw.decode())


@pytest.mark.parametrize("raw", AMBIGUOUS, ids=repr)
def test_ambiguous_paths_are_refused(raw: bytes) -> None:
    with pytest.raises(AmbiguousRequest) as refused:
        normal_path(raw)
    assert refused.value.status == 400


@given(st.text("/.%\\;AaBb2eEfF5cC0 ?#$\x00\xe9", max_size=24).map(lambda t: "/" + t))
def test_what_passes_has_one_reading(text: str) -> None:
    raw = text.encode()
    try:
        path = normal_path(raw)
    except AmbiguousRequest:
        return
    assert unquote(path) == path or "%25" in text  # decoding once is decoding to the end
    assert posixpath.normpath(path) == (path.rstrip("/") or "/")
    assert not set(path) & set("\\;\x00?#")
    assert raw.count(b"/") == path.count("/")


@pytest.mark.parametrize(
    ("name", "query"),
    [
        (b"x-http-method-override", b""),
        (b"x-http-method", b""),
        (b"x-method-override", b""),
        (b"x_http_method_override", b""),
        (b"x-original-url", b""),
        (b"x-rewrite-url", b""),
        (b"x-mintgate-login", b""),
        (b"x_mintgate_login", b""),
        (b"x-mintgate_token", b""),
        (b"accept", b"_method=DELETE"),
        (b"accept", b"a=1&_method=PUT"),
        (b"accept", b"a=1;%5fmethod=PUT"),
        (b"accept", b"_METHOD=PUT"),
        (b"accept", b"%5F%6dethod=PUT"),
        (b"accept", b"%255fmethod=PUT"),
        (b"accept", b"_method%00x=PUT"),
        (b"accept", b"+_method=PUT"),
        (b"accept", b"a&.method=PUT"),
        (b"accept", b"[method=PUT"),
        (b"accept", b"X-HTTP-Method-Override=PUT"),
        (b"accept", b"%78-http-method=PUT"),
        (b"x.http.method.override", b""),
        (b"x-mintgate!login", b""),
        (b"x+original+url", b""),
        (b"x_api_key", b""),
        (b"x.api.key", b""),
        (b"api_key", b""),
        (b"http2-settings", b""),
    ],
)
def test_overrides_are_refused(name: bytes, query: bytes) -> None:
    with pytest.raises(AmbiguousRequest):
        require_plain([(b"host", b"x"), (name, b"x")], query)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        (b"x-forwarded-for", b""),
        (b"x-requested-with", b"payment_method=card"),
        (b"x-ms-version", b"$filter=my_method eq 1"),
        (b"x-original-uri", b""),
        (b"accept", b"$method=1&method=2&-methods=3&x-method=4"),
        (b"accept", b"$filter=Payment%5Fmethod%20eq%20'_method=1'"),
        (b"x-api-key", b""),
        (b"api-key", b""),
        (b"connection", b""),
        (b"apikey", b""),
    ],
)
def test_other_headers_and_parameters_pass(name: bytes, query: bytes) -> None:
    require_plain([(name, b"x")], query)


HOST, CHUNKED, LENGTH = (
    (b"host", b"a"),
    (b"transfer-encoding", b"chunked"),
    (b"content-length", b"3"),
)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"upgrade", b"h2c")],
        [(b"upgrade", b"websocket, h2c")],
        [(b"upgrade", b"websocket"), (b"upgrade", b"h2c")],
        [(b"upgrade", b"TLS/1.2")],
        [(b"connection", b"close, X-Mintgate-Login")],
        [HOST, HOST],
        [(b"host", b"a/b")],
        [(b"host", b"a b")],
        [(b"host", b"a?")],
        [(b"host", b"b@a")],
        [(b"host", b"a:b")],
        [(b"host", b"a,b")],
        [(b"host", b"[::1")],
        [CHUNKED, LENGTH],
        [CHUNKED, CHUNKED],
        [LENGTH, LENGTH],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"identity")],
    ],
)
def test_what_another_server_could_read_otherwise(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(AmbiguousRequest):
        require_plain(headers, b"")


@pytest.mark.parametrize(
    "headers",
    [
        [HOST, LENGTH, (b"connection", b"keep-alive, te")],
        [(b"host", b"[2001:db8::1]:8080"), CHUNKED],
        [(b"host", b"my_api.example:8080"), (b"transfer-encoding", b"Chunked ")],
        [(b"host", b"")],  # RFC 9112 §3.2: where the target has none
        [(b"upgrade", b"WebSocket"), (b"connection", b"Upgrade")],
    ],
)
def test_usual_connections_pass(headers: list[tuple[bytes, bytes]]) -> None:
    require_plain(headers, b"")
