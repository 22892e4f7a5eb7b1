"""Tokens whose own checks have passed before: only what can have changed is checked again."""

from __future__ import annotations

from typing import Any

import msgspec

from mintgate.jose import CompactToken, PublicKey
from mintgate.verify.principal import Principal
from mintgate.verify.state import TokenState

MAX_ACCEPTED = 4096
"""Tokens an audience; about 3 kB each, of which the token itself is one."""


class Accepted(msgspec.Struct, kw_only=True):
    """A signed token that was good for one audience.

    Args:
        token: as `CompactToken.verified` leaves it.
        key: it counts as long as the key source gives this very key.
        valid_from, valid_until: Unix seconds, leeways included [API-9].
        stamp: of the state source when the state was looked at last; None: it is to be looked at.
        looked_at: when that was, Unix seconds.
        state: what was looked at then, and was good.
        present: the principal as this state makes it.
        covered: scopes that an operation needed and the token had.
    """

    token: CompactToken
    key: PublicKey
    principal: Principal
    valid_from: float
    valid_until: float
    stamp: int | None = None
    looked_at: float = 0.0
    state: TokenState | None = None
    present: Principal | None = None
    covered: frozenset[str] | None = None

    @property
    def claims(self) -> dict[str, Any]:
        return self.token.claims


class AcceptedTokens:
    """A bounded memory of them, by audience; the oldest goes first. In memory only [TOK-14]."""

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self._by_audience: dict[str, dict[str, Accepted]] = {}

    def find(self, token: str, audience: str, now: float) -> Accepted | None:
        """The token, unless its time has not come or is over.

        Args:
            now: Unix seconds.
        """
        known = self._by_audience.get(audience)
        found = known.get(token) if known is not None else None
        if found is None or not found.valid_from <= now < found.valid_until:
            return None
        return found

    def add(self, token: str, audience: str, accepted: Accepted) -> None:
        known = self._by_audience.setdefault(audience, {})
        known[token] = accepted
        while len(known) > self.maximum:
            # Another thread may remove the same one.
            known.pop(next(iter(known), ""), None)
