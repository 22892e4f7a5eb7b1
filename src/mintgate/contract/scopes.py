"""Scope rules (specification §6): which scopes a request gets, and in which order."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable

from mintgate.contract.errors import InvalidScope

OPENID, PROFILE, OFFLINE_ACCESS = "openid", "profile", "offline_access"
DOMAIN_API, READ, SEC, UPDATE = "DomainApi", "read", "sec", "update"

PROTOCOL_SCOPES = frozenset({OPENID, PROFILE, OFFLINE_ACCESS})
API_SCOPES = frozenset({DOMAIN_API, READ, SEC, UPDATE})
KNOWN_SCOPES = PROTOCOL_SCOPES | API_SCOPES
DROPPED_OPENID_SCOPES = frozenset({"email", "address", "phone"})
"""[SCP-17] Sent by default by many client libraries; dropped silently."""

# [SCP-20] openid, profile, the API scopes in ordinal order, offline_access.
TOKEN_ORDER = (OPENID, PROFILE, *sorted(API_SCOPES), OFFLINE_ACCESS)
_RANK = {name: rank for rank, name in enumerate(TOKEN_ORDER)}

# RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ), one space between two of them.
_SCOPE_TEXT = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( +[\x21\x23-\x5b\x5d-\x7e]+)*")


def parse(text: str) -> tuple[str, ...]:
    """Split a `scope` parameter; duplicates collapse, the first one keeps its place [SCP-9].

    Raises:
        InvalidScope: a character that RFC 6749 §3.3 does not allow.
    """
    text = text.strip(" ")
    if text and not _SCOPE_TEXT.fullmatch(text):
        raise InvalidScope("The scope holds a character that is not allowed.")
    return tuple(dict.fromkeys(name for name in text.split(" ") if name))


@functools.lru_cache(4096)
def _token_order(names: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: _RANK[name]))


def token_order(names: Iterable[str]) -> tuple[str, ...]:
    """The order of scopes in an access token [SCP-20]."""
    return _token_order(frozenset(names))


def has_api_scope(names: Collection[str]) -> bool:
    """Whether the scopes give a token its API audiences [TOK-50, TOK-52]."""
    return not API_SCOPES.isdisjoint(names)


def without_api_scopes(names: Iterable[str]) -> tuple[str, ...]:
    """What a community user keeps [SCP-13]."""
    return tuple(name for name in names if name not in API_SCOPES)


def for_authorization(requested: str | None, application_scope: Collection[str]) -> tuple[str, ...]:
    """Scopes of an authorization request, in request order; in token order when defaulted [TKN-21].

    Args:
        requested: the `scope` parameter, None when it was not sent.
        application_scope: what the application's `Scope` lists.

    Raises:
        InvalidScope: a scope outside the allowed set; no silent narrowing [SCP-7].
    """
    if requested is None:
        names = token_order(set(application_scope))  # [SCP-6]
    else:
        names = tuple(n for n in parse(requested) if n not in DROPPED_OPENID_SCOPES)  # [SCP-17]
        names = _replace_domain_api(names, application_scope)
        _require(names, PROTOCOL_SCOPES.union(application_scope))  # [SCP-8]
    return something_of(names)


@functools.lru_cache(4096)
def for_client_credentials(
    requested: str | None, application_scope: tuple[str, ...]
) -> tuple[str, ...]:
    """Scopes of a client-credentials request [SCP-6, SCP-8, SCP-10, SCP-11, SCP-12].

    Raises:
        InvalidScope: a scope outside `Scope`, or nothing that could be granted.
    """
    allowed = frozenset(application_scope) - PROTOCOL_SCOPES
    if requested is None:
        names = token_order(allowed)
    else:
        names = _replace_domain_api(parse(requested), application_scope)
        names = tuple(n for n in names if n not in PROTOCOL_SCOPES)  # [SCP-10]
        _require(names, allowed)
    return something_of(names)


def something_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The same names. Raises InvalidScope when there is none: a token must allow something."""
    if not names:
        raise InvalidScope("Nothing that can be granted to this application was asked for.")
    return names


def for_refresh(requested: str | None, granted: tuple[str, ...]) -> tuple[str, ...]:
    """Scopes of a refreshed access token: narrowed, never widened [SCP-15, TKN-50].

    Raises:
        InvalidScope: a scope that the original grant does not have.
    """
    if requested is None:
        return granted
    names = tuple(n for n in parse(requested) if n not in DROPPED_OPENID_SCOPES)
    names = _replace_domain_api(names, granted)
    if not names:
        return granted
    _require(names, granted)
    return names


def _replace_domain_api(names: tuple[str, ...], listed: Collection[str]) -> tuple[str, ...]:
    # [SCP-12] The official clients send the obsolete DomainApi first, always.
    if DOMAIN_API not in names or DOMAIN_API in listed:
        return names
    return tuple(n for n in names if n != DOMAIN_API) or (READ,)


def _require(names: Iterable[str], allowed: Collection[str]) -> None:
    refused = [name for name in names if name not in allowed]
    if refused:
        raise InvalidScope(cause=f"scope not allowed: {' '.join(refused)}")
