"""A listener that knows heads gives the same bytes as one that reads each of them."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Any, cast

import uvicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from mintgate.gate.answering_protocol import AnsweringProtocol
from mintgate.gate.known_heads import KnownHeads
from mintgate.gate.listener import server_config
from mintgate.gate.settings import ListenerSettings
from mintgate.gate.shortcut import Shortcut, head
from mintgate.verify import ApiRequest

OTHER = re.compile(rb"x-request-id: [^\r]+|[0-9A-Fa-f]{32}|[0-9a-f-]{36}")
"""What is another one in every refusal."""


class Transport:
    """Keeps what is written; it may say that the client does not read."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, _: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        """What comes is given nevertheless, as if it had been on its way."""

    def resume_reading(self) -> None:
        """See there."""


class Asked:
    """What an application was asked, and how often; it leaves some to the long way."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def prepare(self, request: ApiRequest) -> Call | None:
        return None if request.method == "DELETE" else Call(self, request)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        self.log.append(("long", scope["method"], scope["raw_path"], scope.get("left"), body))
        digest = hashlib.sha256(repr((scope["headers"], body)).encode()).hexdigest()
        headers = [(b"x-long", digest[:20].encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})


class Call:
    """Says what it was asked, all of it."""

    def __init__(self, asked: Asked, request: ApiRequest) -> None:
        self._asked = asked
        self._request = request
        told = [value for name, value in request.headers if name == b"x-uri"]
        self.varying = b"x-uri" if len(told) == 1 else None

    def at(self, value: bytes) -> Call | None:
        if value == b"/none":
            return None
        request = self._request
        headers = [(n, value if n == b"x-uri" else v) for n, v in request.headers]
        return Call(
            self._asked, ApiRequest(request.method, request.raw_path, request.query, headers)
        )

    def answer(self) -> bytes | dict[str, Any]:
        self._asked.log.append(("short", self._request))
        if len(self._asked.log) % 13 == 0:
            return {"left": len(self._asked.log)}
        if len(self._asked.log) % 17 == 0:
            raise RuntimeError("this way is closed")
        digest = hashlib.sha256(repr(self._request).encode()).hexdigest()
        return head(204, [(b"x-short", digest[:20].encode())])


class Listening:
    """One connection."""

    def __init__(self, *, knows: bool) -> None:
        self.asked = Asked()
        config = server_config(
            self.asked,
            ListenerSettings(max_header_bytes=600, max_headers=12),
            shortcut=Shortcut(b"/short", self.asked.prepare),
        )
        config.load()
        self.state = ServerState()
        kind = cast("type[AnsweringProtocol]", config.http_protocol_class)
        self.heads = kind.heads if knows else KnownHeads(max_bytes=0)
        kind.heads = self.heads
        self.config: uvicorn.Config = config
        self.kind = kind
        self.out: list[bytes] = []
        self.connect()

    def connect(self) -> None:
        self.transport = Transport()
        self.protocol = self.kind(config=self.config, server_state=self.state, app_state={})
        self.protocol.connection_made(cast("Any", self.transport))

    def give(self, data: bytes) -> None:
        self.protocol.data_received(data)

    def end(self) -> None:
        self.protocol.connection_lost(ConnectionResetError())
        self.out.append(OTHER.sub(b"", self.transport.written))

    def seen(self) -> Any:
        protocol = self.protocol
        return (
            OTHER.sub(b"", self.transport.written),
            self.transport.closed,
            self.state.total_requests,
            self.asked.log,
            protocol._silent_bytes,
            protocol._has_begun,
            protocol._is_in_head,
            protocol._head_timer is None,
            protocol._idle_timer is None,
            protocol.timeout_keep_alive_task is None,
        )


HEAD = b"%b /short/%b HTTP/1.1\r\nHost: a\r\nX-Uri: %b\r\n%b\r\n"
KEEP = b"GET /short/a HTTP/1.1\r\nHost: a\r\n\r\n"
USUAL = [HEAD % (b"GET", b"a", uri, b"") for uri in (b"/1", b"/2", b"/none", b"/3 4", b"")]
HEADS = st.one_of(
    st.sampled_from([KEEP, *USUAL]),
    st.builds(
        lambda *parts: HEAD % parts,
        st.sampled_from([b"GET", b"POST", b"DELETE"]),
        st.sampled_from([b"a", b"b?c=d"]),
        st.sampled_from([b"/1", b"/1\r\nX-Uri: /2", b"/1\nX: y", b"/\xe9", b"/" + b"1" * 600]),
        st.sampled_from(
            [
                b"",
                b"X: y\r\n",
                b"Content-Length: 0\r\n",
                b"Content-Length: 2\r\n",
                b"Connection: close\r\n",
                b"Connection: keep-alive\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Expect: 100-continue\r\n",
                b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
            ]
        ),
    ),
    st.sampled_from(
        [
            b"GET /short/a HTTP/1.0\r\n\r\n",
            b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\r\n",
            b"\r",
            b"ab",
            b"2\r\nab\r\n0\r\n\r\n",
            b"nonsense\r\n\r\n",
        ]
    ),
)
KNOWN = st.sampled_from([KEEP, USUAL[0], USUAL[1]])
CHUNKS = st.one_of(
    KNOWN,
    KNOWN,
    HEADS,
    st.lists(st.one_of(KNOWN, HEADS), min_size=2, max_size=3).map(b"".join),
    st.tuples(st.one_of(KNOWN, HEADS), st.integers(1, 60)).map(lambda pair: pair[0][: pair[1]]),
    st.tuples(HEADS, st.integers(1, 60)).map(lambda pair: pair[0][pair[1] :]),
)
TURNS = "turn"
ANEW = "another connection"
WARM = [KEEP, TURNS, KEEP, TURNS, USUAL[0], TURNS, USUAL[0], TURNS]
"""After which these are known, and with them another value."""
STEPS = st.lists(st.one_of(CHUNKS, CHUNKS, st.sampled_from([TURNS, ANEW])), max_size=30)


@settings(max_examples=150, deadline=None)
@given(STEPS)
@example([KEEP, TURNS] * 20)
@example([USUAL[1], TURNS, USUAL[2], USUAL[3], USUAL[4], TURNS, USUAL[1]])
@example([USUAL[0][:40], USUAL[0], TURNS, USUAL[0][40:], TURNS])
@example([b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n", USUAL[0], TURNS, USUAL[0], TURNS])
@example([HEAD % (b"GET", b"a", b"/1", b"Connection: close\r\n"), USUAL[0], TURNS])
@example([HEAD % (b"POST", b"a", b"/1", b"Content-Length: 999\r\n"), USUAL[0], TURNS])
@example([HEAD % (b"POST", b"b", b"/1", b"Content-Length: 0\r\n") * 2, TURNS, USUAL[0]] * 4)
@example([b"\r\n", USUAL[0], TURNS, b"\r\n", TURNS, USUAL[0], TURNS])
@example([b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n", TURNS, USUAL[0], TURNS])
@example([ANEW, USUAL[0], TURNS, b"GET /sho"])
@example([*[KEEP[:9], KEEP[9:] + KEEP, TURNS] * 2, KEEP[9:] + KEEP, TURNS])
def test_knowing_heads_changes_nothing(steps: list[bytes | str]) -> None:
    async def run() -> None:
        knowing, reading = Listening(knows=True), Listening(knows=False)
        for step in [*WARM, *steps]:
            if isinstance(step, bytes):
                for one in (knowing, reading):
                    if not one.transport.closed:
                        one.give(step)
            elif step == TURNS:
                for _ in range(6):
                    await asyncio.sleep(0)
                assert knowing.seen() == reading.seen()
            else:
                for one in (knowing, reading):
                    one.end()
                    one.connect()
        for _ in range(60):
            await asyncio.sleep(0)
        assert knowing.seen() == reading.seen()
        for one in (knowing, reading):
            one.end()
        assert knowing.out == reading.out
        assert len(reading.heads) == 0

    asyncio.run(run())


def test_heads_are_known_indeed() -> None:
    """Else the test above would compare the same with the same."""

    async def run() -> None:
        listening = Listening(knows=True)
        for _ in range(3):
            listening.give(USUAL[0])
            await asyncio.sleep(0)
        fed: list[bytes] = []
        parser = listening.protocol.parser

        class Watched:
            def feed_data(self, data: bytes) -> None:
                fed.append(data)
                parser.feed_data(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(parser, name)

        listening.protocol.parser = cast("Any", Watched())
        listening.asked.log.clear()
        listening.give(USUAL[0])
        listening.give(USUAL[1])
        assert fed == []
        listening.protocol.flow.pause_writing()  # who does not read is not answered at once
        listening.give(USUAL[0])
        assert fed == [USUAL[0]]
        listening.protocol.flow.resume_writing()
        await asyncio.sleep(0)
        listening.end()

    asyncio.run(run())
