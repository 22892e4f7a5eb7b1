"""Which addresses a secret or a token may be sent to."""

from __future__ import annotations

from collections.abc import Iterable

import httpx

from mintgate.contract.redirects import LOOPBACK_HOSTS

Origin = tuple[str, str, int]
"""Scheme, host and port (RFC 6454 §4)."""

_DEFAULT_PORTS = {"https": 443, "http": 80}


def safe_url(text: str, what: str) -> httpx.URL:
    """Read an address that secrets go to.

    Args:
        text: an absolute URL.
        what: the name of the argument, for the error.

    Raises:
        ValueError: not `https` (plain `http` is for `localhost`, `127.0.0.1` and `[::1]` only),
            no host, or with a user name or fragment (RFC 6749 §3.2, RFC 6750 §5.3).
    """
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise ValueError(f"{what} is not a URL") from None
    if url.scheme not in _DEFAULT_PORTS or not url.host:
        raise ValueError(f"{what} must be an absolute https URL")
    if url.scheme == "http" and url.host not in LOOPBACK_HOSTS:
        raise ValueError(f"{what} must use https (http is for loopback hosts only)")
    if url.userinfo or url.fragment:
        raise ValueError(f"{what} must not hold a user name or a fragment")
    return url


def origin_of(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def origins_of(api: str, further: Iterable[str]) -> frozenset[Origin]:
    """The origins that get the token.

    Raises:
        ValueError: see `safe_url`; or `further` is one string.
    """
    if isinstance(further, str):
        raise ValueError("origins must be several strings, such as ['https://api.example.com']")
    return frozenset(
        [origin_of(safe_url(api, "api"))]
        + [origin_of(safe_url(entry, "an entry of origins")) for entry in further]
    )
