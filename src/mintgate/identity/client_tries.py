"""How often a client's secret may be tried; docs/adr/0004-throttles.md says why so.

The endpoints where applications and APIs prove who they are by a secret share one `ClientTries`.
What is counted stands in memory, so that a right secret costs no look into the database; only a
wrong one does, which adds it to the count of all processes. So a wait that began in another
process is known here once a wrong secret was seen here: each process looks at one try more.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from mintgate.contract.clock import Clock
from mintgate.contract.errors import ClientMustWait, InvalidClient
from mintgate.contract.networks import network_of
from mintgate.identity.client_authentication import PresentedClient
from mintgate.store import Database, DatabaseUnavailable, Transaction, sign_in_tries
from mintgate.store.sign_in_tries import Count, Limit, Tries
from mintgate.verify.tallies import LIMITED

T = TypeVar("T")
PURPOSE = "client tries"
LANE = "client-tries"
"""These rows are locked by other processes too, and issuing tokens must not wait with it."""
DAY, HOUR = 24 * 3600.0, 3600.0
WAIT = 300.0
"""Seconds, as for passwords."""
LIMITS = {
    # one client, from an address from which it never proved itself
    "client-origin": Limit(5, HOUR, WAIT),
    # one client, from an address from which it did; a copy of it with an old secret stays below
    "client-known": Limit(100, HOUR, WAIT),
    # one client, from all addresses that it never proved itself from
    "client": Limit(25, HOUR, WAIT),
    # all clients that never proved themselves from one address
    "client-address": Limit(30, HOUR, WAIT),
}
KNOWN_SECONDS = 30 * DAY
"""How long an address is known after a client has last proved itself from there."""
MAX_REMEMBERED = 10_000
"""Origins, and counts. Beyond it the store is asked again."""
_LOOK_AGAIN = 60.0
_log = logging.getLogger(__name__)


class _Origin:
    """One client at one address, as this process knows it."""

    __slots__ = ("known_until", "looked_up_at", "place", "when_known", "when_unknown")

    def __init__(self, place: str, when_known: tuple[Count, ...], when_unknown: tuple[Count, ...]):
        self.place = place
        self.when_known = when_known
        self.when_unknown = when_unknown
        self.known_until = 0.0
        self.looked_up_at = 0.0

    def counts(self, now: float) -> tuple[Count, ...]:
        return self.when_known if self.known_until > now else self.when_unknown


class ClientTries:
    """Counts wrong secrets of one instance's clients, by client and by where they come from.

    Args:
        key: 32 secret bytes of the instance, for this purpose only: rows are named by digests.
        clock: Unix seconds.
    """

    def __init__(self, instance_id: str, database: Database, key: bytes, clock: Clock) -> None:
        self._instance_id = instance_id
        self._database = database
        self._key = key
        self._clock = clock
        self._origins: dict[tuple[str, str | None], _Origin] = {}
        self._tries: dict[str, Tries] = {}
        self._unsaved: dict[str, float] = {}

    async def prove(
        self,
        presented: PresentedClient,
        address: str | None,
        proof: Callable[[], Awaitable[T]],
    ) -> T:
        """The outcome of `proof`, which raises `InvalidClient` when the secret is wrong.

        Args:
            address: the peer's; what a header says counts only where the operator trusts a proxy.

        Raises:
            ClientMustWait: too many wrong secrets were given before; this one was not looked at,
                or nobody is told whether it was right.
            InvalidClient: it is wrong, and was counted.
        """
        if not presented.secret:
            return await proof()  # nothing is guessed
        origin = self._origin(presented.client_id, address)
        if self._tries:
            await self._require_no_wait(origin)
        try:
            proved = await proof()
        except InvalidClient:
            # Tries that race: those beyond the limit are not told that they were wrong.
            await self._require_no_wait(origin)
            await self._count(origin)
            raise
        if self._tries:
            await self._require_no_wait(origin)
        now = self._clock()
        if origin.known_until < now + KNOWN_SECONDS - DAY:
            origin.known_until = self._unsaved[origin.place] = now + KNOWN_SECONDS
        return proved

    def is_known(self, client_id: str, address: str | None) -> bool:
        """Whether a right secret from there is believed without a look at anything else.

        So it is after `prove` for a day, as long as no wait has begun.
        """
        origin = self._origins.get((client_id, address))
        if origin is None or origin.known_until < self._clock() + KNOWN_SECONDS - DAY:
            return False
        return not self._tries or self._full(origin) is None

    async def flush(self) -> None:
        """Store the addresses that became known since the last time, for after a restart.

        What counts for nothing any more is forgotten.

        Raises:
            DatabaseUnavailable: they are kept for the next time.
        """
        now = self._clock()
        self._tries = {key: tries for key, tries in self._tries.items() if tries.ends_at > now}
        unsaved, self._unsaved = self._unsaved, {}
        if not unsaved:
            return
        try:
            await self._database.write(
                lambda tx: sign_in_tries.remember(tx, self._instance_id, "client-known-at", unsaved)
            )
        except BaseException:
            self._unsaved = unsaved | self._unsaved
            raise

    async def _require_no_wait(self, origin: _Origin) -> None:
        full = self._full(origin)
        if full is None:
            return
        if await self._is_known_by_others(origin):
            full = self._full(origin)
            if full is None:
                return
        count, seconds = full
        LIMITED.add("secrets")
        raise ClientMustWait(
            retry_after=int(seconds) + 1,
            cause=f"{count.limit.tries} wrong secrets were given ({count.kind})",
        )

    def _full(self, origin: _Origin) -> tuple[Count, float] | None:
        """The first count whose wait is not over, and the seconds until it is."""
        now = self._clock()
        for count in origin.counts(now):
            tries = self._tries.get(count.key)
            if tries is not None and tries.tries >= count.limit.tries and tries.ends_at > now:
                return count, tries.ends_at - now
        return None

    async def _is_known_by_others(self, origin: _Origin) -> bool:
        """Whether the store knows the address, which this process does not (any more)."""
        now = self._clock()
        if origin.known_until > now or now - origin.looked_up_at < _LOOK_AGAIN:
            return False
        origin.looked_up_at = now
        try:
            origin.known_until = await self._database.read(
                lambda c: sign_in_tries.remembered(c, self._instance_id, origin.place, now)
            )
        except DatabaseUnavailable:
            return False
        return origin.known_until > now

    async def _count(self, origin: _Origin) -> None:
        """Count a wrong secret: here at once, before any other try is looked at, then for all."""
        counts = origin.counts(self._clock())
        for count in counts:
            self._count_here(count)
        try:
            known_until, found = await self._database.write(
                partial(self._count_for_all, origin, counts), lane=self._lane_of(origin)
            )
        except DatabaseUnavailable as error:
            _log.warning("wrong client secrets are counted in this process alone: %s", error)
            return
        if known_until > origin.known_until:
            origin.known_until = known_until
        for key, tries in found.items():
            known = self._tries.get(key)
            if known is None or tries.tries >= known.tries:
                self._tries[key] = tries

    def _lane_of(self, origin: _Origin) -> str:
        # Two origins in one transaction could lock their rows crosswise with another process.
        return LANE if self._database.is_sqlite else f"{LANE} {origin.place}"

    def _count_here(self, count: Count) -> None:
        now = self._clock()
        known = self._tries.get(count.key)
        limit = count.limit
        if known is None or known.ends_at <= now:
            if len(self._tries) >= MAX_REMEMBERED:
                self._forget_tries(now)
            self._tries[count.key] = Tries(count.kind, 1, now + limit.window)
            return
        number = known.tries + 1
        ends_at = now + limit.wait if number == limit.tries else known.ends_at
        self._tries[count.key] = Tries(count.kind, number, ends_at)

    def _count_for_all(
        self, origin: _Origin, counts: tuple[Count, ...], tx: Transaction
    ) -> tuple[float, dict[str, Tries]]:
        for count in sorted(counts, key=lambda count: count.key):  # no two lock crosswise
            sign_in_tries.add_one(tx, self._instance_id, count)
        known_until = sign_in_tries.remembered(
            tx.connection, self._instance_id, origin.place, tx.now
        )
        keys = [count.key for count in counts]
        return known_until, sign_in_tries.of_keys(tx.connection, self._instance_id, keys, tx.now)

    def _forget_tries(self, now: float) -> None:
        for key in [key for key, tries in self._tries.items() if tries.ends_at <= now]:
            del self._tries[key]
        for key in list(self._tries)[: max(0, len(self._tries) - MAX_REMEMBERED + 1)]:
            del self._tries[key]

    def _origin(self, client_id: str, address: str | None) -> _Origin:
        origin = self._origins.get((client_id, address))
        if origin is None:
            if len(self._origins) >= MAX_REMEMBERED:
                for old in list(self._origins)[: MAX_REMEMBERED // 100]:
                    del self._origins[old]
            origin = self._origins[client_id, address] = self._new_origin(client_id, address)
        return origin

    def _new_origin(self, client_id: str, address: str | None) -> _Origin:
        # Compared without regard to case, so that another spelling is no other count.
        client, network = client_id.casefold(), network_of(address)

        def count(kind: str, *parts: str) -> Count:
            return Count(self._digest(kind, *parts), kind, LIMITS[kind])

        return _Origin(
            self._digest("client-known-at", client, network),
            (count("client-known", client, network),),
            (
                count("client-origin", client, network),
                count("client", client),
                count("client-address", network),
            ),
        )

    def _digest(self, *parts: str) -> str:
        return hmac.digest(self._key, "\0".join(parts).encode(), "sha256").hex()
