"""Operation → scope, per audience (specification §10.2). Pure; adapters and the gate use it."""

from __future__ import annotations

from mintgate.contract.scopes import READ, SEC, UPDATE

SAFE_METHODS = frozenset({"GET", "HEAD"})
DOMAIN_API_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"})
SECURITY_PREFIX = "Systems_Security_"
"""Entity sets that need `sec` as well, and for writes an administrator [API-33]."""


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
