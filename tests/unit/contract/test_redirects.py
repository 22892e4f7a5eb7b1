"""Redirect URIs [TAP-20..24]: what may be registered, and what matches."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintgate.contract import redirects

WEB = "https://app.example.com/callback"
LOOPBACK = "http://127.0.0.1/callback"
LOOPBACK_6 = "http://[::1]:8000/callback"


@pytest.mark.parametrize(
    ("uri", "public", "is_allowed"),
    [
        pytest.param(WEB, False, True, id="TAP-21 https"),
        pytest.param(f"{WEB}?a=b", False, True, id="TAP-21 with a query"),
        pytest.param("https://app.example.com", False, True, id="TAP-21 without a path"),
        pytest.param("HTTPS://App.Example.com/", False, True, id="TAP-22 scheme in capitals"),
        pytest.param("https://xn--e1afmkfd.example/", False, True, id="TAP-21 punycode"),
        pytest.param("callback", False, False, id="TAP-21 relative"),
        pytest.param("/callback", False, False, id="TAP-21 a path"),
        pytest.param("//app.example.com/cb", False, False, id="TAP-21 without scheme"),
        pytest.param("", False, False, id="TAP-21 empty"),
        pytest.param(f"{WEB}#", False, False, id="TAP-21 an empty fragment"),
        pytest.param(f"{WEB}#x", False, False, id="TAP-21 a fragment"),
        pytest.param("https://", False, False, id="TAP-21 no host"),
        pytest.param("https:app.example.com", False, False, id="TAP-21 no slashes"),
        pytest.param("https:///callback", False, False, id="TAP-21 an empty host"),
        pytest.param("https://app.example.com:port/", False, False, id="TAP-21 port is no number"),
        pytest.param("https://app.example.com:99999/", False, False, id="TAP-21 port too large"),
        pytest.param("https://[::1/", False, False, id="TAP-21 a bad bracket"),
        pytest.param("https://a b.example/", False, False, id="TAP-21 a space"),
        pytest.param("https://a.example/\n", False, False, id="TAP-21 a newline"),
        pytest.param("https://a.example/\x7f", False, False, id="TAP-21 a control character"),
        pytest.param("https://*.example.com/cb", False, False, id="TAP-20 wildcard host"),
        pytest.param("https://u:p@app.example.com/", False, False, id="TAP-21 user and password"),
        pytest.param("https://u@app.example.com/", False, False, id="TAP-21 user"),
        pytest.param("http://app.example.com/cb", False, False, id="TAP-22 http elsewhere"),
        pytest.param("http://localhost/cb", False, True, id="TAP-22 localhost"),
        pytest.param("http://LOCALHOST:8/cb", False, True, id="TAP-22 localhost in capitals"),
        pytest.param("http://127.0.0.1:8080/cb", False, True, id="TAP-22 IPv4 loopback"),
        pytest.param(LOOPBACK_6, False, True, id="TAP-22 IPv6 loopback"),
        pytest.param("http://localhost.evil.example/", False, False, id="TAP-22 looks like it"),
        pytest.param("http://127.0.0.1.evil.example/", False, False, id="TAP-22 like IPv4"),
        pytest.param("http://127.0.0.1@evil.example/", False, False, id="TAP-22 as user"),
        pytest.param("http://0.0.0.0/", False, False, id="TAP-22 any address"),
        pytest.param("http://10.0.0.1/", False, False, id="TAP-22 a private address"),
        pytest.param("myapp:/cb", True, True, id="TAP-22 custom scheme of a Public client"),
        pytest.param("com.example.app://cb", True, True, id="TAP-22 reverse domain"),
        pytest.param("myapp:/cb", False, False, id="TAP-22 custom scheme of another client"),
        pytest.param("http://app.example.com/cb", True, False, id="TAP-22 http of a Public client"),
        *(
            pytest.param(f"{scheme}:x", True, False, id=f"TAP-22 {scheme}")
            for scheme in (
                "javascript", "JavaScript", "data", "vbscript", "file", "blob", "about", "DATA",
            )
        ),
    ],
)  # fmt: skip
def test_what_may_be_registered(uri: str, public: bool, is_allowed: bool) -> None:
    assert (redirects.problem_of(uri, public=public) is None) == is_allowed


@pytest.mark.parametrize(
    ("registered", "uri", "matches"),
    [
        pytest.param(WEB, WEB, True, id="TAP-20 equal"),
        pytest.param(f"https://b.example/, {WEB} ", WEB, True, id="TAP-20 trimmed"),
        pytest.param(f",,{WEB},", WEB, True, id="TAP-20 empty entries"),
        pytest.param(",,", "", False, id="TAP-20 an empty entry is none"),
        pytest.param(None, WEB, False, id="TAP-20 no list"),
        pytest.param(None, "", False, id="TAP-20 nothing"),
        pytest.param(WEB, WEB + "/", False, id="TAP-20 trailing slash"),
        pytest.param(WEB + "/", WEB, False, id="TAP-20 lacks the slash"),
        pytest.param(WEB, WEB.replace("app", "APP"), False, id="TAP-20 case of the host"),
        pytest.param(WEB, WEB.replace("call", "Call"), False, id="TAP-20 case of the path"),
        pytest.param(WEB, WEB.replace("https", "HTTPS"), False, id="TAP-20 case of the scheme"),
        pytest.param(WEB, WEB.replace("https", "http"), False, id="TAP-20 scheme"),
        pytest.param(WEB, WEB.replace(".com/", ".com:443/"), False, id="TAP-20 default port"),
        pytest.param(WEB, WEB + "?", False, id="TAP-20 an empty query"),
        pytest.param(WEB, WEB + "?a=b", False, id="TAP-20 a query"),
        pytest.param(WEB, WEB + "#a", False, id="TAP-20 a fragment"),
        pytest.param(WEB, WEB + "/../callback", False, id="TAP-20 a path that normalises to it"),
        pytest.param(WEB, f" {WEB}", False, id="TAP-20 the request is not trimmed"),
        pytest.param(f"{WEB},https://b.example/", f"{WEB},https://b.example/", False,
                     id="TAP-20 the whole list"),
        pytest.param("https://a.example/*", "https://a.example/x", False, id="TAP-20 no wildcards"),
        pytest.param(WEB, "https://app.example.com.evil.example/callback", False,
                     id="TAP-20 a longer host"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("public", [False, True])
def test_matching_is_exact(registered: str | None, uri: str, matches: bool, public: bool) -> None:
    assert redirects.is_registered(uri, registered, public=public) == matches


@pytest.mark.parametrize(
    ("registered", "uri", "public", "matches"),
    [
        pytest.param(LOOPBACK, "http://127.0.0.1:1/callback", True, True, id="TAP-23 any port"),
        pytest.param(LOOPBACK, "http://127.0.0.1:65535/callback", True, True, id="TAP-23 highest"),
        pytest.param(LOOPBACK, "http://127.0.0.1:65536/callback", True, False, id="TAP-23 none"),
        pytest.param(LOOPBACK_6, "http://[::1]:9/callback", True, True, id="TAP-23 IPv6"),
        pytest.param(LOOPBACK_6, "http://[::1]/callback", True, True, id="TAP-23 IPv6, no port"),
        pytest.param(f"{WEB},{LOOPBACK}", "http://127.0.0.1:2/callback", True, True,
                     id="TAP-23 one of several"),
        pytest.param("http://127.0.0.1", "http://127.0.0.1:2", True, True, id="TAP-23 no path"),
        pytest.param("http://127.0.0.1?a=1", "http://127.0.0.1:2?a=1", True, True,
                     id="TAP-23 only a query"),
        pytest.param(LOOPBACK, "http://127.0.0.1:1/callback", False, False,
                     id="TAP-23 not of a Confidential client"),
        pytest.param("http://localhost/callback", "http://localhost:1/callback", True, False,
                     id="TAP-23 not localhost"),
        pytest.param("https://127.0.0.1/callback", "https://127.0.0.1:1/callback", True, False,
                     id="TAP-23 not https"),
        pytest.param(LOOPBACK, "http://127.0.0.1:1/callback/", True, False, id="TAP-23 slash"),
        pytest.param(LOOPBACK, "http://127.0.0.1:1/Callback", True, False, id="TAP-23 case"),
        pytest.param(LOOPBACK, "http://127.0.0.1:1/callback?x", True, False, id="TAP-23 query"),
        pytest.param(LOOPBACK, "http://127.0.0.1:1/callback#x", True, False, id="TAP-23 fragment"),
        pytest.param(LOOPBACK, "HTTP://127.0.0.1:1/callback", True, False, id="TAP-23 scheme"),
        pytest.param(LOOPBACK, "http://127.0.0.1:/callback", True, False, id="TAP-23 empty port"),
        pytest.param(LOOPBACK, "http://127.0.0.1:-1/callback", True, False, id="TAP-23 negative"),
        pytest.param(LOOPBACK, "http://127.0.0.1:1x/callback", True, False, id="TAP-23 no number"),
        pytest.param(LOOPBACK, "http://127.0.0.1:\u0661/callback", True, False,
                     id="TAP-23 other digits"),
        pytest.param(LOOPBACK, "http://127.0.0.1:000001/callback", True, False,
                     id="TAP-23 six digits"),
        pytest.param(LOOPBACK, "http://127.0.0.1:80@evil.example/callback", True, False,
                     id="TAP-23 port as password"),
        pytest.param(LOOPBACK, "http://127.0.0.1@evil.example/callback", True, False,
                     id="TAP-23 as user"),
        pytest.param(LOOPBACK, "http://127.0.0.1.evil.example/callback", True, False,
                     id="TAP-23 a longer host"),
        pytest.param(LOOPBACK, "http://127.0.0.12/callback", True, False, id="TAP-23 more digits"),
        pytest.param(LOOPBACK, "http://127.0.0.1:1\\@evil.example/callback", True, False,
                     id="TAP-23 a backslash"),
        pytest.param(LOOPBACK, "http://[::1]:1/callback", True, False, id="TAP-23 another address"),
    ],
)  # fmt: skip
def test_ports_of_loopback(registered: str, uri: str, public: bool, matches: bool) -> None:
    assert redirects.is_registered(uri, registered, public=public) == matches


@settings(deadline=None, max_examples=1000)
@given(
    tail=st.text(alphabet="0123456789:/@?#\\[].evilcallback%", max_size=30)
    | st.integers(0, 70000).map(lambda port: f":{port}/callback")
)
def test_tap_23_only_the_port_may_differ(tail: str) -> None:
    """TAP-23: what a browser makes of a matching URI is on the loopback address."""
    uri = "http://127.0.0.1" + tail
    if redirects.is_registered(uri, LOOPBACK, public=True):
        parts = urlsplit(uri)
        assert (parts.hostname, parts.path) == ("127.0.0.1", "/callback")
        assert (parts.username, parts.password, parts.query, parts.fragment) == (None, None, "", "")


@settings(deadline=None, max_examples=500)
@given(uri=st.text(max_size=40), public=st.booleans())
def test_any_text_is_judged_without_an_error(uri: str, public: bool) -> None:
    """TAP-21"""
    problem = redirects.problem_of(uri, public=public)
    assert problem is None or problem
    if problem is None and "," not in uri and uri == uri.strip():
        assert redirects.is_registered(uri, uri, public=public)
        assert redirects.origin_of(uri) is None or urlsplit(uri).scheme in {"http", "https"}
        assert not set(redirects.policy_source_of(uri)) & set("; ,'\"")  # one source, no directive


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        pytest.param(WEB, "https://app.example.com", id="EP-8 https"),
        pytest.param("http://127.0.0.1:8/x", "http://127.0.0.1:8", id="EP-8 with a port"),
        pytest.param("myapp://cb", None, id="EP-8 custom scheme"),
        # an Origin header has its scheme and host in lower case and no default port
        # (RFC 6454 §6.1), so these never match as text.
        pytest.param("https://App.Example.com/cb", "https://app.example.com", id="EP-8 capitals"),
        pytest.param("https://a.example:443/cb", "https://a.example", id="EP-8 default port"),
    ],
)
def test_origin(uri: str, origin: str | None) -> None:
    assert redirects.origin_of(uri) == origin


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        pytest.param(WEB, "https://app.example.com", id="SGN-9 https"),
        pytest.param("http://127.0.0.1:8/x?y", "http://127.0.0.1:8", id="SGN-9 with a port"),
        pytest.param("com.example.app:/callback", "com.example.app:", id="SGN-9 custom scheme"),
        pytest.param("myapp://cb/x", "myapp:", id="SGN-9 custom scheme with an authority"),
        # A browser ignores a source that names an IPv6 address (CSP Level 3 §2.3.1).
        pytest.param("http://[::1]:51004/x", "http://*:51004", id="SGN-9 IPv6"),
        pytest.param("http://[::1]/x", "http://*", id="SGN-9 IPv6 without a port"),
    ],
)
def test_source_of_a_policy(uri: str, source: str) -> None:
    assert redirects.policy_source_of(uri) == source
