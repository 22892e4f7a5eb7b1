"""The rate limits of an instance's APIs, as their settings are now [API-50, API-54, EXT-11]."""

from __future__ import annotations

from mintgate.contract.declared_apis import ApiSettings, settings_of
from mintgate.gate.shared_counters import SharedCounters
from mintgate.identity.directory import Directory
from mintgate.store import DatabaseUnavailable
from mintgate.store.valkey_counters import CountersUnavailable
from mintgate.verify.rate_limits import RateLimits


class ApiLimits:
    """Gives each guard the limits of its API, and follows changes of the settings.

    Args:
        counters: of all APIs of the instance.
    """

    def __init__(self, directory: Directory, counters: SharedCounters) -> None:
        self.counters = counters
        self._directory = directory
        self._by_api: dict[str, RateLimits] = {}

    def of(self, api: str) -> RateLimits:
        """The limits of an API; those that it has by itself until its settings are read."""
        limits = self._by_api.get(api)
        if limits is None:
            usual = settings_of(api).limits_in_force
            limits = self._by_api[api] = RateLimits(usual, self.counters, api=api)
        return limits

    async def refresh(self) -> None:
        """Take over what was declared since the last time; nothing is read when nothing was.

        Raises:
            DatabaseUnavailable: the settings were never read.
        """
        apis = await self._directory.apis()
        for name, limits in self._by_api.items():
            settings: ApiSettings = apis.get(name) or settings_of(name)
            limits.use(settings.limits_in_force)

    async def keep(self) -> None:
        """Do in the background what `hit` does not wait for; called every `EXCHANGE_SECONDS`.

        While the database is away each process goes on with what it knows.
        """
        try:
            await self.refresh()
            await self.counters.exchange()
        except (DatabaseUnavailable, CountersUnavailable):
            pass  # whoever needs it says so
