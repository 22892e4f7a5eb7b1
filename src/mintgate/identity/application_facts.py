"""What follows from all applications of an instance together, kept until one of them changes."""

from __future__ import annotations

from typing import NamedTuple

from mintgate.contract.redirects import origin_of, registered_uris
from mintgate.identity.copies import Source
from mintgate.store import DatabaseUnavailable, applications


class LogoutChannels(NamedTuple):
    """Whether any application wants to be told of sign-outs, and how [EXT-3]."""

    back: bool
    front: bool


class ApplicationFacts:
    """Facts about all applications of an instance."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._origins: frozenset[str] | None = None
        self._asks_for_consent: bool | None = None
        self._allows_basic: bool | None = None
        self._logout_channels: LogoutChannels | None = None
        self._logout_channels_hold = False

    def drop(self) -> None:
        """An application changed."""
        self._origins = None
        self._asks_for_consent = None
        self._allows_basic = None
        self._logout_channels_hold = False

    async def browser_origins(self) -> frozenset[str]:
        """Origins of the redirect URIs of enabled applications [EP-8]."""
        source = self._source
        if self._origins is not None and source.holds():
            return self._origins
        generation = source.generation
        everyone = await source.database.read(
            lambda connection: applications.all_of(connection, source.instance.id)
        )
        origins = frozenset(
            origin
            for application in everyone
            if application.is_enabled
            for uri in registered_uris(application.impersonate_login_url)
            if (origin := origin_of(uri)) is not None
        )
        if generation == source.generation:
            self._origins = origins
        return origins

    async def asks_for_consent(self) -> bool:
        """Whether some enabled application has its users asked [EXT-2].

        Raises:
            DatabaseUnavailable: it is not known, and cannot be looked up now.
        """
        source = self._source
        if self._asks_for_consent is not None and source.is_fresh():
            return self._asks_for_consent
        generation = source.generation
        asks = await source.database.read(
            lambda connection: applications.some_requires_consent(connection, source.instance.id)
        )
        if generation == source.generation:
            self._asks_for_consent = asks
        return asks

    async def allows_basic(self) -> bool:
        """Whether some enabled application may use the legacy schemes [LEG-8].

        Raises:
            DatabaseUnavailable: it is not known, and cannot be looked up now.
        """
        source = self._source
        if self._allows_basic is not None and source.is_fresh():
            return self._allows_basic
        generation = source.generation
        allows = await source.database.read(
            lambda connection: applications.some_allows_basic(connection, source.instance.id)
        )
        if generation == source.generation:
            self._allows_basic = allows
        return allows

    async def logout_channels(self) -> LogoutChannels:
        """What the metadata says of logout; the last known while the database is away [EXT-3]."""
        source = self._source
        known = self._logout_channels
        if known is not None and self._logout_channels_hold and source.is_fresh():
            return known
        generation = source.generation
        try:
            everyone = await source.database.read(
                lambda connection: applications.all_of(connection, source.instance.id)
            )
        except DatabaseUnavailable:
            if known is None:
                raise
            return known
        found = LogoutChannels(
            back=any(a.back_channel_logout_url is not None for a in everyone),
            front=any(a.front_channel_logout_url is not None for a in everyone),
        )
        self._logout_channels = found
        self._logout_channels_hold = generation == source.generation
        return found
