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
_ESCAPED_AGAIN = re.compile(rb"%[0-9A-Fa-f]{2}")
# Frameworks take the method or the path from these instead of the request line.
_METHOD_OVERRIDES = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
_OVERRIDES = _METHOD_OVERRIDES | {
    b"x-original-url",
    b"x-original-path",
    b"x-rewrite-url",
    b"x-override-url",
}
_METHOD_PARAMETERS = _METHOD_OVERRIDES | {b"-method"}
# A name of a parameter that could be one of them, as it is or in escapes.
_PERHAPS_METHOD = re.compile(rb"(?:^|[&;])[^=&;]*?(?:method|%)", re.IGNORECASE)
# CGI and WSGI make one name of all that differ in other characters than these (RFC 3875 §4.1.18).
_CGI = bytes(
    byte if chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789" else ord("-") for byte in range(256)
)
_PHP = bytes.maketrans(b"_.[] ", b"-----")
_API_KEYS = frozenset({b"x-api-key", b"api-key"})
MAX_NAMES, MAX_NAME = 1024, 64
"""How many names of headers are remembered as harmless, and how long ones: most requests have the
same ones."""
_harmless: dict[bytes, bool] = {}
# Headers about the connection, which are looked at together.
_OF_CONNECTION = frozenset(
    {b"connection", b"content-length", b"host", b"http2-settings", b"transfer-encoding", b"upgrade"}
)
# RFC 9110 §7.2: a name, an IPv4 or a bracketed IPv6 address, and perhaps a port.
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


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
    decoded = unquote_to_bytes(raw_path)
    # Not in the raw path, where the second percent sign's digits may be escaped themselves.
    if _ESCAPED_AGAIN.search(decoded):
        raise _ambiguous("is escaped twice")
    if raw_path.count(b"/") != decoded.count(b"/"):
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
        AmbiguousRequest: the client sends a header or parameter that overrides the method or the
            path, a header that tells an API who calls, or one that could have the connection read
            in another way than it was here.
    """
    found: list[tuple[bytes, bytes]] | None = None
    for pair in headers:
        is_of_connection = _harmless.get(pair[0])
        if is_of_connection is None:
            is_of_connection = _require_harmless(pair[0])
        if is_of_connection:
            if found is None:
                found = [pair]
            else:
                found.append(pair)
    if found is not None:
        _require_plain_connection(found)
    if query and _overrides_method(query):
        raise AmbiguousRequest(
            "Parameters that override the method, such as _method, are not taken; send the method "
            "itself.",
            cause="a parameter that overrides the method",
        )


def cgi_name(name: bytes) -> bytes:
    """A header's lower-case name as CGI and WSGI have it, with hyphens: `x.a_b` is `x-a-b`."""
    return name.translate(_CGI)


def is_host(value: bytes) -> bool:
    """Whether it is a host and nothing else: many servers put it together with the path."""
    return _HOST.fullmatch(value) is not None


def not_what_arrived(cause: str) -> AmbiguousRequest:
    return AmbiguousRequest("The request's path is not the one that arrived.", cause=cause)


def _require_harmless(name: bytes) -> bool:
    """Refuse what only the gate may say, and what the request line alone says.

    Returns:
        Whether it is about the connection, so that its value counts.
    """
    plain = cgi_name(name)
    if plain in _OVERRIDES:
        raise AmbiguousRequest(
            "Headers that override the method or the path are not taken; send the request itself.",
            cause=f"the header {plain.decode('latin-1')}",
        )
    if plain.startswith(IDENTITY_HEADER_PREFIX):
        raise AmbiguousRequest(
            "Headers that begin with X-Mintgate- are set by the gate only; do not send them.",
            cause=f"the header {plain[:64].decode('latin-1')}",
        )
    if plain in _API_KEYS and plain != name:
        raise AmbiguousRequest(
            "A header for a credential has to be written as it is.",
            cause=f"a header that servers could take for {plain.decode('latin-1')}",
        )
    if len(name) <= MAX_NAME:
        if len(_harmless) >= MAX_NAMES:
            _harmless.clear()
        _harmless[name] = name in _OF_CONNECTION
    return name in _OF_CONNECTION


def _require_plain_connection(headers: Headers) -> None:
    """Refuse what could have another server find another host, protocol or end of the request."""
    framing = hosts = 0
    for name, value in headers:
        if name == b"connection":
            if b"mintgate" in value.lower():
                # Servers remove what is named so (RFC 9110 §7.6.1): the caller's identity.
                raise AmbiguousRequest(
                    "Headers that begin with X-Mintgate- are set by the gate only; do not name "
                    "them.",
                    cause="the header Connection names some of the gate's",
                )
        elif name == b"host":
            hosts += 1
            if hosts > 1 or (value and not is_host(value)):
                raise AmbiguousRequest(
                    "The header Host is not one host.", cause="Host is no host, or there are two"
                )
        elif name == b"upgrade":
            # Another HTTP on the connection would go around every check, as h2c does.
            if value.strip().lower() not in {b"", b"websocket"}:
                raise _other_protocol("Upgrade")
        elif name == b"http2-settings":
            raise _other_protocol("HTTP2-Settings")
        else:
            framing += 1
            if framing > 1 or (
                name == b"transfer-encoding" and value.strip().lower() != b"chunked"
            ):
                raise AmbiguousRequest(
                    "The request tells in several ways where it ends.",
                    cause="Content-Length and Transfer-Encoding, or one of them twice",
                )


def _overrides_method(query: bytes) -> bool:
    if _PERHAPS_METHOD.search(query) is None:
        return False
    names = (pair.partition(b"=")[0] for pair in re.split(rb"[&;]", query))
    return any(_plain_parameter(name) in _METHOD_PARAMETERS for name in names)


def _plain_parameter(name: bytes) -> bytes:
    """The name of a parameter as the most generous server has it.

    Escaped twice; PHP forgets blanks before it and what follows a NUL, and takes `.`, `[` and a
    blank for `_`.
    """
    decoded = unquote_to_bytes(unquote_to_bytes(name.replace(b"+", b" ")))
    return decoded.partition(b"\0")[0].strip().lower().translate(_PHP).rstrip(b"-")


def _other_protocol(header: str) -> AmbiguousRequest:
    return AmbiguousRequest(
        "The only protocol that a connection can be upgraded to is WebSocket.",
        cause=f"the header {header} asks for another protocol",
    )


def _ambiguous(what: str) -> AmbiguousRequest:
    return AmbiguousRequest(f"The request's path {what}.", cause=f"the path {what}")
