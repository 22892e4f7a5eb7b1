"""Requests per minute of one API, counted by session, client, user and address [API-50, API-54].

The strategy is the sliding window counter of the `limits` library. An API of one process needs
nothing more; what several processes share is in `mintgate.gate.shared_counters`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mintgate.contract.declared_apis import Limits
from mintgate.contract.errors import TooManyRequests
from mintgate.contract.networks import network_of
from mintgate.contract.rate_limits import LIMIT_HEADER, policy_header
from mintgate.verify.counters import Counters
from mintgate.verify.limits import Headers
from mintgate.verify.principal import Principal
from mintgate.verify.sessions import OpenSession
from mintgate.verify.tallies import LIMITED

# In the order in which they are asked: whoever is stopped by a narrow limit uses up no wide one,
# which others share.
_KINDS: dict[str, Callable[[Principal, str], str]] = {
    "session": lambda principal, address: principal.session,
    "user": lambda principal, address: principal.user_id or principal.login,
    "address": lambda principal, address: network_of(address),
    "client": lambda principal, address: principal.client_id,
}


class _Limit(msgspec.Struct, frozen=True):
    """One limit in force; `prefix` begins the names of its counts.

    The names do not tell the amount: counts go on when a limit is changed.
    """

    kind: str
    prefix: str
    amount: int
    named: Callable[[Principal, str], str]
    quoted: str


class RateLimits:
    """The `limits` of a `Guard`.

    Args:
        limits: requests per minute; 0 and None are off.
        counters: where requests are counted; several APIs may share them.
        api: the audience; requests to one API count nothing for another.
    """

    def __init__(
        self, limits: Limits | None = None, counters: Counters | None = None, *, api: str = ""
    ) -> None:
        self._counters = counters if counters is not None else Counters()
        self._api = api
        self._limits: tuple[_Limit, ...] = ()
        self._policy = policy_header({})
        self.in_force = Limits()
        self.use(limits or Limits())

    def use(self, limits: Limits) -> None:
        """Have other limits from now on; what was counted goes on counting."""
        if limits == self.in_force:
            return
        amounts = {kind: getattr(limits, f"per_{kind}") or 0 for kind in _KINDS}
        self._policy = policy_header({kind: n for kind, n in amounts.items() if n})
        self._limits = tuple(
            _Limit(kind, f"{self._api}\0{kind}\0", n, _KINDS[kind], f'"{kind}";r=')
            for kind, n in amounts.items()
            if n
        )
        self.in_force = limits

    def hit(self, principal: Principal, session: OpenSession | None, address: str) -> Headers:
        """Count one request; see `RequestLimits`."""
        limits = self._limits
        if not limits:
            return []
        count = self._counters.count
        items = []
        for limit in limits:
            key = limit.prefix + limit.named(principal, address)
            stands = count(key, limit.amount)
            if stands is None:
                self._take_back(limits[: limits.index(limit)], principal, address)
                raise self._refusal(limit, key)
            items.append(f"{limit.quoted}{stands[0]};t={stands[1]}")
        return [self._policy, (LIMIT_HEADER, ", ".join(items).encode("ascii"))]

    def _take_back(self, limits: tuple[_Limit, ...], principal: Principal, address: str) -> None:
        for limit in limits:
            self._counters.count(limit.prefix + limit.named(principal, address), limit.amount, -1)

    def _refusal(self, limit: _Limit, key: str) -> TooManyRequests:
        amount = limit.amount
        LIMITED.add(limit.kind)
        _, seconds = self._counters.usage(key).against(amount)
        return TooManyRequests(
            f"Too many requests of this {limit.kind}. Wait, and then go on more slowly.",
            retry_after=seconds,
            limits=(
                self._policy,
                (LIMIT_HEADER, f"{limit.quoted}0;t={seconds}".encode("ascii")),
            ),
            cause=f"{limit.kind}: {amount} a minute are used up",
        )
