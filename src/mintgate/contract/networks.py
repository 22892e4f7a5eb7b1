"""Addresses as they are counted: by what one sender can hardly change."""

from __future__ import annotations

import functools
import ipaddress

REMEMBERED = 4096


@functools.lru_cache(REMEMBERED)
def network_of(address: str | None) -> str:
    """The IPv4 address, or the /64 of an IPv6 address, as anyone with one of it has them all."""
    if address is None:
        return ""  # a Unix socket: whoever is behind it is counted as one
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
