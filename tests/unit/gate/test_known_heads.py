"""Which bytes are taken for a head that was read before, and which are not."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mintgate.gate.known_heads import AGE_SECONDS, MAX_MARKS, KnownHeads
from mintgate.gate.remembered import MAX_SEEN


class Call:
    """One that knows its URI."""

    def __init__(self, uri: bytes = b"/a", varying: bytes | None = b"x-uri") -> None:
        self.uri = uri
        self.varying = varying

    def at(self, value: bytes) -> Call | None:
        return None if value == b"/none" else Call(value)

    def answer(self) -> bytes | dict[str, Any]:
        return b""


class Loop:
    """An event loop whose time the test moves, by `AGE_SECONDS` each."""

    def __init__(self) -> None:
        self.timers: list[Any] = []

    def call_later(self, seconds: float, work: Any, *args: Any) -> None:
        assert seconds == AGE_SECONDS
        self.timers.append((work, args))

    def pass_time(self) -> None:
        ((work, args),) = self.timers
        self.timers.clear()
        work(*args)


HEAD = b"GET /gate/x HTTP/1.1\r\nHost: a\r\nX-Uri: %b\r\nAuthorization: Bearer t\r\n\r\n"
A = HEAD % b"/a"


def knowing(*heads: bytes, call: Call | None = None, **options: int) -> KnownHeads:
    known = KnownHeads(**options)
    for head in heads:
        for _ in range(2):
            assert known.find(head) is None
            known.add(head, call or Call())
    return known


def uri(known: KnownHeads, head: bytes) -> bytes | None:
    found = known.find(head)
    assert found is None or isinstance(found, Call)
    return None if found is None else found.uri


def test_what_came_once_is_not_kept() -> None:
    known = KnownHeads()
    known.add(A, Call())
    assert known.find(A) is None
    assert len(known) == 0
    known.add(A, Call())
    assert uri(known, A) == b"/a"


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (HEAD % b"/b?c=d", b"/b?c=d"),
        (HEAD % b"\x7e!", b"\x7e!"),
        (HEAD % b"/none", None),  # the call does not take it
        (HEAD % b"", None),
        (HEAD % b" /b", None),
        (HEAD % b"/b ", None),
        (HEAD % b"/b c", None),
        (HEAD % b"/b\tc", None),
        (HEAD % b"/b\x00", None),
        (HEAD % b"/b\x7f", None),
        (HEAD % b"/\xe9", None),
        (HEAD % b"/b\nX-More: c", None),
        (HEAD % b"/b\rX-More: c", None),
        (HEAD % b"/b\r\nX-More: c", None),
        (HEAD % b"/b\r\n c", None),
        (HEAD % b"/b\r\nX-Uri: /c", None),
        (HEAD % b"/b\r\n\r\n" + HEAD % b"/c", None),
        (A.replace(b"X-Uri: ", b"X-Uri:"), None),
        (A.replace(b"X-Uri", b"x-uri"), None),
        (A.replace(b"Bearer t", b"Bearer u"), None),
        (A.replace(b"GET", b"PUT"), None),
        (b"\r\n" + A, None),
        (A + b"\r\n", None),
        (A[:-2], None),
        (A + A, None),
        (A[: A.index(b"\r\nAuth")], None),
        (b"", None),
    ],
)
def test_only_a_visible_value_may_differ(head: bytes, found: bytes | None) -> None:
    assert uri(knowing(A), head) == found


def test_a_name_is_found_as_it_was_sent() -> None:
    lower = A.replace(b"X-Uri: ", b"x-uri:\t ")
    known = knowing(A, lower)
    assert uri(known, A.replace(b"/a", b"/b")) == b"/b"
    assert uri(known, lower.replace(b"/a", b"/b")) == b"/b"
    for number in range(MAX_MARKS + 2):
        odd = A.replace(b"X-Uri:", b"X-Uri:" + b" " * (2 + number))
        known.add(odd, Call())
        known.add(odd, Call())
    assert len(known._marks) == MAX_MARKS


def test_a_value_that_is_not_visible_is_not_kept() -> None:
    assert len(knowing(HEAD % b"/a b", HEAD % b"", HEAD % b"/\xe9")) == 0


def test_a_head_without_such_a_header_is_kept_whole() -> None:
    known = knowing(A, call=Call(varying=None))
    assert uri(known, A) == b"/a"
    assert uri(known, HEAD % b"/b") is None


@pytest.mark.parametrize("call", [Call(), Call(varying=None)])
def test_what_is_forgotten(call: Call) -> None:
    known = knowing(A, call=call)
    known.forget(A)
    known.forget(b"nothing of that kind")
    assert known.find(A) is None
    assert len(known) == 0


@pytest.mark.parametrize("varying", [b"x-uri", None])
def test_it_is_bounded(varying: bytes | None) -> None:
    call = Call(varying=varying)
    heads = [A.replace(b"Bearer t", b"Bearer %d" % n) for n in range(100)]
    known = knowing(*heads, call=call, max_heads=10)
    assert len(known) <= 10
    assert known.find(heads[0]) is None
    assert known.find(heads[-1]) is not None
    for n in range(MAX_SEEN + 1):
        known.add(A.replace(b"Bearer t", b"Bearer x%d" % n), call)
    assert len(known) <= 10
    assert len(known._framed._seen) <= MAX_SEEN


def test_what_is_in_use_stays() -> None:
    heads = [A.replace(b"Bearer t", b"Bearer %d" % n) for n in range(100)]
    known = knowing(A, max_heads=10)
    for head in heads:
        assert known.find(A) is not None
        known.add(head, Call())
        known.add(head, Call())


@pytest.mark.parametrize("call", [Call(), Call(varying=None)])
def test_what_was_not_asked_for_a_while_goes(call: Call) -> None:
    other = A.replace(b"Bearer t", b"Bearer u")
    known = knowing(A, other, call=call)
    loop = Loop()
    for _ in range(2):
        known.age_in(cast("Any", loop))
    loop.pass_time()
    assert known.find(A) is not None
    loop.pass_time()
    assert known.find(other) is None
    assert known.find(A) is not None
    loop.pass_time()
    loop.pass_time()
    assert len(known) == 0
    assert loop.timers == []
    known.age_in(cast("Any", loop))
    assert len(loop.timers) == 1


@pytest.mark.parametrize("call", [Call(), Call(varying=None)])
def test_long_ones_are_read_each_time(call: Call) -> None:
    assert len(knowing(A, call=call, max_bytes=len(A))) == 1
    assert len(knowing(A, call=call, max_bytes=len(A) - 1)) == 0
    assert knowing(A, max_bytes=len(A)).find(HEAD % b"/aa") is None
