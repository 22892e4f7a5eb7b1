"""Redirect URIs: what may be registered, and what matches (specification §4.1, RFC 8252)."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# Nothing that could end a directive of a Content-Security-Policy, which names the origin.
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
# A browser runs these instead of sending them anywhere.
_FORBIDDEN_SCHEMES = frozenset({"javascript", "data", "vbscript", "file", "blob", "about"})


def registered_uris(comma_list: str | None) -> tuple[str, ...]:
    """The entries of an `Impersonate…Url` attribute, trimmed, empty ones left out [TAP-20]."""
    return tuple(entry for part in (comma_list or "").split(",") if (entry := part.strip()))


def problem_of(uri: str, *, public: bool) -> str | None:
    """Why `uri` may not be registered, or None when it may [TAP-21, TAP-22]."""
    if any(not "!" <= character <= "~" for character in uri):
        # RFC 3986 knows ASCII only; and the URI stands in headers.
        return "must hold ASCII characters only, and no spaces; write others percent-encoded"
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - raises ValueError when it is not a number
    except ValueError:
        return "is not a URI"
    if not parts.scheme:
        return "must be an absolute URI such as https://app.example.com/callback"
    if "#" in uri:
        return "must not have a fragment"
    if "*" in parts.netloc:
        return "must not hold a wildcard"
    return _scheme_problem(parts, public=public)


def is_https(uri: str) -> bool:
    return uri.lower().startswith("https:")


def _scheme_problem(parts: SplitResult, *, public: bool) -> str | None:
    if parts.scheme in {"http", "https"}:
        if not parts.hostname or not _HOST.fullmatch(parts.hostname):
            return "must name a host"
        if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
            return "must use https (http is for localhost, 127.0.0.1 and [::1] only)"
        if parts.username or parts.password:
            return "must not hold a user name or password"
        return None
    if parts.scheme in _FORBIDDEN_SCHEMES:
        return f"must not use the scheme {parts.scheme}"
    return None if public else "may use a custom scheme only when ClientType is Public"


def is_registered(uri: str, comma_list: str | None, *, public: bool) -> bool:
    """Whether `uri` equals a registered entry, character by character [TAP-20].

    A Public client's `http` entry on a loopback address matches with any port (RFC 8252 §7.3)
    [TAP-23].
    """
    entries = registered_uris(comma_list)
    if uri in entries:
        return True
    if not public:
        return False
    wanted = _without_loopback_port(uri)
    return wanted is not None and any(_without_loopback_port(e) == wanted for e in entries)


def origin_of(uri: str) -> str | None:
    """The web origin of a redirect URI, as browsers spell it (RFC 6454 §6.1) [EP-8].

    None for custom schemes.
    """
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return None
    authority = parts.netloc.lower()
    default_port = ":443" if parts.scheme == "https" else ":80"
    return f"{parts.scheme}://{authority.removesuffix(default_port)}"


def policy_source_of(uri: str) -> str:
    """What stands in a Content-Security-Policy for where a URI leads [SGN-9].

    Returns:
        Its origin, or its scheme where that is a custom one.
    """
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"}:
        return f"{parts.scheme}:"
    if parts.netloc.startswith("["):
        # A policy can name no IPv6 address (CSP Level 3 §2.3.1): browsers drop the whole source,
        # and RFC 8252 §7.3 has applications on `[::1]`. The port, at least, can be named.
        return f"{parts.scheme}://*" + (f":{parts.port}" if parts.port else "")
    return f"{parts.scheme}://{parts.netloc}"


def _without_loopback_port(uri: str) -> str | None:
    # RFC 8252 §7.3 is about the IP literals; `localhost` may resolve elsewhere and stays exact.
    for host in ("127.0.0.1", "[::1]"):
        prefix = f"http://{host}"
        if not uri.startswith(prefix):
            continue
        rest = uri[len(prefix) :]
        if rest.startswith(":"):
            digits = len(rest[1:]) - len(rest[1:].lstrip("0123456789"))
            if not 1 <= digits <= 5 or int(rest[1 : 1 + digits]) > 65535:
                return None
            rest = rest[1 + digits :]
        if rest and rest[0] not in "/?":
            return None
        return prefix + rest
    return None
