"""The hashes of the APIs' secrets as this process knows them, by the state feed [ITR-1]."""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest

from mintgate.contract.identifiers import secret_hash, secret_matches
from mintgate.identity.copies import Source
from mintgate.store import apis

_NOBODYS_HASH = secret_hash("the hash that a secret is compared with when there is none")
Hashes = Mapping[str, str | None]


class ApiSecrets:
    """A copy of every secret's hash, so that proving one costs no look at the database.

    When it is not certain that the copy still holds the rows are read: a secret that was taken
    away must not open anything while the feed is behind. While the database is away the copy counts
    for as long as tokens are judged by what is known.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._hashes: Hashes = {}
        self._holds = False
        self._proved: dict[str, bytes] = {}
        """The secret that was proved last, by API; as good as the copy."""

    def drop(self) -> None:
        """An API may have changed."""
        self._holds = False
        self._proved = {}

    def is_known_secret_of(self, name: str, secret: bytes) -> bool:
        """Whether it is certain, without asking, that this is the secret of the API."""
        proved = self._proved.get(name)
        return (
            proved is not None
            and self._holds
            and compare_digest(secret, proved)
            and self._source.holds()
        )

    async def is_secret_of(self, name: str, secret: bytes) -> bool:
        """Whether this is the secret of the API with this audience name, in constant time.

        Args:
            secret: in UTF-8.

        Raises:
            DatabaseUnavailable: it cannot be told now.
        """
        hashes = self._hashes if self._holds and self._source.holds() else await self._read()
        known = hashes.get(name)
        text = secret.decode("utf-8", "replace")
        is_proved = secret_matches(text, known or _NOBODYS_HASH) and known is not None
        if is_proved and self._holds and hashes is self._hashes:
            self._proved[name] = secret
        return is_proved

    async def _read(self) -> Hashes:
        source = self._source
        generation = source.generation
        found = await source.database.read(lambda c: apis.secrets_of(c, source.instance.id))
        if generation == source.generation:
            self._hashes, self._holds, self._proved = found, True, {}
        return found
