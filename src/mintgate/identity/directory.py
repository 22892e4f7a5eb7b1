"""What this process knows of an instance: applications, users, keys, revoked tokens.

Everything here is a copy of rows, bounded in size and age. A change drops the copies that it
concerns: at once for commits of this process, within a second for those of others [TOP-13].
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mintgate.contract.clock import Clock
from mintgate.contract.instance import Instance
from mintgate.contract.key_life import KeyTimes
from mintgate.identity.api_secrets import ApiSecrets
from mintgate.identity.application_facts import ApplicationFacts
from mintgate.identity.copies import RecordCopies, Source
from mintgate.identity.declared_apis import DeclaredApis
from mintgate.identity.live_keys import LiveKeys
from mintgate.identity.revoked import Revoked
from mintgate.identity.token_states import TokenStates
from mintgate.store import Change, Database
from mintgate.store.keys import KeyEncryptionKey

ELSEWHERE = frozenset({"reference", "sid", "erp_session"})
"""Kinds of changes that others keep copies of."""


class Directory:
    """One instance as this process knows it; also the state source and key source of verifiers.

    Args:
        is_fresh: whether the state feed was followed up to a second ago; when not, nothing
            copied is trusted and every look goes to the database.
        clock: Unix seconds.
        goes_on: whether tokens are judged by copies all the same, as the database is away.
    """

    def __init__(
        self,
        instance: Instance,
        database: Database,
        key_encryption_key: KeyEncryptionKey,
        is_fresh: Callable[[], bool],
        clock: Clock,
        monotonic: Clock = time.monotonic,
        goes_on: Callable[[], bool] = lambda: False,
    ) -> None:
        self.instance = instance
        self._kek = key_encryption_key
        self._source = Source(instance, database, is_fresh, clock, monotonic, goes_on)
        self._records = RecordCopies(self._source)
        self._revoked = Revoked(self._source)
        self._keys = LiveKeys(self._source, key_encryption_key, self._revoked)
        self._states = TokenStates(self._source, self._records, self._revoked)
        self._facts = ApplicationFacts(self._source)
        self._apis = DeclaredApis(self._source)
        self._api_secrets = ApiSecrets(self._source)
        self._name_parts()

    def _name_parts(self) -> None:
        # The methods of the parts themselves: a look at a copy is one call.
        self.cached_application = self._records.cached_application
        self.application = self._records.application
        self.application_by_id = self._records.application_by_id
        self.user = self._records.user
        self.known_user = self._records.known_user
        self.keep_user = self._records.keep_user
        self.issue_time = self._revoked.issue_time
        self.signing_key = self._keys.signing_key
        self.known_signing_key = self._keys.known_signing_key
        self.key_set = self._keys.key_set
        self.public_key = self._keys.public_key
        self.browser_origins = self._facts.browser_origins
        self.asks_for_consent = self._facts.asks_for_consent
        self.allows_basic = self._facts.allows_basic
        self.logout_channels = self._facts.logout_channels
        self.apis = self._apis.apis
        self.known_apis = self._apis.known_apis
        self.is_known_secret_of = self._api_secrets.is_known_secret_of
        self.is_secret_of = self._api_secrets.is_secret_of
        # The key source of the verifier inside the server, and its state source.
        self.get = self._keys.get
        self.refresh = self._keys.refresh
        self.refresh_async = self._keys.refresh_async
        self.find = self._states.find
        self.load = self._states.load
        self.load_async = self._states.load_async

    def derived_key(self, purpose: str) -> bytes:
        """32 secret bytes of this instance for one purpose, the same in every process."""
        return self._kek.derive(purpose, self.instance.id)

    @property
    def key_times(self) -> list[KeyTimes]:
        """When the keys that can sign here begin and end to; as read last."""
        return self._keys.times

    def now(self) -> float:
        """Unix seconds."""
        return self._source.clock()

    def stamp(self) -> int | None:
        """Which changes the copies know; another number after any, None when one may be missing."""
        return self._source.generation if self._source.is_fresh() else None

    async def start(self) -> None:
        """Load keys and revoked tokens."""
        await self._keys.reload()

    def apply(self, changes: list[Change]) -> None:
        """Drop what the committed changes concern."""
        for change in changes:
            if change.instance_id != self.instance.id:
                continue
            if change.kind in ELSEWHERE:
                continue
            self._source.generation += 1
            if change.kind == "application":
                self._records.drop_application(change.subject)
                self._facts.drop()
                self._revoked.note_not_before(change)
            elif change.kind == "user":
                self._records.users.drop(change.subject)
                self._revoked.note_not_before(change)
            elif change.kind == "jti":
                self._revoked.add(change.subject)
            else:
                if change.kind == "restored":
                    self._revoked.note_not_before(change)
                if change.kind == "instance":
                    self._records.drop_audiences()
                    self._apis.drop()
                    self._api_secrets.drop()
                self._keys.must_reload = True
