"""Which instance answers: the one whose base URL the request was sent to [DSC-2]."""

from __future__ import annotations

from typing import Generic, TypeVar
from urllib.parse import urlsplit

from mintgate.contract.redirects import LOOPBACK_HOSTS

A = TypeVar("A")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Hosts(Generic[A]):
    """Applications by the authority (host and port) of their instance's base URL."""

    def __init__(self, by_base_url: dict[str, A]) -> None:
        self._by_authority: dict[str, A] = {}
        self.base_urls = sorted(by_base_url)
        for base_url, application in by_base_url.items():
            for authority in _authorities(base_url):
                self._by_authority[authority] = application

    def find(self, host: str) -> A | None:
        """The application for a `Host` header; an exact comparison, never a pattern."""
        return self._by_authority.get(host) or self._by_authority.get(host.lower())


def _authorities(base_url: str) -> list[str]:
    parts = urlsplit(base_url)
    default = _DEFAULT_PORTS.get(parts.scheme)
    port = parts.port or default
    hostname = parts.hostname or ""
    # Three spellings of this machine, when the instance lives on it.
    names = LOOPBACK_HOSTS if hostname in LOOPBACK_HOSTS else {hostname}
    found = []
    for name in names:
        shown = f"[{name}]" if ":" in name else name
        found.append(f"{shown}:{port}")
        if port == default:
            found.append(shown)
    return found
