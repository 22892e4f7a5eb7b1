"""Which route a path belongs to: whole segments, the longest prefix first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
OWN_PREFIX = "/-"
"""Below it the gate answers itself."""


class RouteTable(Generic[T]):
    """Prefixes and what is there.

    Args:
        routes: pairs of a prefix without a slash at its end (the root is empty), and its route.
    """

    def __init__(self, routes: Iterable[tuple[str, T]]) -> None:
        by_length = sorted(routes, key=lambda pair: len(pair[0]), reverse=True)
        self._routes = [(prefix, prefix.casefold(), route) for prefix, route in by_length]

    def find(self, path: str) -> T | None:
        """The route of a path.

        A path that is written like a prefix in everything but case belongs to no route: a server
        behind may make no difference, and would then serve what a shorter prefix was asked for.

        Args:
            path: normalised and decoded.
        """
        any_case = path.casefold()
        for prefix, prefix_any_case, route in self._routes:
            if _is_below(any_case, prefix_any_case):
                return route if _is_below(path, prefix) else None
        return None


def _is_below(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in {"", "/"}


def problem_of_prefix(prefix: str) -> str | None:
    """What is wrong with a prefix as it is written in a file."""
    if not prefix.startswith("/"):
        return "must begin with a slash"
    if "//" in prefix or any(c in prefix for c in "%;\\?#*") or not prefix.isprintable():
        return "must be a plain path, without escapes, patterns, ; \\ ? and #"
    if any(segment in {".", ".."} for segment in prefix.split("/")):
        return "must have no dot segments"
    if _is_below(prefix.casefold(), OWN_PREFIX):
        return "must not begin with /-/, where the gate answers itself"
    return None
