"""Operation → scope, per API (specification §10.2). Pure; adapters and the gate use it."""

from __future__ import annotations

import functools
import re

import msgspec

from mintgate.contract.errors import (
    AmbiguousRequest,
    Forbidden,
    InsufficientScope,
    MethodNotAllowed,
)
from mintgate.contract.scopes import READ, SEC, UPDATE

SAFE_METHODS = frozenset({"GET", "HEAD"})
DOMAIN_API_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"})
SECURITY_PREFIX = "Systems_Security_"
"""Entity sets that need `sec` as well, and for writes an administrator [API-33]."""
ANY_METHOD = "*"
# A proxy's own methods; no API behind one has them (RFC 9110 §9.3.6, §9.3.8).
_NEVER = frozenset({"CONNECT", "TRACE"})
_BATCH_SEGMENT = "$batch"


class Operation(msgspec.Struct, frozen=True):
    """What one request needs.

    Args:
        needed: the scopes, all of them; `update` includes `read` [API-38].
        needs_admin: whether the acting user must be an administrator [API-33].
        is_batch: a list of requests, of which each is judged alone [API-32].
    """

    needed: frozenset[str]
    needs_admin: bool = False
    is_batch: bool = False


_READS = Operation(frozenset({READ}))
_WRITES = Operation(frozenset({UPDATE}))
_READS_SECURITY = Operation(frozenset({READ, SEC}))
_WRITES_SECURITY = Operation(frozenset({UPDATE, SEC}), needs_admin=True)
_BATCH = Operation(frozenset(), is_batch=True)
PREFLIGHT = Operation(frozenset())
"""A browser's question before a cross-origin request: it carries no credential [API-25]."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which scope an API's operations need, by method and path.

    A place is named by a path (`/admin`, which means all below it too) or by one segment of a
    path wherever it stands (`Systems_Security_Users`); `*` at its end stands for any ending.

    Args:
        read_methods: need `read`.
        update_methods: need `update`; `*` takes every other method, too.
        security: places that need `sec` besides; compared without regard to case, as the server
            behind may do so.
        reading: paths at which every method of the API only reads, such as a search by POST;
            compared exactly.
        batch: whether `POST …/$batch` is an OData batch, whose parts are judged one by one.
    """

    read_methods: tuple[str, ...] = ("GET", "HEAD")
    update_methods: tuple[str, ...] = ("POST", "PUT", "PATCH", "DELETE")
    security: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()
    batch: bool = False

    def operation(self, method: str, path: str) -> Operation:
        """What a request needs.

        Args:
            method: as sent; methods are case-sensitive (RFC 9110 §9.1).
            path: as `request_target.normal_path` gives it.

        Raises:
            MethodNotAllowed: the API does not know the method [API-15].
            AmbiguousRequest: it ends in what some server could take for `$batch`.
        """
        reads = method in self.read_methods
        if not reads and not self._writes(method):
            raise MethodNotAllowed(self.methods, cause=f"the method {method[:16]!r}")
        if self.batch and _is_batch(path):
            if method != "POST":
                raise MethodNotAllowed(("POST",), cause=f"{method[:16]!r} on $batch")
            return _BATCH
        if not reads and self.reading:
            reads = _pattern(self.reading, any_case=False).search(path) is not None
        if self.security and _pattern(self.security, any_case=True).search(path):
            return _READS_SECURITY if reads else _WRITES_SECURITY
        return _READS if reads else _WRITES

    def operation_somewhere(self, method: str) -> Operation:
        """The most that a request with this method needs, wherever its place turns out to be.

        For places that are known only while a batch runs, such as `$1` [API-32].

        Raises:
            MethodNotAllowed: the API does not know the method [API-15].
        """
        # `reading` makes a method of `update_methods` need less, which cannot be counted on.
        reads = method in self.read_methods
        if not reads and not self._writes(method):
            raise MethodNotAllowed(self.methods, cause=f"the method {method[:16]!r}")
        if self.security:
            return _READS_SECURITY if reads else _WRITES_SECURITY
        return _READS if reads else _WRITES

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the API knows, for `Allow`."""
        named = (*self.read_methods, *self.update_methods)
        if ANY_METHOD in named:
            named = (*(m for m in named if m != ANY_METHOD), "POST", "PUT", "PATCH", "DELETE")
        return tuple(dict.fromkeys(named))

    def _writes(self, method: str) -> bool:
        if method in self.update_methods:
            return method != ANY_METHOD
        return ANY_METHOD in self.update_methods and method not in _NEVER


def problems_of(policy: Policy) -> list[tuple[str, str]]:
    """What is wrong with a declared policy, as (key, sentence) pairs."""
    found = []
    for key, methods in (
        ("read_methods", policy.read_methods),
        ("update_methods", policy.update_methods),
    ):
        for method in methods:
            if method in _NEVER:
                found.append((key, f"must not have {method}, which is meant for proxies"))
            elif method != ANY_METHOD and not (method.isascii() and method.isupper()):
                found.append((key, f"must be names of methods in upper case, not {method!r}"))
            elif method == ANY_METHOD and key == "read_methods":
                found.append((key, 'must not have "*": what is unknown may write'))
    both = set(policy.read_methods).intersection(policy.update_methods)
    if both:
        found.append(("update_methods", f"has {sorted(both)[0]}, which read_methods has as well"))
    for key, places in (("security", policy.security), ("reading", policy.reading)):
        for place in places:
            inner = place[1:] if place.startswith("/") else place
            if not inner.strip("*/") or "//" in place or "*" in place[:-1]:
                found.append(
                    (key, f"{place!r} must be a path or a segment, with * at most at the end")
                )
            elif not place.startswith("/") and "/" in place:
                found.append((key, f"{place!r} must begin with a slash, or have none"))
    found += [
        ("reading", f"{place!r} must be a path that begins with a slash")
        for place in policy.reading
        if not place.startswith("/")
    ]
    return found


BUILT_IN: dict[str, Policy] = {
    # [API-30..33]
    "DomainAPI": Policy(
        # The others are OData's ways to name any record by a parameter, or all of them.
        security=(SECURITY_PREFIX + "*", "$entity", "$all", "$crossjoin"),
        batch=True,
    ),
    # [API-34, API-35]
    "TableAPI": Policy(update_methods=(), security=("Sec_*",)),
    # [API-36] A query by POST reads.
    "OLAP": Policy(read_methods=("GET", "HEAD", "POST"), update_methods=()),
    # [API-37]
    "AppServer": Policy(update_methods=(ANY_METHOD,)),
}


def needed_scopes(method: str, entity_set: str | None) -> frozenset[str]:
    """The scopes that a DomainAPI operation needs [API-30, API-31, API-33].

    Args:
        method: the HTTP method, upper case.
        entity_set: the addressed entity set; None for the service document and `$metadata`.
    """
    needed = {READ} if method in SAFE_METHODS else {UPDATE}
    if is_security_set(entity_set):
        needed.add(SEC)
    return frozenset(needed)


def is_security_set(entity_set: str | None) -> bool:
    return entity_set is not None and entity_set.startswith(SECURITY_PREFIX)


def missing_scope(needed: frozenset[str], granted: frozenset[str]) -> str | None:
    """The first scope that is needed and not granted; `update` includes reading [API-38]."""
    for scope in sorted(needed):
        if scope not in granted and not (scope == READ and UPDATE in granted):
            return scope
    return None


def require_allowed(operation: Operation, scopes: frozenset[str], *, is_admin: bool) -> None:
    """The end of check API-15 for a caller.

    Raises:
        InsufficientScope, Forbidden: what the caller lacks.
    """
    require_scopes(operation.needed, scopes)
    if operation.needs_admin and not is_admin:
        raise Forbidden(
            "Only administrators may change security records.", cause="the user is no administrator"
        )


def require_scopes(needed: frozenset[str], granted: frozenset[str]) -> None:
    """Raises InsufficientScope for the first needed scope that is not granted [API-38]."""
    if not needed <= granted:
        missing = missing_scope(needed, granted)
        if missing is not None:
            raise InsufficientScope(needed=missing, cause=f"scope {missing} is missing")


def _is_batch(path: str) -> bool:
    segment = path.rstrip("/").rpartition("/")[2].casefold()
    # Some servers forget blanks and dots at the ends of a segment.
    if segment != _BATCH_SEGMENT and segment.strip(" .()") == _BATCH_SEGMENT:
        raise AmbiguousRequest(
            "The address of a batch ends in $batch and nothing else.",
            cause="another spelling of $batch",
        )
    return segment == _BATCH_SEGMENT


@functools.lru_cache(maxsize=256)
def _pattern(places: tuple[str, ...], *, any_case: bool) -> re.Pattern[str]:
    """Finds a path that is at one of the places, or below it."""
    parts = []
    for place in places:
        name = re.escape(place.removesuffix("*").rstrip("/") or "/")
        if place.startswith("/"):
            parts.append(f"^{name}" if place.endswith("*") else f"^{name}(?:/|$)")
        else:
            # A name may stand in parentheses or after a dot, as in $crossjoin(A,B).
            parts.append(rf"(?<!\w){name}" if place.endswith("*") else rf"(?<!\w){name}(?!\w)")
    return re.compile("|".join(parts), re.IGNORECASE if any_case else 0)
