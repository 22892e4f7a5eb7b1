"""Header fields of requests and answers, whatever they hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.errors import AmbiguousRequest
from mintgate.contract.gateway_errors import UpstreamMisbehaved
from mintgate.gate.proxy import headers as rules
from mintgate.gate.proxy.upstreams import Upstream

NAMES = st.sampled_from(
    [
        *("authorization", "connection", "content-length", "cookie", "host", "keep-alive", "te"),
        *("transfer-encoding", "upgrade", "via", "x-api-key", "x-forwarded-for", "x_forwarded_for"),
        *("x-mintgate-login", "x-a", "x-b", "accept", "content-type", "trailer", "proxy"),
    ]
)
VALUES = st.sampled_from(
    ["x-a", "close, X-B", "keep-alive,authorization", "1", "chunked", "\u00e9"]
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=12)
NEVER = {
    *("connection", "content-length", "host", "keep-alive", "te", "transfer-encoding", "upgrade"),
    *("via", "x-forwarded-for", "x_forwarded_for", "x-mintgate-login", "trailer", "proxy"),
}


def encoded(fields: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in fields]


@given(FIELDS, st.booleans(), st.booleans())
def test_only_what_is_end_to_end_goes_on(
    fields: list[tuple[str, str]], credentials: bool, cookies: bool
) -> None:
    kept = rules.request_headers(
        encoded(fields), with_credentials=credentials, with_cookies=cookies
    )
    named = {
        option.strip().lower()
        for name, value in fields
        if name == "connection"
        for option in value.split(",")
    }
    gone = NEVER | named
    gone |= set() if credentials else {"authorization", "x-api-key"}
    gone |= set() if cookies else {"cookie"}
    assert list(kept.items()) == [(n, v) for n, v in fields if n not in gone]


@given(FIELDS)
def test_answers_keep_nothing_of_a_hop(fields: list[tuple[str, str]]) -> None:
    lengths = [value for name, value in fields if name == "content-length"]
    is_chunked = any(name == "transfer-encoding" for name, _ in fields)
    names = {n for n, _ in fields}
    try:
        kept = rules.answer_headers(encoded(fields), status=200)
    except UpstreamMisbehaved:
        assert not is_chunked
        assert len(lengths) > 1 or lengths != ["1"]
        return
    found = [name.decode() for name, _ in kept]
    assert not set(found) & {"connection", "keep-alive", "te", "trailer", "transfer-encoding"}
    assert "x-mintgate-login" not in found
    assert not (is_chunked and "content-length" in found)
    assert found.count("content-length") <= 1
    assert set(found) <= names


def test_a_value_that_is_not_utf_8_is_read_in_several_ways() -> None:
    with pytest.raises(AmbiguousRequest):
        rules.request_headers([(b"x-a", b"\xff")], with_credentials=True)


@pytest.mark.parametrize(
    "field", [(b"x a", b"1"), (b"", b"1"), (b"x", b"a\nb"), (b"x", b"\x00"), (b"x:", b"1")]
)
def test_a_malformed_field_of_an_answer(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(UpstreamMisbehaved):
        rules.answer_headers([field], status=200)


PATH_BYTES = st.text(alphabet="abcXYZ019-._~!$&'()*+,=:@/", max_size=20).map(
    lambda text: "/" + text
)
QUERY_BYTES = st.text(alphabet="ab=&?/%+<>\"^`{|};:@!$'()*,[]~.-_\\", max_size=20)


@given(PATH_BYTES, QUERY_BYTES)
def test_a_target_is_what_was_judged_byte_for_byte(path: str, query: str) -> None:
    target = Upstream("http://127.0.0.1:9000/base").target(path.encode(), query.encode())
    assert target.raw_path_qs == f"/base{path}" + (f"?{query}" if query else "")
    assert (target.host, target.port) == ("127.0.0.1", 9000)


@pytest.mark.parametrize(
    ("address", "shown"),
    [("10.1.2.3", "10.1.2.3"), ("2001:db8::1", '"[2001:db8::1]"'), ("", "unknown")],
)
def test_forwarded_quotes_what_must_be_quoted(address: str, shown: str) -> None:
    """RFC 7239 §6"""
    fields = dict(rules.forwarded(address, "a:1", "https", ""))
    assert fields["Forwarded"] == f'for={shown};host="a:1";proto=https'
