"""How servers in front tell of requests and take answers, without a server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mintgate.contract.errors import (
    AmbiguousRequest,
    BatchNotTaken,
    InsufficientScope,
    InvalidToken,
    MethodNotAllowed,
    NoFreeSlot,
    Refusal,
    TooManyRequests,
    UnknownGate,
)
from mintgate.gate.forward_auth import target_of
from mintgate.gate.forward_dialects import (
    _CREDENTIALS,
    DIALECTS,
    SECRET,
    handed_back,
    original,
    taken_apart,
)
from mintgate.gate.identity import NOBODY, identity_headers
from mintgate.verify.refusals import refusal_response
from tests.unit.gate.test_session_model import principal_of

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = sorted(DIALECTS)
TOLD = {
    b"x-mintgate-gate-method": b"PATCH",
    b"x-mintgate-gate-uri": b"/a/b?c=d?e",
    b"x-mintgate-gate-address": b"192.0.2.7",
    b"x-forwarded-method": b"PATCH",
    b"x-forwarded-uri": b"/a/b?c=d?e",
    b"x-forwarded-for": b"203.0.113.1, 192.0.2.7",
    SECRET: b"s",
}
ANOTHER_PROTOCOL = {b"upgrade", b"http2-settings"}
header_names = st.sampled_from(
    [*TOLD, b"authorization", b"x-api-key", b"upgrade", b"cookie", b"x-mintgate-login", b"host"]
) | st.from_regex(rb"[a-z][a-z0-9-]{0,8}", fullmatch=True)
headers = st.lists(st.tuples(header_names, st.binary(max_size=8)), max_size=8)


@pytest.mark.parametrize("name", NAMES)
@given(of_client=headers)
@example(of_client=[(b"authorization", b","), (b"x-a", b"")])
def test_nothing_of_a_client_is_lost_or_believed(
    name: bytes, of_client: list[tuple[bytes, bytes]]
) -> None:
    """What the server tells is told once, or the call is refused; the rest is judged."""
    dialect = DIALECTS[name]
    told = [(n, v) for n, v in TOLD.items() if n in dialect.handed_over]
    call = taken_apart(dialect, [*of_client, *told])
    spoofed = [n for n, _ in of_client if n in dialect.handed_over and n in dict(told)]
    assert bool(call.repeated) >= bool(spoofed)
    kept = [pair for pair in call.of_client if pair[0] != b"upgrade"]
    expected = [p for p in of_client if p[0] not in dialect.handed_over and p[0] != b"upgrade"]
    if dialect.joins:  # what was two credentials, perhaps, is told as two
        expected += [p for p in expected if p[0] in _CREDENTIALS and b"," in p[1]]
    assert kept == expected
    rest = b"/a/b" if dialect.uri is None else b""
    if call.repeated or not {n for n, _ in call.of_client}.isdisjoint(ANOTHER_PROTOCOL):
        with pytest.raises(AmbiguousRequest):
            original(dialect, call, "PATCH", rest, b"c=d?e")
        return
    request = original(dialect, call, "PATCH", rest, b"c=d?e")
    assert (request.method, request.raw_path, request.query) == ("PATCH", b"/a/b", b"c=d?e")
    assert request.address == "192.0.2.7"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("method", "sent", "is_taken"),
    [
        ("GET", [(b"upgrade", b"WebSocket")], True),
        ("GET", [(b"sec-websocket-key", b"x"), (b"sec-websocket-version", b"13")], True),
        ("OPTIONS", [(b"upgrade", b"websocket")], False),
        ("OPTIONS", [(b"sec-websocket-key", b"x")], False),
        ("GET", [(b"upgrade", b"websocket"), (b"http2-settings", b"AAMAAABk")], False),
        ("GET", [(b"upgrade", b"h2c")], False),
        ("GET", [(b"upgrade", b"websocket"), (b"upgrade", b"h2c")], False),
    ],
)
def test_a_connection_becomes_a_websocket_or_nothing(
    name: bytes, method: str, sent: list[tuple[bytes, bytes]], is_taken: bool
) -> None:
    dialect = DIALECTS[name]
    told = [(n, v) for n, v in TOLD.items() if n in dialect.handed_over and n != dialect.method]
    if dialect.method is not None:
        told.append((dialect.method, method.encode()))
    call = taken_apart(dialect, [*sent, *told])
    rest = b"/a/b" if dialect.uri is None else b""
    if is_taken:
        assert (b"upgrade", b"websocket") in [
            (n, v.lower()) for n, v in original(dialect, call, method, rest, b"").headers
        ]
    else:
        with pytest.raises(AmbiguousRequest):
            original(dialect, call, method, rest, b"")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_guessed(name: bytes) -> None:
    """Each header that is not told, but for the handshake, makes it a misuse."""
    dialect = DIALECTS[name]
    told = [(n, v) for n, v in TOLD.items() if n in dialect.handed_over and n != SECRET]
    rest = b"/a" if dialect.uri is None else b""
    for left_out in told:
        call = taken_apart(dialect, [pair for pair in told if pair != left_out])
        with pytest.raises(UnknownGate):
            original(dialect, call, "GET", rest, b"")
        call = taken_apart(dialect, [(n, b"" if n == left_out[0] else v) for n, v in told])
        with pytest.raises(UnknownGate):
            original(dialect, call, "GET", rest, b"")


@given(rest=st.binary(max_size=30).filter(lambda raw: b"?" not in raw))
def test_no_path_changes_whom_a_call_asks(rest: bytes) -> None:
    """The client's path stands behind the address, for Envoy."""
    target = target_of(b"/gate/envoy/o%20n/A%2FB/" + rest)
    assert target is not None
    assert (target.instance, target.api, target.rest) == ("o n", "A/B", b"/" + rest)
    assert target.dialect is DIALECTS[b"envoy"]
    assert not target.as_token


@given(raw=st.binary(max_size=40))
def test_any_bytes_are_an_address_or_none(raw: bytes) -> None:
    for path in (raw, b"/" + raw, b"/gate/" + raw, b"/gate/nginx/" + raw):
        target = target_of(path)
        assert target is None or path.startswith(b"/gate/")


REFUSALS: list[Refusal] = [
    InvalidToken(),
    InsufficientScope(needed="update"),
    AmbiguousRequest(),
    MethodNotAllowed(("GET", "HEAD")),
    TooManyRequests(retry_after=3, limits=((b"ratelimit", b"x"),)),
    BatchNotTaken(),
    NoFreeSlot(),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda r: type(r).__name__)
@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_can_be_put_together_again(name: bytes, refusal: Refusal) -> None:
    """As the examples do it, to the very bytes [API-40, API-41]."""
    whole = refusal_response(refusal, "A")
    status, told, body = handed_back(DIALECTS[name], whole)
    headers = dict(told)
    assert len(headers) == len(told)
    if name == b"nginx":
        assert status in {401, 403}
        body = headers.pop(b"x-mintgate-body")
        assert not {b"\r", b"\n"} & {body[n : n + 1] for n in range(len(body))}
        if b"x-mintgate-challenge" in headers:
            headers[b"www-authenticate"] = headers.pop(b"x-mintgate-challenge")
    elif name == b"envoy":
        assert status < 500
    status = int(headers.pop(b"x-mintgate-status", status))
    assert (status, headers, body) == (whole[0], dict(whole[1]), whole[2])


LISTED = ("nginx/mintgate.conf", "caddy/Caddyfile", "traefik/dynamic.yml")


@pytest.mark.parametrize("example", LISTED)
def test_an_example_that_lists_headers_lists_them_all(example: str) -> None:
    text = (EXAMPLES / example).read_text().lower()
    names = [name.decode() for name, _ in identity_headers(principal_of("ann", "A"))]
    assert names == [name.decode() for name, _ in NOBODY]
    for name in [*names, "x-mintgate-token"]:
        assert re.search(rf"\b{name}\b", text), name


def test_the_example_for_traefik_hands_over_everything() -> None:
    """Its documentation: all headers are copied unless some are named, and `X-Forwarded-*` are
    the client's unless they are not trusted. It is not run by the tests."""
    text = (EXAMPLES / "traefik/dynamic.yml").read_text()
    settings = re.sub(r" *#.*", "", text)
    assert "trustForwardHeader: false" in settings
    assert "authRequestHeaders" not in settings
    order = ["mintgate-before", "mintgate", "mintgate-after"]
    assert f"middlewares: [{', '.join(order)}]" in settings
    assert settings.count("X-Mintgate-Gate-Secret") == 2
