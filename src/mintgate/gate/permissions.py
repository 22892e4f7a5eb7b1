"""What is answered when a caller may pass: the same each time, so it is put together once."""

from __future__ import annotations

import msgspec

from mintgate.gate.forward_dialects import Dialect, Headers
from mintgate.gate.identity import identity_headers
from mintgate.gate.shortcut import head
from mintgate.verify import Principal

MAX_KEPT = 4096


class Permission(msgspec.Struct, frozen=True):
    """The answer about one caller.

    Args:
        head: the whole of it, as bytes.
    """

    principal: Principal
    headers: Headers
    head: bytes


class Permissions:
    """A bounded memory of them."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], Permission] = {}

    def of(self, principal: Principal, dialect: Dialect) -> Permission:
        # As long as a token is remembered its principal is the same object.
        kept = self._kept.get((id(principal), dialect.allowed))
        if kept is not None and kept.principal is principal:
            return kept
        headers = [*dialect.allowed_headers, *identity_headers(principal)]
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        made = Permission(principal, headers, head(dialect.allowed, headers))
        self._kept[id(principal), dialect.allowed] = made
        return made
