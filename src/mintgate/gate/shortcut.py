"""Answers that need no waiting, and so no task, no ASGI messages: they are known whole at once."""

from __future__ import annotations

import functools
import http
import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from mintgate.verify import ApiRequest

_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
# RFC 9110 §5.5: the rest would end the value, or be read in several ways.
_IN_A_VALUE = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])


class PreparedCall(Protocol):
    """What follows from the bytes of a request; whoever sends the same bytes again asks the same.

    It is kept, so all that can change is looked at by `answer`.
    """

    @property
    def varying(self) -> bytes | None:
        """The name of a header, in lower case, for another value of which `at` can be asked."""
        ...

    def at(self, value: bytes) -> PreparedCall | None:
        """The call with another value of that header; None: the application is to answer."""
        ...

    def answer(self) -> bytes | dict[str, Any]:
        """The whole answer, which has no body, as `head` makes it.

        Or what is to be put in the ASGI scope with which the application is then called, so that
        nothing is done twice. It must not wait.
        """
        ...


class Shortcut(msgspec.Struct, frozen=True):
    """How an application answers some requests before it is called.

    Args:
        prefix: of the targets that are asked about.
        prepare: gets a request without a body; the address is not told. None: the application is
            to answer.
        repeatable: how the requests begin of which the application may tell how they are answered
            again (`identity.repeating`); None: it tells so of none.
    """

    prefix: bytes
    prepare: Callable[[ApiRequest], PreparedCall | None]
    repeatable: bytes | None = None


def head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The status line and the headers of an answer without a body (RFC 9112 §4, §5).

    What every answer of the server has, such as the date, is added by the listener.

    Args:
        headers: names in lower case; with a `content-length` of 0 where the status does not say
            by itself that there is no body (RFC 9112 §6.3).

    Raises:
        ValueError: what they say would not come out as the same headers.
    """
    phrase = http.HTTPStatus(status).phrase.encode()
    return b"HTTP/1.1 %d %s\r\n%s" % (status, phrase, header_lines(headers))


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """More of them, to be added at the end. Raises: as `head`."""
    parts: list[bytes] = []
    for name, value in headers:
        if value.translate(None, _IN_A_VALUE) or not _is_name(name):
            raise ValueError(f"no header: {name[:64]!r}")
        parts += (name, b": ", value, b"\r\n")
    return b"".join(parts)


@functools.lru_cache(256)
def _is_name(name: bytes) -> bool:
    return _NAME.fullmatch(name) is not None
