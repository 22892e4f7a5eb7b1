"""Multipart bodies and HTTP messages in them, when every reader finds the same parts.

RFC 2046 §5.1.1 lets writers do more than is taken here: preambles, white space after a boundary,
folded headers. Readers differ in just these.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rb"(%s)/(%s)" % (_TOKEN, _TOKEN))
_PARAMETER = re.compile(rb'[ \t]*;[ \t]*(%s)=(?:(%s)|"([^"\\\r\n]*)")' % (_TOKEN, _TOKEN))
# RFC 2046 §5.1.1 without the space, and without what would need quotes to be a path in a shell.
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=?-]{1,70}")
_NAME = re.compile(_TOKEN)
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")

Problem = Callable[[str], Exception]
"""Makes what is raised: a batch of a client is refused, an answer of an API is unreadable."""


def media_type_of(value: bytes, problem: Problem) -> tuple[bytes, dict[bytes, bytes]]:
    """A `Content-Type` as type and parameters, names in lower case.

    Raises:
        problem: it is malformed, or names a parameter twice or in pieces (RFC 2231).
    """
    value = value.strip(b" \t")
    found = _MEDIA_TYPE.match(value)
    if found is None:
        raise problem("has a malformed Content-Type")
    parameters: dict[bytes, bytes] = {}
    at = found.end()
    while at < len(value):
        parameter = _PARAMETER.match(value, at)
        if parameter is None:
            raise problem("has a malformed Content-Type")
        name = parameter[1].lower()
        if name in parameters or b"*" in name:
            raise problem("has a Content-Type with a parameter twice or in pieces")
        parameters[name] = parameter[2] if parameter[2] is not None else parameter[3]
        at = parameter.end()
    return found[0].lower(), parameters


def boundary_of(parameters: dict[bytes, bytes], problem: Problem) -> bytes:
    boundary = parameters.get(b"boundary", b"")
    if not _BOUNDARY.fullmatch(boundary):
        raise problem("has no boundary, or one that is not plain")
    return boundary


def split(body: bytes, boundary: bytes, problem: Problem) -> list[bytes]:
    """The parts between the boundaries.

    The boundary may stand nowhere else, not even where only some readers would see it.

    Raises:
        problem: readers could find other parts, or none at all.
    """
    first, *pieces = body.split(b"--" + boundary)
    if first not in {b"", b"\r\n"} or not pieces:
        raise problem("does not begin with its boundary")
    last = pieces.pop()
    # What follows the last boundary holds none, and is read by nobody; UI5 writes a name there.
    if last != b"--" and not last.startswith(b"--\r\n"):
        raise problem("does not end with its closing boundary")
    if not pieces:
        raise problem("has no parts")
    for piece in pieces:
        if not piece.startswith(b"\r\n") or not piece.endswith(b"\r\n") or len(piece) < 4:
            raise problem("has a boundary that does not stand alone in its line (CR LF)")
    return [piece[2:-2] for piece in pieces]


def head_and_body(part: bytes, problem: Problem) -> tuple[list[bytes], bytes]:
    """The lines before the first empty one, and what comes after it.

    Without an empty line everything is head, as where a boundary follows upon the headers.

    Raises:
        problem: a line ends in another way than by CR LF.
    """
    head, _, body = part.partition(b"\r\n\r\n")
    lines = head.removesuffix(b"\r\n").split(b"\r\n")
    if any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
        raise problem("has a line that does not end in CR LF")
    return lines, body


def headers_of(lines: list[bytes], problem: Problem) -> list[tuple[bytes, bytes]]:
    """Headers with lower-case names, in order (RFC 9112 §5, without obsolete folding).

    Raises:
        problem: a line is no header.
    """
    found = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise problem("has a malformed header")
        found.append((name.lower(), value.strip(b" \t")))
    return found


def once(headers: list[tuple[bytes, bytes]], problem: Problem) -> dict[bytes, bytes]:
    """Headers by name. Raises `problem` when one is there twice."""
    found = dict(headers)
    if len(found) != len(headers):
        raise problem("has a header twice")
    return found


def new_boundary(kind: bytes) -> bytes:
    """One that occurs in no body: 128 random bits."""
    return kind + b"_" + secrets.token_hex(16).encode()


def joined(parts: list[bytes], boundary: bytes) -> bytes:
    """The reverse of `split`."""
    lines = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return lines + b"--" + boundary + b"--\r\n"


def header_lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(_written(name) + b": " + value + b"\r\n" for name, value in headers)


def _written(name: bytes) -> bytes:
    """As people are used to see it: some readers are less tolerant than they should be."""
    if name == b"content-id":
        return b"Content-ID"
    return b"-".join(word.capitalize() for word in name.split(b"-"))
