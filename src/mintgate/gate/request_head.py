"""What a request's head must not leave open: where it goes, where its body ends, what follows it.

Pure checks of what a parser has found, for the listener. Names are in lower case.
"""

from __future__ import annotations

import re

from mintgate.contract.gateway_errors import MalformedRequest
from mintgate.contract.request_target import is_host

Headers = list[tuple[bytes, bytes]]
Telling = dict[bytes, list[bytes]]
"""The values of the headers that are judged here, by name."""
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#]+)(.*)", re.DOTALL)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_TELLING = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"http2-settings",
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"transfer-encoding",
        b"upgrade",
    }
)


def telling(headers: Headers) -> Telling:
    """The headers that say where a request goes, where it ends and what follows."""
    found: Telling = {}
    for name, value in [pair for pair in headers if pair[0] in _TELLING]:
        found.setdefault(name, []).append(value)
    return found


def origin_form(url: bytes, method: str, version: str, head: Telling) -> bytes:
    """The target without scheme and host, which must not say anything but `Host` does.

    RFC 9112 §3.2: exactly one `Host`, for HTTP/1.0 at most one.

    Args:
        url: as it was sent.
        version: `1.1`.

    Raises:
        MalformedRequest: another version or host, or a target that is not of this server.
    """
    if version not in {"1.0", "1.1"}:
        raise MalformedRequest(
            "This server speaks HTTP/1.1.", status=505, cause=f"the version {version!r}"
        )
    if method == "CONNECT":  # what follows would not be HTTP (RFC 9110 §9.3.6)
        raise MalformedRequest("This server is no tunnel.", status=501, cause="the method CONNECT")
    hosts = head.get(b"host", [])
    if len(hosts) != 1 and not (version == "1.0" and not hosts):
        raise malformed(f"{len(hosts)} Host headers")
    if hosts and not is_host(hosts[0]):
        raise malformed("Host is no host")
    if b"#" in url:
        raise malformed("the target has a fragment")  # RFC 9112 §3.2
    if not url.startswith(b"/") and url != b"*":
        found = _ABSOLUTE.fullmatch(url)
        if found is None:
            raise malformed("the target is in no known form")
        # RFC 9112 §3.2.2 has the target win; a server behind may have it otherwise.
        if not hosts or found[1].lower() != hosts[0].lower():
            raise malformed("the target names another host than Host")
        rest = found[2]
        return rest if rest.startswith(b"/") else b"/" + rest
    return url


def require_plain_framing(version: str, head: Telling) -> None:
    """One way to tell where the request ends (RFC 9112 §6.1); the parser is not asked alone.

    Raises:
        MalformedRequest: there are several ways, or a coding other than `chunked`.
    """
    codings = head.get(b"transfer-encoding", [])
    lengths = [value.strip(b" \t") for value in head.get(b"content-length", [])]
    if codings and (len(codings) > 1 or codings[0].strip(b" \t").lower() != b"chunked"):
        raise MalformedRequest(
            "The only transfer coding that is taken is chunked.",
            status=501,
            cause="Transfer-Encoding is not chunked",
        )
    if codings and (lengths or version == "1.0"):
        raise malformed("Transfer-Encoding with Content-Length, or in HTTP/1.0")
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise malformed("Content-Length is malformed or given twice")


def require_no_other_upgrade(method: str, head: Telling) -> None:
    """Another protocol on the connection would be another way around the guard.

    Raises:
        MalformedRequest: an `Upgrade` that is not the opening of a WebSocket.
    """
    if b"http2-settings" in head:
        raise malformed("HTTP2-Settings")  # h2c (RFC 7540 §3.2)
    if b"upgrade" not in head:
        return
    found = {name: [v.strip().lower() for v in values] for name, values in head.items()}
    upgrades = found[b"upgrade"]
    if upgrades != [b"websocket"]:
        raise malformed("Upgrade to something other than websocket")
    # Where the two ends see it in two ways, one goes on with HTTP and the other does not.
    options = {o.strip() for v in found.get(b"connection", []) for o in v.split(b",")}
    if (
        method != "GET"
        or b"upgrade" not in options
        or len(found.get(b"connection", [])) != 1
        or found.keys() & {b"content-length", b"transfer-encoding"}
        or found.get(b"sec-websocket-version") != [b"13"]
        or len(found.get(b"sec-websocket-key", [])) != 1
    ):
        raise malformed("not the opening of a WebSocket (RFC 6455 §4.1)")


def malformed(cause: str) -> MalformedRequest:
    return MalformedRequest(cause=cause)
