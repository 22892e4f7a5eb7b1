"""What a request asks for, when it says so in one way only.

A check in front of an API is worth nothing when the server behind it reads the same bytes as
another request. Whatever servers are known to read in different ways is refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from mintgate.contract.errors import AmbiguousRequest

Headers = Iterable[tuple[bytes, bytes]]

IDENTITY_HEADER_PREFIX = b"x-mintgate-"
"""Headers by which an API behind the gate learns who calls; clients may not send them."""

# Most paths, at once: what may stand in a path (RFC 3986 §3.3) without `%`, `;` and dots that
# could begin a segment. Everything else is looked at piece by piece.
_PLAIN = re.compile(rb"(?:/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)*/?")
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_DOUBLE_ESCAPE = re.compile(rb"%25[0-9A-Fa-f]{2}")
# CGI and WSGI make one name of `-` and `_`, and some servers of `-` and every other character.
_HYPHENS = bytes.maketrans(b"!#$%&'*+.^_`|~", b"-" * 14)
# Frameworks take the method or the path from these instead of the request line.
_OVERRIDES = frozenset(
    {
        b"x-http-method-override",
        b"x-http-method",
        b"x-method-override",
        b"x-original-url",
        b"x-original-path",
        b"x-rewrite-url",
        b"x-override-url",
    }
)


def normal_path(raw_path: bytes) -> str:
    """The decoded path of a request, when every server reads it as the same one.

    Args:
        raw_path: as it was sent, without the query.

    Raises:
        AmbiguousRequest: it holds an encoded slash, a backslash, `;`, a doubled slash, a dot
            segment, a control character, an escape of an escape, or is no UTF-8.
    """
    if raw_path and _PLAIN.fullmatch(raw_path):
        return raw_path.decode("ascii")
    if not raw_path.startswith(b"/"):
        raise _ambiguous("does not begin with a slash")
    if _ESCAPE.search(raw_path):
        raise _ambiguous("has a percent sign that escapes nothing")
    if _DOUBLE_ESCAPE.search(raw_path):
        raise _ambiguous("is escaped twice")
    if raw_path.count(b"/") != (decoded := unquote_to_bytes(raw_path)).count(b"/"):
        raise _ambiguous("has an escaped slash")
    try:
        path = decoded.decode("utf-8")
    except UnicodeDecodeError:
        raise _ambiguous("is not UTF-8") from None
    if any(character < " " or character in "\x7f\\;?#" for character in path):
        raise _ambiguous("has a backslash, a semicolon, an escaped ? or #, or a control character")
    segments = path.split("/")[1:]
    if "" in segments[:-1]:
        raise _ambiguous("has a doubled slash")
    if any(segment.strip(" ") in {".", ".."} for segment in segments):
        raise _ambiguous("has a dot segment")
    return path


def require_plain(headers: Headers, query: bytes) -> None:
    """Refuse what would change the method, the path or the caller behind the check.

    Args:
        headers: with lower-case names, as ASGI gives them.
        query: without the question mark.

    Raises:
        AmbiguousRequest: the client sends a header that overrides the method or the path, a
            `_method` parameter, or a header that tells an API who calls.
    """
    for name, _ in headers:
        if name[:1] == b"x" and (plain := name.translate(_HYPHENS)).startswith(
            (b"x-http", b"x-m", b"x-o", b"x-rewrite")
        ):
            if plain in _OVERRIDES:
                raise AmbiguousRequest(
                    "Headers that override the method or the path are not taken; "
                    "send the request itself.",
                    cause=f"the header {plain.decode('latin-1')}",
                )
            if plain.startswith(IDENTITY_HEADER_PREFIX):
                raise AmbiguousRequest(
                    "Headers that begin with X-Mintgate- are set by the gate only; do not send "
                    "them.",
                    cause=f"the header {plain[:64].decode('latin-1')}",
                )
    if query and _overrides_method(query):
        raise AmbiguousRequest(
            "The parameter _method is not taken; send the method itself.",
            cause="the parameter _method",
        )


def _overrides_method(query: bytes) -> bool:
    if b"_" not in query and b"%5" not in query:
        return False
    names = (pair.partition(b"=")[0] for pair in re.split(rb"[&;]", query))
    return any(unquote_to_bytes(name).strip().lower() == b"_method" for name in names)


def _ambiguous(what: str) -> AmbiguousRequest:
    return AmbiguousRequest(f"The request's path {what}.", cause=f"the path {what}")
