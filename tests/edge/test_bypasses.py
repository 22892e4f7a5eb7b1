"""Attempts to get past the guard, as raw bytes, through every way to stand in front of an API.

Behind each way something notes what reached it. Whatever that is, even the most naive server must
not be able to make more of it than its sender may do; and what one way refuses, another one lets
through only when nothing is left of it but a plain request (§10).
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mintgate.contract.reference_tokens import TokenKind
from tests.edge.attempts import all_attempts
from tests.edge.bypass_ways import (
    FRONTS,
    NAMES,
    WITH_BATCHES,
    Answered,
    Way,
    all_ways,
    attempt,
    sent,
)
from tests.edge.naive import Rights, dangers, is_plain, read_request
from tests.edge.raw_requests import CUSTOMERS, SECURITY
from tests.gate_world import identity_server
from tests.wire.test_api_checks import resigned
from tests.wire.test_python_apis import reference_token
from tests.world import World

ATTEMPTS = all_attempts()
RIGHTS = {"reader": Rights("mira.k", writes=False), "user": Rights("mira.k", writes=True)}
OF_A_SECURITY_RECORD = b"buyer@client.example"
"""What is in the answer to a request for security records."""


class Tried(NamedTuple):
    """Everything running, and all that the attempts led to.

    Args:
        answers: by attempt and way.
    """

    world: World
    ways: dict[str, Way]
    tokens: dict[str, str]
    answers: dict[str, dict[str, Answered]]

    def data(self, name: str) -> bytes:
        return filled(ATTEMPTS[name].data, self.tokens)


def filled(data: bytes, tokens: dict[str, str]) -> bytes:
    for mark, token in tokens.items():
        data = data.replace(f"@{mark}@".encode(), token.encode())
    return data


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    folder = tmp_path_factory.mktemp("bypasses")
    world = identity_server(folder, customers=True)
    tokens = {
        "reader": world.user_tokens(scope="openid read")["access_token"],
        "user": world.user_tokens()["access_token"],
        "admin": world.user_tokens(login="ada")["access_token"],
        "pat": reference_token(world, TokenKind.PERSONAL),
    }
    with all_ways(world, folder) as ways:
        one = Tried(world, ways, tokens, {name: {} for name in ATTEMPTS})

        def run(way: Way) -> None:
            for name, tried in ATTEMPTS.items():
                patience = 10.0 if tried.passes else 1.5
                one.answers[name][way.name] = attempt(way, one.data(name), patience)

        with ThreadPoolExecutor(len(ways)) as pool:
            list(pool.map(run, ways.values()))
        yield one
    world.stop()


@pytest.mark.parametrize("name", ATTEMPTS)
def test_nothing_more_than_its_sender_may_do(name: str, tried: Tried) -> None:
    rights = RIGHTS[ATTEMPTS[name].by]
    for way, answered in tried.answers[name].items():
        for request in answered.reached:
            assert dangers(request, rights) == [], (way, request)


@pytest.mark.parametrize("name", [n for n, one in ATTEMPTS.items() if not one.passes])
def test_what_one_way_refuses_is_plain_where_another_lets_it_through(
    name: str, tried: Tried
) -> None:
    answers = tried.answers[name]
    if name.startswith("batch: at"):
        # Forward auth takes no batches at all, and says so.
        answers = {way: answers[way] for way in WITH_BATCHES}
    if all(answered.reached for answered in answers.values()):
        return
    for way, answered in answers.items():
        assert all(is_plain(request) for request in answered.reached), (way, answered)


@pytest.mark.parametrize("name", ATTEMPTS)
def test_what_is_refused_is_told_so(name: str, tried: Tried) -> None:
    """Never by a failure of mintgate's own; the server in front has its own words."""
    for way, answered in tried.answers[name].items():
        assert not any(
            b'"type":"server_error"' in piece for piece in answered.data.split(b"\r\n\r\n")
        ), (way, answered)
        if not answered.reached and "$batch" not in str(ATTEMPTS[name].data):
            good = [status for status in answered.statuses if 200 <= status < 400]
            # These two answer it by themselves, about themselves.
            assert not good or (name, good) == ("method: OPTIONS *", [200]), (way, answered)


@pytest.mark.parametrize("name", [n for n, one in ATTEMPTS.items() if one.passes])
def test_a_plain_request_passes_everywhere(name: str, tried: Tried) -> None:
    for way, answered in tried.answers[name].items():
        if way == "haproxy" and answered.statuses == [411]:
            continue  # before 3.2 it cannot drop trailers
        assert (answered.statuses, len(answered.reached)) == ([200], 1), (way, answered)


def test_a_server_without_a_guard_would_fall_for_them() -> None:
    """Otherwise nothing would be shown by all of the above."""
    fallen, all_of = Counter[str](), Counter[str]()
    for name, one in ATTEMPTS.items():
        kind = name.partition(":")[0]
        all_of[kind] += 1
        fallen[kind] += bool(_dangers_without_guard(one.data, RIGHTS[one.by]))
    assert fallen["allowed"] == 0
    least = {"path": 0.95, "method": 0.7, "override": 0.9, "identity": 0.7, "upgrade": 0.8}
    least |= {"credential": 0.6, "framing": 0.5, "pipeline": 0.6, "batch": 0.5, "size": 0.6}
    for kind, part in least.items():
        assert fallen[kind] >= part * all_of[kind], (kind, fallen[kind], all_of[kind])


def _dangers_without_guard(data: bytes, rights: Rights) -> list[str]:
    found: list[str] = []
    file = io.BytesIO(data)
    with suppress(ValueError, OverflowError):
        while (request := read_request(file)) is not None:
            found += dangers(request._replace(caller=rights.login), rights)
    return found


def test_the_built_in_api_does_nothing_more(tried: Tried) -> None:
    """`mintgate serve` answers itself: what was written and what was shown are looked at."""
    world = tried.world
    sees_all = resigned(world, scope=["DomainApi", "read", "sec"])
    shown = world.api("Systems_Security_Users", sees_all)
    assert OF_A_SECURITY_RECORD in shown.content
    before = _customers(world, tried.tokens["reader"])
    assert json.loads(before.content)["value"]
    host = f"Host: 127.0.0.1:{world.port}".encode()
    passed = set()
    for name, one in ATTEMPTS.items():
        data = tried.data(name).replace(b"Host: 127.0.0.1\r\n", host + b"\r\n")
        data = data.replace(b"http://127.0.0.1/", f"http://127.0.0.1:{world.port}/".encode())
        answer = sent(world.port, data)
        assert OF_A_SECURITY_RECORD not in answer, name
        if b"HTTP/1.1 200" in answer:
            passed.add(name)
        if one.by == "reader":
            assert _customers(world, tried.tokens["reader"]).content == before.content, name
    assert {"allowed: a read", "batch: at $batch"} <= passed
    refused = {name for name in ATTEMPTS if name.startswith(("path: ", "identity: ", "override: "))}
    # The fragment is not read; folded lines are one line (RFC 9112 §5.2).
    assert passed & refused <= {"path: fragment with dots"}


def _customers(world: World, token: str) -> httpx.Response:
    return world.api("Crm_Sales_Customers", token)


# What is forbidden, and what is not, written by pieces that servers disagree about.
_SLASHES = (
    "// %2f %2F %252f %25%32%66 %25%32f \\ %5c %255c /./ /x/../ /%2e/ /..;/ /x/%2e%2e/ ;/ /%20/ "
    "%00/ /.%2e/ ?/ #/ %3f/ %c0%af %u2215 //x/../"
).split()
_LETTERS = ("{}", "%{:02x}", "%{:02X}", "%25{:02x}", "%2%35{:02x}", "%25%3{}", "%u00{:02x}")
_ENDS = ("", ";x", "%00", ".", "%20", "/", "//", "?a=b", "?.method=PUT", "?_method=PUT", "#x", "%")
_HEADER_NAMES = (
    "x http method override, x mintgate login, x original url, x rewrite url, api key, x api key, "
    "transfer encoding, content length, upgrade, connection, host, x mintgate gate uri, "
    "x forwarded uri, x method override, authorization"
).split(", ")
_HEADER_VALUES = (
    *("DELETE", "smuggled", SECURITY, CUSTOMERS, "chunked", "0", "5", "h2c", "websocket"),
    *("x-mintgate-login", "close, x-mintgate-admin", "127.0.0.1/x", "Bearer x", "\xff"),
)
_SPACES = ("-", "_", ".", "!", "~", "%", "-\x00", " ")
_LINE_ENDS = ("\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n ", "\r\r\n")


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A request for what its sender may not do, or for what it may, with something odd in it."""
    method, target = draw(
        st.sampled_from([("GET", SECURITY), ("GET", CUSTOMERS), ("POST", CUSTOMERS)])
    )
    path = target
    if draw(st.booleans()):
        head, tail = path.rsplit("/", 1)
        path = head + draw(st.sampled_from(_SLASHES)) + tail
    if draw(st.booleans()):
        at = draw(st.integers(1, len(path) - 1))
        form = draw(st.sampled_from(_LETTERS))
        letter = path[at] if "{}" in form else ord(path[at])
        path = path[:at] + form.format(letter) + path[at + 1 :]
    if draw(st.integers(0, 3)) == 0:
        path = path.swapcase()
    path += draw(st.sampled_from(_ENDS))
    text = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer @reader@"
    for words in draw(st.lists(st.sampled_from(_HEADER_NAMES), max_size=2)):
        name = draw(st.sampled_from(_SPACES)).join(words.split())
        text += draw(st.sampled_from(_LINE_ENDS)) + f"{name}: "
        text += draw(st.sampled_from(_HEADER_VALUES))
    return (text + "\r\nConnection: close\r\n\r\n").encode("latin-1")


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(mutants())
def test_no_spelling_of_what_is_forbidden(tried: Tried, data: bytes) -> None:
    data = filled(data, tried.tokens)
    answers = {name: attempt(tried.ways[name], data) for name in ("gate", "uvicorn", "waitress")}
    for way, answered in answers.items():
        for request in answered.reached:
            assert dangers(request, RIGHTS["reader"]) == [], (way, request)
            if not all(other.reached for other in answers.values()):
                assert is_plain(request), (way, request)


def test_every_way_was_tried(tried: Tried) -> None:
    assert set(tried.ways) == set(NAMES) > set(FRONTS)
    assert all(set(answers) == set(NAMES) for answers in tried.answers.values())
