"""Heads of requests, as a parser hands them over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.gateway_errors import MalformedRequest
from mintgate.gate.request_head import origin_form, require_plain_framing, telling

HOST = [(b"host", b"orion.example:8080")]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (b"/a?b", b"/a?b"),
        (b"//a/b", b"//a/b"),
        (b"*", b"*"),
        (b"http://orion.example:8080/a?b", b"/a?b"),
        (b"HTTP://ORION.example:8080/a", b"/a"),
        (b"https://orion.example:8080", b"/"),
        (b"http://orion.example:8080?b", b"/?b"),
    ],
)
def test_a_target_without_its_host(url: bytes, target: bytes) -> None:
    assert origin_form(url, "GET", "1.1", telling(HOST)) == target


@pytest.mark.parametrize(
    "url",
    [
        b"",
        b"a",
        b"http:///a",
        b"http:/a",
        b"http://orion.example/a",
        b"http://orion.example:8080@evil/a",
        b"http://evil@orion.example:8080/a",
        b"ftp://orion.example:8080/a",
        b"/a#b",
        b"http://[::1/a",
    ],
)
def test_a_target_of_something_else(url: bytes) -> None:
    with pytest.raises(MalformedRequest):
        origin_form(url, "GET", "1.1", telling(HOST))


@pytest.mark.parametrize("host", [b"a", b"a.b-c_d~:1", b"10.0.0.1", b"[::1]", b"[2001:db8::1]:443"])
def test_a_host(host: bytes) -> None:
    assert origin_form(b"/", "GET", "1.1", telling([(b"host", host)])) == b"/"


@pytest.mark.parametrize(
    "host",
    [b"", b"a b", b"a/b", b"a@b", b"a,b", b"a:b", b"a:", b"::1", b"[::1", b'a"', b"a\\b", b"a;b"],
)
def test_no_host(host: bytes) -> None:
    with pytest.raises(MalformedRequest):
        origin_form(b"/", "GET", "1.1", telling([(b"host", host)]))


FRAMING = st.lists(
    st.tuples(
        st.sampled_from([b"content-length", b"transfer-encoding", b"x"]),
        st.sampled_from([b"1", b" 1\t", b"+1", b"1,1", b"", b"chunked", b"CHUNKED ", b"gzip"]),
    ),
    max_size=3,
)


@given(FRAMING, st.sampled_from(["1.0", "1.1"]))
def test_one_way_to_tell_where_it_ends(headers: list[tuple[bytes, bytes]], version: str) -> None:
    lengths = [value.strip() for name, value in headers if name == b"content-length"]
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    is_plain = (lengths in ([], [b"1"]) and not codings) or (
        version == "1.1" and not lengths and codings == [b"chunked"]
    )
    if is_plain:
        require_plain_framing(version, telling(headers))
    else:
        with pytest.raises(MalformedRequest):
            require_plain_framing(version, telling(headers))
