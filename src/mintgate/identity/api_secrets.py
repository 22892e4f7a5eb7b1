"""The hashes of the APIs' secrets as this process knows them, by the state feed [ITR-1]."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate.contract.identifiers import secret_hash, secret_matches
from mintgate.identity.copies import Source
from mintgate.store import apis

_NOBODYS_HASH = secret_hash("the hash that a secret is compared with when there is none")
Hashes = Mapping[str, str | None]


class ApiSecrets:
    """A copy of every secret's hash, so that proving one costs no look at the database.

    When it is not certain that the copy still holds the rows are read: a secret that was taken
    away must not open anything while the feed is behind.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._hashes: Hashes = {}
        self._holds = False

    def drop(self) -> None:
        """An API may have changed."""
        self._holds = False

    async def is_secret_of(self, name: str, secret: str) -> bool:
        """Whether this is the secret of the API with this audience name, in constant time.

        Raises:
            DatabaseUnavailable: it cannot be told now.
        """
        hashes = self._hashes if self._holds and self._source.is_fresh() else await self._read()
        known = hashes.get(name)
        return secret_matches(secret, known or _NOBODYS_HASH) and known is not None

    async def _read(self) -> Hashes:
        source = self._source
        generation = source.generation
        found = await source.database.read(lambda c: apis.secrets_of(c, source.instance.id))
        if generation == source.generation:
            self._hashes, self._holds = found, True
        return found
