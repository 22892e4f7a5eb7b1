"""The keys of an instance that sign and verify now; the key source of verifiers in the server."""

from __future__ import annotations

from sqlalchemy import Connection

from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.contract.key_life import KeyTimes, active_key
from mintgate.identity.coalesced import Coalesced
from mintgate.identity.copies import Source
from mintgate.identity.revoked import Revoked, RevokedRows
from mintgate.jose import KeySet, PublicKey, SigningKey
from mintgate.store import DatabaseUnavailable, keys
from mintgate.store.follower import FRESH_SECONDS
from mintgate.store.keys import KeyEncryptionKey, StoredKey
from mintgate.verify.state import StateUnavailable

LOOK_AGAIN_SECONDS = 0.1
"""Between two looks for an unknown `kid`: forged tokens cost at most ten small reads a second."""


class LiveKeys:
    """Keys, as read last.

    Args:
        revoked: read whole together with the keys, and when they are.
    """

    def __init__(
        self, source: Source, key_encryption_key: KeyEncryptionKey, revoked: Revoked
    ) -> None:
        self._source = source
        self._kek = key_encryption_key
        self._revoked = revoked
        self._keys: list[StoredKey] = []
        self._by_kid: dict[str, PublicKey] = {}
        self._keys_read_at = float("-inf")
        self._own: dict[str, SigningKey] = {}
        self._own_times: list[KeyTimes] = []
        # A key that another process made a moment ago may sign before the feed tells of it.
        self._look_again = Coalesced(self._reload_keys, LOOK_AGAIN_SECONDS, source.monotonic)
        self.must_reload = True
        """Whether nothing here may be used before everything is read: at first, and after what is
        not told row by row."""

    @property
    def times(self) -> list[KeyTimes]:
        """Those of the keys that can sign here, as read last."""
        return self._own_times

    async def signing_key(self) -> SigningKey:
        """The newest key that is active now.

        Raises:
            TemporarilyUnavailable: the instance has none.
        """
        if self.must_reload:
            await self.reload()
        elif not (self._source.is_fresh() or self._keys_are_new()):
            await self._look_again.run()  # the key may have ended: nothing more is signed with it
        active = self._active()
        if active is None:
            raise TemporarilyUnavailable(cause="the instance has no signing key that opens here")
        return active

    def known_signing_key(self) -> SigningKey | None:
        """The same without waiting; None where it would have to be read first, or there is none."""
        if self.must_reload or not self._source.is_fresh():
            return None
        return self._active()

    def _active(self) -> SigningKey | None:
        active = active_key(self._own_times, self._source.clock())
        return None if active is None else self._own[active.kid]

    async def key_set(self) -> KeySet:
        """What the JWKS publishes.

        Raises:
            TemporarilyUnavailable: there is no key. Readers would drop the ones that they have.
        """
        if self.must_reload:
            await self.reload()
        if not self._keys:
            raise TemporarilyUnavailable(cause="the instance has no key to publish")
        return KeySet(stored.public for stored in self._keys)

    async def public_key(self, kid: str) -> PublicKey | None:
        """The key that has this name now; None when there is none or it has ended."""
        return await self._look_for(kid)

    def get(self, kid: str) -> PublicKey | None:
        if self.must_reload or not (self._source.holds() or self._keys_are_new()):
            return None  # a key may have ended: `refresh_async` is asked first [TOP-13]
        return self._as_read(kid)

    def refresh(self, kid: str) -> PublicKey | None:
        raise NotImplementedError("inside the server tokens are checked in the event loop")

    async def refresh_async(self, kid: str) -> PublicKey | None:
        try:
            return await self._look_for(kid)
        except DatabaseUnavailable as error:
            found = self.get(kid)
            if found is None:
                raise StateUnavailable(str(error)) from error
            return found

    async def _look_for(self, kid: str) -> PublicKey | None:
        if self.must_reload:
            await self.reload()
        elif self.get(kid) is None:
            await self._look_again.run()
        # As it was read for this call: another change may have come since, and `get` would know
        # nothing until that one is read, too. A good token must not be refused for it.
        return self._as_read(kid)

    def _as_read(self, kid: str) -> PublicKey | None:
        return self._by_kid.get(kid)

    def _keys_are_new(self) -> bool:
        return self._source.monotonic() - self._keys_read_at <= FRESH_SECONDS

    async def reload(self) -> None:
        """Read keys and revoked tokens; again, when something changed meanwhile."""
        source = self._source
        while True:
            generation, asked_at = source.generation, source.monotonic()
            loaded_keys, revoked = await source.database.read(self._rows)
            if generation == source.generation:
                self._revoked.take(revoked)
                self.must_reload = False
                self._take(loaded_keys, asked_at)
                return

    async def _reload_keys(self) -> None:
        """Read keys alone; all, when something changed meanwhile."""
        source = self._source
        generation, asked_at = source.generation, source.monotonic()
        loaded = await source.database.read(self._key_rows)
        if generation == source.generation:
            self._take(loaded, asked_at)
        else:
            await self.reload()

    def _take(self, loaded: list[StoredKey], asked_at: float) -> None:
        self._keys, self._keys_read_at = loaded, asked_at
        self._by_kid = {s.times.kid: s.public for s in loaded}
        self._own = {s.key.kid: s.key for s in loaded if s.key is not None}
        self._own_times = [s.times for s in loaded if s.key is not None]

    def _key_rows(self, connection: Connection) -> list[StoredKey]:
        return keys.usable(connection, self._source.instance.id, self._kek, self._own)

    def _rows(self, connection: Connection) -> tuple[list[StoredKey], RevokedRows]:
        return self._key_rows(connection), self._revoked.read(connection)
