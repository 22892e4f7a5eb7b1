"""A listener that knows whole requests gives the same bytes as one that reads each of them."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, cast

import pytest
import uvicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from mintgate.gate.draining import Draining, Ending
from mintgate.gate.known_posts import KnownPost
from mintgate.gate.known_requests import AGE_SECONDS, MAX_BYTES, KnownRequests, keys_of
from mintgate.gate.listener import server_config
from mintgate.gate.repeating_protocol import RepeatingProtocol
from mintgate.gate.settings import ListenerSettings
from mintgate.gate.shortcut import Shortcut
from mintgate.identity.repeating import REPEAT, Headers, SendWhole
from tests.unit.gate.test_answering_protocol import OTHER, Transport

POST = b"POST /again%b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n%b"
TURNS = 8
"""Of the loop, after which every answer is given."""


class App:
    """Answers with a digest of what it was asked, and tells how it does so again."""

    def __init__(self) -> None:
        self.log: list[tuple[str, bytes]] = []
        self.gone: list[Any] = []

    def answer(self, way: str, target: bytes, body: bytes) -> tuple[int, Headers, bytes]:
        self.log.append((way, body))
        digest = hashlib.sha256(target + body + b"%d" % len(self.log)).hexdigest().encode()
        return 200, ((b"x-digest", digest[:9]),), digest * (1 + len(body) % 3)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        message = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        # Everything that a head says; the client's port is another one with each connection.
        said = {name: v for name, v in scope.items() if name not in {REPEAT, "client", "state"}}
        target = repr(sorted(said.items())).encode()
        if b"fail" in body:
            raise RuntimeError("this application fails")
        if b"stop" in body:
            raise asyncio.CancelledError
        if b"wait" in body:
            self.gone.append(await receive())
        if REPEAT in scope and b"once" not in body:
            scope[REPEAT](Again(self, target, body))
        await asyncio.sleep(0)
        status, headers, text = self.answer("read", target, body)
        if b"wrong" in body:
            headers = (*headers, (b"x-more", b"a\r\nb: c"))
        length = (b"content-length", b"%d" % len(text))
        start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
        await send(start)
        if b"part" in body:
            return
        await send({"type": "http.response.body", "body": text})


class Again:
    def __init__(self, app: App, target: bytes, body: bytes) -> None:
        self._app = app
        self._asked = target, body

    def begin(self, send: SendWhole) -> bool:
        if len(self._app.log) % 7 == 6:
            return False
        if len(self._app.log) % 11 == 10:
            raise RuntimeError("this way is closed")
        loop = asyncio.get_running_loop()

        def answer() -> None:
            send(*self._app.answer("again", *self._asked))

        loop.call_soon(loop.call_soon, answer)
        return True


class Listening:
    """One connection."""

    def __init__(self, *, knows: bool = True) -> None:
        self.app = App()
        self.draining = Draining()
        config = server_config(
            self.app,
            ListenerSettings(),
            draining=self.draining,
            shortcut=Shortcut(b"/short", lambda request: None, b"POST /again"),
        )
        config.load()
        self.state = ServerState()
        self.kind = cast("type[RepeatingProtocol]", config.http_protocol_class)
        self.known = self.kind.known
        if not knows:
            self.known.find = lambda key: None  # type: ignore[method-assign]
            self.kind.posts.find = lambda key: None  # type: ignore[method-assign]
        self.config: uvicorn.Config = config
        self.out: list[bytes] = []
        self.connect()

    def connect(self) -> None:
        self.transport = Transport()
        self.protocol = self.kind(config=self.config, server_state=self.state, app_state={})
        self.protocol.connection_made(cast("Any", self.transport))

    def give(self, data: bytes) -> None:
        if not self.transport.closed:
            self.protocol.data_received(data)

    def end(self) -> None:
        self.transport.closed = True
        self.protocol.connection_lost(ConnectionResetError())
        self.out.append(OTHER.sub(b"", self.transport.written))

    def seen(self) -> Any:
        protocol = self.protocol
        return (
            OTHER.sub(b"", self.transport.written),
            self.transport.closed,
            self.state.total_requests,
            [body for _, body in self.app.log],
            protocol._is_waiting,
            protocol._has_begun,
            protocol._is_in_head,
            protocol.is_idle(),
        )

    @property
    def ways(self) -> list[str]:
        return [way for way, _ in self.app.log]


def post(body: bytes, more: bytes = b"", target: bytes = b"") -> bytes:
    return POST % (target, len(body), more, body)


async def turn() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


BASIC = b"Authorization: Basic Zm9v\r\n"
WHOLE = [
    post(b"a=1"),
    post(b"a=1"),
    post(b"b=22"),
    post(b"once2"),
    post(b"once3"),
    post(b"a=1", BASIC),
    post(b"once4", BASIC),
    post(b"once5", BASIC),
    post(b"", target=b"?c"),
]
KNOWN = st.sampled_from(WHOLE)
OTHERS = st.sampled_from(
    [
        post(b"once"),
        post(b"once2") + b"\r\n",
        post(b"once3") + b"POST",
        post(b"a=1", b"Connection: close\r\n"),
        post(b"a=1", b"Expect: 100-continue\r\n"),
        post(b"a=1", b"Upgrade: h2c\r\nConnection: Upgrade\r\n"),
        post(b"x" * MAX_BYTES),
        b"POST /again HTTP/1.0\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx",
        b"POST /again HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n",
        b"nonsense\r\n\r\n",
    ]
)
CHUNKS = st.one_of(
    KNOWN,
    KNOWN,
    OTHERS,
    st.lists(st.one_of(KNOWN, OTHERS), min_size=2, max_size=3).map(b"".join),
    st.tuples(st.one_of(KNOWN, OTHERS), st.integers(1, 80)).map(lambda p: p[0][: p[1]]),
    st.tuples(st.one_of(KNOWN, OTHERS), st.integers(1, 80)).map(lambda p: p[0][p[1] :]),
)
# Between two chunks: time to answer, or none; or the client goes and comes again.
STEPS = st.lists(
    st.tuples(CHUNKS, st.sampled_from(["turn", "turn", "at once", "anew"])), max_size=25
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
@example([(post(b"a=1"), "turn")] * 9)
@example([(post(b"a=1") * 3, "turn"), (post(b"a=1"), "at once"), (post(b"b=22"), "at once")])
@example([(post(b"a=1"), "at once"), (post(b"a=1"), "anew"), (post(b"a=1"), "at once")])
@example([(post(b"a=1")[:40], "turn"), (post(b"a=1")[40:] + post(b"a=1"), "turn")])
def test_knowing_requests_changes_nothing(steps: list[tuple[bytes, str]]) -> None:
    async def run() -> None:
        knowing, reading = Listening(), Listening(knows=False)
        for chunk, then in [(post(b"a=1"), "turn"), (post(b"b=22"), "turn")] * 2 + steps:
            if chunk not in WHOLE:
                # What is malformed takes the place of an answer that has not begun, when it is
                # read meanwhile.
                for _ in range(6):
                    await turn()
            for one in (knowing, reading):
                one.give(chunk)
            if then != "at once":
                for _ in range(6):
                    await turn()
                assert knowing.seen() == reading.seen()
            if then == "anew":
                for one in (knowing, reading):
                    one.end()
                    one.connect()
        for _ in range(12):
            await turn()
        assert knowing.seen() == reading.seen()
        assert knowing.out == reading.out
        for one in (knowing, reading):
            one.end()
        assert "again" not in reading.ways

    asyncio.run(run())


def test_requests_are_known_indeed() -> None:
    """From the third on, or else the test above would compare the same with the same."""

    async def run() -> None:
        listening = Listening()
        for _ in range(4):
            listening.give(post(b"a=1"))
            await turn()
        assert listening.ways == ["read", "read", "again", "again"]
        listening.end()
        listening.connect()
        listening.give(post(b"a=1"))
        await turn()
        assert listening.ways[4:] == ["again"]  # on another connection from the same address
        listening.end()

    asyncio.run(run())


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the parser was given."""
    given: list[bytes] = []
    original = HttpToolsProtocol.data_received

    def noting(protocol: HttpToolsProtocol, data: bytes) -> None:
        given.append(data)
        original(protocol, data)

    monkeypatch.setattr(HttpToolsProtocol, "data_received", noting)
    return given


@pytest.mark.parametrize("more", [b"", BASIC])
def test_a_head_is_known_whatever_the_body(parsed: list[bytes], more: bytes) -> None:
    async def run() -> None:
        listening = Listening()
        bodies = [b"once%d" % number for number in range(5)]
        for body in bodies:
            listening.give(post(body, more))
            await turn()
        assert [body for _, body in listening.app.log] == bodies
        assert parsed == [post(b"once0", more), post(b"once1", more)]
        # Another head, with another length or another secret, is read.
        for other in (post(b"once", more), post(b"once9", b"Authorization: Basic Zm9x\r\n")):
            listening.give(other)
            await turn()
            assert parsed[-1] == other
        # In pieces it is read, too.
        listening.give(post(b"once8", more)[:-1])
        listening.give(b"8")
        await turn()
        assert parsed[-1] == b"8"
        assert len(listening.app.log) == 8
        listening.end()

    asyncio.run(run())


def test_line_ends_behind_a_body_are_no_part_of_it(parsed: list[bytes]) -> None:
    """RFC 9112 §2.2: the parser skips them, and what stands there the next time is a request."""

    async def run() -> None:
        listening = Listening()
        for body in (b"once0", b"once1", b"once2"):
            listening.give(post(body) + b"\r\n\r\n")
            await turn()
        listening.give(post(b"once3") + b"POST")
        await turn()
        assert len(parsed) == 4
        listening.give(POST[4:] % (b"", 5, b"", b"once4"))
        await turn()
        assert [body for _, body in listening.app.log] == [b"once%d" % n for n in range(5)]
        listening.end()

    asyncio.run(run())


def test_no_head_is_kept_that_is_large() -> None:
    many = {"headers": [(b"x-%d" % number, b"y") for number in range(40)]}
    assert not KnownPost.can_be_kept(many, b"", b"")
    assert KnownPost.can_be_kept({"headers": []}, b"x" * 2048, b"")
    assert not KnownPost.can_be_kept({"headers": []}, b"x" * 2049, b"")
    told = {"headers": [(b"content-length", b"3")]}
    assert [KnownPost.can_be_kept(told, b"", body) for body in (b"", b"abc")] == [False, True]


def test_no_secret_is_kept_with_a_head() -> None:
    """It is taken from the bytes that come; a parser finds it where these are not plain."""
    scope = {"type": "http", "headers": [(b"host", b"a"), (b"authorization", b"Basic Zm9v")]}
    data = b"POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic Zm9v\r\n\r\n"
    assert KnownPost.can_be_kept(scope, data, b"")
    kept = KnownPost(scope, data)
    assert b"Zm9v" not in repr([getattr(kept, name) for name in kept.__slots__]).encode()
    other = data.replace(b"Zm9v", b"Zm9x")
    assert kept.scope_for(other, client=None)["headers"][1] == (b"authorization", b"Basic Zm9x")
    assert not KnownPost.can_be_kept(scope, data.replace(b"Host: a", b"Host: Basic Zm9v"), b"")
    twice = {**scope, "headers": [*scope["headers"], (b"authorization", b"Basic b")]}
    assert not KnownPost.can_be_kept(twice, data, b"")
    for name in (b"cookie", b"proxy-authorization", b"dpop"):
        other_secret = {**scope, "headers": [*scope["headers"], (name, b"x")]}
        assert not KnownPost.can_be_kept(other_secret, data, b"")


@pytest.mark.parametrize("how", [b"fail2", b"wrong", b"part2", b"stop2"])
def test_an_application_that_fails_behind_a_known_head(
    how: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """By raising, by a header that is none, by half an answer, by being cancelled."""

    async def run() -> None:
        listening = Listening()
        for body in (b"once0", b"once1", how):
            listening.transport.written = b""
            listening.give(post(body))
            await turn()
        assert listening.transport.written.startswith(b"HTTP/1.1 500 ")
        assert b"\r\nconnection: close\r\n" in listening.transport.written
        assert listening.transport.closed
        listening.end()

    asyncio.run(run())
    assert [record.levelname for record in caplog.records][:1] == ["ERROR"]


def test_an_application_hears_that_the_client_has_gone() -> None:
    async def run() -> None:
        listening = Listening()
        for body in (b"once0", b"once1", b"wait2"):
            listening.give(post(body))
            await turn()
        assert listening.app.gone == []
        listening.end()
        await turn()
        assert listening.app.gone == [{"type": "http.disconnect"}]
        assert not listening.state.tasks

    asyncio.run(run())


def test_who_has_gone_is_not_answered() -> None:
    async def run() -> None:
        listening = Listening()
        for _ in range(2):
            listening.give(post(b"a=1"))
            await turn()
        listening.transport.written = b""
        listening.give(post(b"a=1"))
        listening.give(post(b"b=22"))
        listening.end()
        await turn()
        assert listening.out == [b""]
        assert listening.transport.written == b""
        assert listening.ways == ["read", "read", "again"]

    asyncio.run(run())


def test_another_address_is_another_request() -> None:
    one, other = (
        keys_of(peer, b"x", b"y") for peer in (b"192.0.2.1\0http\0", b"192.0.2.2\0http\0")
    )
    assert set(one).isdisjoint(other)


def test_what_comes_meanwhile_is_kept_and_no_more_is_read() -> None:
    async def run() -> None:
        listening = Listening()
        for _ in range(2):
            listening.give(post(b"a=1"))
            await turn()
        paused: list[bool] = []
        listening.transport.pause_reading = lambda: paused.append(True)  # type: ignore[method-assign]
        listening.transport.resume_reading = lambda: paused.append(False)  # type: ignore[method-assign]
        listening.give(post(b"a=1"))
        listening.give(post(b"b=22") * 300)
        assert paused == []
        listening.give(post(b"b=22") * 1000)
        assert paused == [True]
        for _ in range(4 * 1300):
            await asyncio.sleep(0)
        assert False in paused
        assert len(listening.app.log) == 3 + 1300
        listening.end()

    asyncio.run(run())


@pytest.mark.parametrize("told", ["draining", "shutdown"])
def test_an_answer_that_was_begun_is_given_at_the_end(told: str) -> None:
    """RFC 9112 §9.6: and it says that it is the last one."""

    async def run() -> None:
        listening = Listening()
        for _ in range(2):
            listening.give(post(b"a=1"))
            await turn()
        listening.give(post(b"a=1"))
        if told == "draining":
            listening.draining.begin(Ending.DRAIN)
        else:
            listening.protocol.shutdown()
        assert not listening.protocol.is_idle()
        assert not listening.transport.closed
        await turn()
        assert listening.ways[-1] == "again"
        head = listening.transport.written.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")[0]
        assert b"\r\nconnection: close" in head
        assert listening.transport.closed
        listening.end()

    asyncio.run(run())


def test_what_is_not_asked_for_goes() -> None:
    class Loop:
        def __init__(self) -> None:
            self.later: list[Any] = []

        def call_later(self, seconds: float, *call: Any) -> None:
            assert seconds == AGE_SECONDS
            self.later.append(call)

    async def run() -> None:
        known, loop = KnownRequests(), Loop()
        asyncio.get_running_loop().call_later = loop.call_later  # type: ignore[method-assign,assignment]
        again = Again(App(), b"", b"")
        for _ in range(2):
            known.add(b"key", again)
        assert known.find(b"key") is again
        for _ in range(2):
            call, *arguments = loop.later.pop()
            call(arguments[0] and loop)
        assert known.find(b"key") is None
        assert loop.later == []

    asyncio.run(run())
