"""Requests put together from everything that servers disagree about, against another parser.

h11 is what many Python servers behind a gate read with. Whatever the gate lets through, h11 must
not read from the same bytes as another request, or as two.
"""

from __future__ import annotations

import h11
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gate_world import exchange
from tests.wire.gate.conftest import Gated

LINES = st.sampled_from(
    [
        *(b"Host: a", b"Host: b", b"Host : a", b"X: y", b"X: y\r\n z", b"X\t: y", b"X: \x00"),
        *(b"Content-Length: 5", b"Content-Length: 11", b"Content-Length: 0", b"content-length:5"),
        *(
            b"Content-Length: 5, 5",
            b"Content-Length: +5",
            b"Content-Length : 5",
            b"Content_Length: 1",
        ),
        *(
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: Chunked ",
            b"Transfer-Encoding:chunked",
        ),
        *(b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, chunked"),
        *(
            b"Transfer-Encoding: identity",
            b"Transfer-Encoding:\x0bchunked",
            b"Transfer_Encoding: chunked",
        ),
        *(b"Connection: Content-Length", b"Connection: Transfer-Encoding", b"Expect: 100-continue"),
        *(
            b"Upgrade: h2c",
            b"TE: trailers",
            b"Trailer: X",
            b"X: a\nContent-Length: 5",
            b"X: \rY: z",
        ),
    ]
)
BODIES = st.sampled_from(
    [
        b"",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;x=y\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        b"05\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"0\r\n\r\nGET /plain/smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        b"6\r\nhello\r\n0\r\n\r\n",
    ]
)
STARTS = st.sampled_from(
    [
        b"POST /plain/x HTTP/1.1",
        b"GET /plain/x HTTP/1.1",
        b"POST http://a/plain/x HTTP/1.1",
        b"POST /plain/x HTTP/1.0",
        b"POST  /plain/x HTTP/1.1",
        b"POST /plain/x  HTTP/1.1",
    ]
)


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STARTS, st.lists(LINES, max_size=4), st.booleans(), BODIES)
def test_what_passes_is_one_request_for_everybody(
    gated: Gated, start: bytes, lines: list[bytes], with_host: bool, body: bytes
) -> None:
    gated.upstream.seen.clear()
    fixed = [b"Authorization: Bearer " + gated.token.encode(), b"Connection: close"]
    head = [start, *([b"Host: a"] * with_host), *lines, *fixed]
    data = b"\r\n".join(head) + b"\r\n\r\n" + body
    # Of half a request there is nothing to say: both wait for the rest.
    read = read_by_h11(data)
    if read == "more":
        return
    answer = exchange(gated.gate.port, data)
    final = answer[answer.rfind(b"HTTP/1.1 ") :]
    seen = list(gated.upstream.seen)
    assert len(seen) <= 1
    if seen:
        assert final.startswith(b"HTTP/1.1 200 "), answer
        target = seen[0].target.encode()
        # The gate sends a request of its own: what h11 is stricter about has become plain then.
        assert read in ("refused", (seen[0].method.encode(), target, seen[0].body))
    else:
        assert int(final[9:12]) >= 400, answer


def read_by_h11(data: bytes) -> tuple[bytes, bytes, bytes] | str:
    """Method, path and body of the first request; `refused` or `more` when there is none."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    method, target, body = b"", b"", b""
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return "more"
            if isinstance(event, h11.Request):
                method, target = event.method, event.target.removeprefix(b"http://a")
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return method, target, body
    except h11.RemoteProtocolError:
        return "refused"
