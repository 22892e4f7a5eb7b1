"""The APIs of an instance as this process knows them, followed by the state feed [EXT-12]."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from mintgate.contract.declared_apis import ApiSettings, settings_of
from mintgate.contract.instance import API_AUDIENCES
from mintgate.identity.copies import Source
from mintgate.store import DatabaseUnavailable, apis

Apis = Mapping[str, ApiSettings]


class DeclaredApis:
    """A copy of the settings of every API: the built-in ones first, then the declared by name.

    As long as nothing changed it is the same object, so that who derives something from it, such
    as guards, sees by `is` whether that still holds.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: Apis | None = None
        self._holds = False

    def drop(self) -> None:
        """An API may have changed."""
        self._holds = False

    def known_apis(self) -> Apis | None:
        """What holds for sure; None when `apis` must be asked."""
        return self._known if self._holds and self._source.holds() else None

    async def apis(self) -> Apis:
        """By audience; the last known while the database is away.

        Tokens are not checked by it: an application's state is, and that refuses by itself.

        Raises:
            DatabaseUnavailable: they were never read.
        """
        known = self.known_apis()
        if known is not None:
            return known
        source = self._source
        generation = source.generation
        try:
            found = await source.database.read(lambda c: read_apis(c, source.instance.id))
        except DatabaseUnavailable:
            if self._known is None:
                raise
            return self._known
        if self._known is None or list(found.items()) != list(self._known.items()):
            self._known = found
        self._holds = generation == source.generation
        return self._known


def read_apis(connection: Connection, instance_id: str) -> Apis:
    """As the rows are: the built-in ones first, then the declared by name."""
    declared = {api.settings.name: api.settings for api in apis.all_of(connection, instance_id)}
    return {name: settings_of(name) for name in API_AUDIENCES} | declared
