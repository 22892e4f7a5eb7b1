"""The guards of an instance's APIs, each for whoever proves to be the server in front of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mintgate.contract.declared_apis import ApiSettings
from mintgate.contract.errors import UnknownGate
from mintgate.identity.directory import Directory
from mintgate.verify import Guard, Verifier
from mintgate.verify.legacy import LegacySchemes
from mintgate.verify.limits import RequestLimits
from mintgate.verify.sessions import SessionSource

LimitsOf = Callable[[ApiSettings], RequestLimits | None]
LegacyOf = Callable[[str], LegacySchemes | None]


def unlimited(_: ApiSettings) -> None:
    """No rate limits."""


def without_legacy(_: str) -> None:
    """OAuth only."""


class ForwardGuards:
    """One guard an API, made anew when its settings change.

    Args:
        sessions: see `Guard`.
        limits_of: the rate limits of an API; None for none.
        legacy_of: the legacy schemes of an API by its name; None for none.
    """

    def __init__(
        self,
        directory: Directory,
        verifier: Verifier,
        *,
        sessions: SessionSource | None,
        limits_of: LimitsOf = unlimited,
        legacy_of: LegacyOf = without_legacy,
    ) -> None:
        self._directory = directory
        self._verifier = verifier
        self._sessions = sessions
        self.limits_of = limits_of
        self._legacy_of = legacy_of
        self._apis: Mapping[str, ApiSettings] | None = None
        self._guards: dict[str, Guard] = {}
        self.stamp = directory.stamp
        """As long as it gives the same number, `known` gives the same guard for the same secret;
        None when it cannot be said."""

    def known(self, api: str, secret: bytes) -> Guard | None:
        """The guard of an API, when that and its secret can be told without waiting."""
        apis = self._directory.known_apis()
        if apis is None or apis is not self._apis:
            return None
        is_proved = self._directory.is_known_secret_of(api, secret)
        return self._guards.get(api) if is_proved else None

    async def of(self, api: str, secret: bytes) -> Guard:
        """Raises UnknownGate unless the server in front proves that it asks for this API [ITR-1].

        Without that anybody could use the endpoint to try tokens, under any address.
        """
        if not await self._directory.is_secret_of(api, secret):
            raise UnknownGate(cause=f"no API {api[:64]!r} with the secret that was sent")
        apis = await self._directory.apis()
        if apis is not self._apis:
            self._guards = {name: self._new(found) for name, found in apis.items()}
            self._apis = apis
        guard = self._guards.get(api)
        if guard is None:
            raise UnknownGate(cause=f"the API {api[:64]!r} was just removed")
        return guard

    def _new(self, api: ApiSettings) -> Guard:
        return Guard(
            self._verifier,
            api.name,
            api.policy,
            sessions=self._sessions,
            limits=self.limits_of(api),
            legacy=self._legacy_of(api.name),
        )
