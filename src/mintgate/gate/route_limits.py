"""The requests per minute of a gate's routes: counted here, or together with other processes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable

from mintgate.contract.clock import system_clock
from mintgate.contract.declared_apis import Limits
from mintgate.gate.settings import GateSettings, RouteSettings
from mintgate.gate.shared_counters import EXCHANGE_SECONDS, SharedCounters
from mintgate.gate.sums import ValkeySums
from mintgate.gate.tenants import LimitsByTenant
from mintgate.store.valkey_counters import CountersUnavailable, ValkeyCounters
from mintgate.verify.counters import Counters
from mintgate.verify.limits import RequestLimits


def counting_in(counters: Counters) -> Callable[[RouteSettings], RequestLimits | None]:
    """Each route's requests per minute, counted there [API-54, EXT-11]."""

    def limits_of(route: RouteSettings) -> RequestLimits | None:
        if route.limits == Limits():
            return None
        return LimitsByTenant(route.limits, counters, api=f"{route.prefix}\0{route.api}")

    return limits_of


class RouteLimits:
    """Counts for every route that has limits.

    Args:
        valkey: where processes add up; None: each counts by itself. Gates with the same tenants
            and the same secrets count together, route by route.
    """

    def __init__(self, settings: GateSettings, valkey: ValkeyCounters | None = None) -> None:
        self._valkey = valkey
        self._shared = _shared(settings, valkey) if valkey is not None else None
        self.of = counting_in(Counters() if self._shared is None else self._shared)
        self._exchanging: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to exchange counts; with the server's event loop."""
        if self._shared is not None:
            self._exchanging = asyncio.create_task(self._exchange(self._shared))

    async def stop(self) -> None:
        """Tell the last counts."""
        if self._exchanging is None or self._shared is None or self._valkey is None:
            return
        self._exchanging.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._exchanging
        with contextlib.suppress(CountersUnavailable):
            await self._shared.exchange()
        await self._valkey.close()

    async def _exchange(self, shared: SharedCounters) -> None:
        while True:
            with contextlib.suppress(CountersUnavailable):  # logged where it is found
                await shared.exchange()
            await asyncio.sleep(EXCHANGE_SECONDS)


def _shared(settings: GateSettings, valkey: ValkeyCounters) -> SharedCounters:
    digest = hashlib.blake2b(person=b"mintgate-gates")
    for tenant in sorted(settings.tenants, key=lambda one: (one.issuer, one.database)):
        for api, secret in sorted(tenant.secrets.items()):
            for part in (tenant.issuer, tenant.database, api, secret):
                digest.update(len(part).to_bytes(4, "big") + part.encode())
    space, key = digest.digest()[:16].hex(), digest.digest()[32:]
    return SharedCounters(ValkeySums(valkey, f"gates-{space}", None), key, system_clock)
