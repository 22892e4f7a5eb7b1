"""Which header fields pass the gate, in both directions (RFC 9110 §7.6, RFC 9112 §6)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from multidict import CIMultiDict

from mintgate.contract.errors import AmbiguousRequest
from mintgate.contract.gateway_errors import ExpectationFailed, LoopDetected, UpstreamMisbehaved
from mintgate.contract.request_target import IDENTITY_HEADER_PREFIX

Headers = Iterable[tuple[bytes, bytes]]

CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"api-key"})
# RFC 9110 §7.6.1, and what old proxies and HTTP/2 have added to it.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# What a client says about where it is; the gate says it itself.
_SAID_BY_THE_GATE = frozenset(
    {
        b"client-ip",
        b"content-length",
        b"expect",
        b"forwarded",
        b"host",
        b"proxy",  # CGI makes HTTP_PROXY of it
        b"true-client-ip",
        b"via",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-real-ip",
    }
)
_NOT_FORWARDED = _HOP_BY_HOP | _SAID_BY_THE_GATE
_PREFIXES_OF_THE_GATE = (IDENTITY_HEADER_PREFIX, b"x-forwarded-")
# `Alt-Svc` would lead clients around the gate (RFC 7838 §2).
_NOT_ANSWERED = _HOP_BY_HOP | {b"alt-svc"}
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OTHER_CHARACTERS = b"!#$%&'*+.^_`|~"
_UNFIT_IN_VALUES = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NUMBER = re.compile(rb"[0-9]{1,18}")
_WEBSOCKET = b"sec-websocket-"


def request_headers(
    headers: Headers, *, with_credentials: bool, with_cookies: bool = True
) -> CIMultiDict[str]:
    """The client's fields that go to the upstream.

    Names with other characters than letters, digits and hyphens are dropped, as nginx does: CGI
    and WSGI take them for those with a hyphen, so that `X_Forwarded_For` would pass for what the
    gate says.

    Args:
        headers: with lower-case names, after the guard has judged them.

    Raises:
        AmbiguousRequest: a value that is not UTF-8, which upstreams read in several ways.
    """
    dropped = _NOT_FORWARDED | _named_by_connection(headers)
    if not with_credentials:
        dropped |= CREDENTIALS
    if not with_cookies:
        dropped |= {b"cookie"}
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers:
        if (
            name in dropped
            or name.translate(None, _OTHER_CHARACTERS) != name
            or name.startswith(_PREFIXES_OF_THE_GATE)
        ):
            continue
        try:
            kept.add(name.decode("ascii"), value.decode("utf-8"))
        except UnicodeDecodeError:
            raise AmbiguousRequest(
                "A header of the request is not UTF-8.",
                cause=f"the header {name[:64].decode('latin-1')}",
            ) from None
    return kept


def without_handshake(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    """The same without what a WebSocket's two ends agree on; the gate is an end of both."""
    return CIMultiDict(
        (name, value)
        for name, value in headers.items()
        if not name.lower().startswith(_WEBSOCKET.decode())
    )


def body_length(headers: Headers) -> int | None:
    """How long the body is; None when it is chunked. The listener has checked both fields."""
    length = 0
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            length = int(value)
    return length


def require_fulfillable(headers: Headers, own_name: str) -> None:
    """Refuse what cannot be passed on.

    Args:
        own_name: by which the gate knows itself in `Via`.

    Raises:
        LoopDetected: the request has passed this gate before.
        ExpectationFailed: it expects something other than `100-continue`.
    """
    for name, value in headers:
        if name == b"via":
            for hop in value.decode("latin-1").split(","):
                if own_name in hop.split()[1:2]:
                    raise LoopDetected(cause=f"Via names {own_name}")
        elif name == b"expect" and value.strip().lower() != b"100-continue":
            raise ExpectationFailed


def via(headers: Headers, own_name: str) -> str:
    """`Via` with this gate added (RFC 9110 §7.6.3)."""
    before = [value.decode("latin-1") for name, value in headers if name == b"via"]
    return ", ".join([*before, f"1.1 {own_name}"])


def forwarded(address: str, host: str, scheme: str, prefix: str) -> list[tuple[str, str]]:
    """What the gate itself says about where a request comes from (RFC 7239).

    Args:
        prefix: that was taken off the path; empty when none was.
    """
    node = f'"[{address}]"' if ":" in address else address or "unknown"
    fields = [
        ("Forwarded", f'for={node};host="{host}";proto={scheme}'),
        ("X-Forwarded-For", address),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Proto", scheme),
    ]
    return [*fields, ("X-Forwarded-Prefix", prefix)] if prefix else fields


def answer_headers(
    headers: Iterable[tuple[bytes, bytes]], *, status: int
) -> list[tuple[bytes, bytes]]:
    """The upstream's fields that go to the client.

    Raises:
        UpstreamMisbehaved: a field that is no field, or more than one length.
    """
    fields = [(name.lower(), value.strip(b" \t")) for name, value in headers]
    dropped = _NOT_ANSWERED | _named_by_connection(fields)
    is_chunked = any(name == b"transfer-encoding" for name, _ in fields)
    # RFC 9112 §6.3: a chunked answer has no length; 204 has no body and 304 has that of another.
    if is_chunked or status in {204, 304}:
        dropped |= {b"content-length"}
    lengths = 0
    kept = []
    for name, value in fields:
        if name in dropped or name.startswith(IDENTITY_HEADER_PREFIX):
            continue
        if not _NAME.fullmatch(name) or _UNFIT_IN_VALUES.search(value):
            raise UpstreamMisbehaved(cause=f"the header {name[:64]!r} is malformed")
        if name == b"content-length":
            lengths += 1
            if lengths > 1 or not _NUMBER.fullmatch(value):
                raise UpstreamMisbehaved(cause="Content-Length is malformed or given twice")
        kept.append((name, value))
    return kept


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    """The fields that `Connection` says are for this hop only."""
    found: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            found.update(option.strip().lower() for option in value.split(b","))
    return frozenset(found)
