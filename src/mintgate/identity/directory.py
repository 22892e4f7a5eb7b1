"""What this process knows of an instance: applications, users, keys, revoked tokens.

Everything here is a copy of rows, bounded in size and age. A change drops the copies that it
concerns: at once for commits of this process, within a second for those of others [TOP-13].
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Connection

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.clock import Clock
from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.contract.instance import Instance
from mintgate.contract.key_life import KeyTimes, active_key
from mintgate.contract.redirects import origin_of, registered_uris
from mintgate.contract.users import User
from mintgate.identity.coalesced import Coalesced
from mintgate.jose import KeySet, PublicKey, SigningKey
from mintgate.store import (
    Change,
    Database,
    DatabaseUnavailable,
    applications,
    keys,
    revocations,
    users,
)
from mintgate.store.follower import FRESH_SECONDS
from mintgate.store.keys import KeyEncryptionKey, StoredKey
from mintgate.verify.state import StateUnavailable, TokenState, UserState

V = TypeVar("V")
MAX_ENTRIES = 10_000
MAX_AGE_SECONDS = 300.0
LOOK_AGAIN_SECONDS = 0.1
"""Between two looks for an unknown `kid`: forged tokens cost at most ten small reads a second."""
Revoked = dict[str, float]
ELSEWHERE = frozenset({"reference", "sid"})
"""Kinds of changes that others keep copies of."""


class _Copies(Generic[V]):
    """A bounded map from a key to a copy and the moment it was made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[V, float]] = {}

    def get(self, key: str) -> V | None:
        entry = self._entries.get(key)
        if entry is None or self._clock() - entry[1] > MAX_AGE_SECONDS:
            return None
        return entry[0]

    def put(self, key: str, value: V) -> None:
        self._entries.pop(key, None)
        if len(self._entries) >= MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (value, self._clock())

    def drop(self, key: str) -> None:
        self._entries.pop(key, None)

    def drop_where(self, condition: Callable[[V], bool]) -> None:
        for key in [key for key, (value, _) in self._entries.items() if condition(value)]:
            del self._entries[key]


class LogoutChannels(NamedTuple):
    """Whether any application wants to be told of sign-outs, and how [EXT-3]."""

    back: bool
    front: bool


class Directory:
    """One instance as this process knows it; also the state source and key source of verifiers.

    Args:
        is_fresh: whether the state feed was followed up to a second ago; when not, nothing
            copied is trusted and every look goes to the database.
        clock: Unix seconds.
    """

    def __init__(
        self,
        instance: Instance,
        database: Database,
        key_encryption_key: KeyEncryptionKey,
        is_fresh: Callable[[], bool],
        clock: Clock,
        monotonic: Clock = time.monotonic,
    ) -> None:
        self.instance = instance
        self._database = database
        self._kek = key_encryption_key
        self._is_fresh = is_fresh
        self._clock = clock
        self._applications: _Copies[TrustedApplication] = _Copies(monotonic)
        self._users: _Copies[User] = _Copies(monotonic)
        self._keys: list[StoredKey] = []
        self._keys_read_at = float("-inf")
        self._monotonic = monotonic
        self._own: dict[str, SigningKey] = {}
        self._own_times: list[KeyTimes] = []
        # A key that another process made a moment ago may sign before the feed tells of it.
        self._look_again = Coalesced(self._reload_keys, LOOK_AGAIN_SECONDS, monotonic)
        self._revoked: Revoked = {}
        self._not_before: dict[str, int] = {}
        self._origins: frozenset[str] | None = None
        self._asks_for_consent: bool | None = None
        self._logout_channels: LogoutChannels | None = None
        self._logout_channels_hold = False
        # Counts changes: a copy that was read before a change must not be kept after it.
        self._generation = 0
        self._must_reload = False

    def derived_key(self, purpose: str) -> bytes:
        """32 secret bytes of this instance for one purpose, the same in every process."""
        return self._kek.derive(purpose, self.instance.id)

    async def start(self) -> None:
        """Load keys and revoked tokens."""
        await self._reload()

    def apply(self, changes: list[Change]) -> None:
        """Drop what the committed changes concern."""
        for change in changes:
            if change.instance_id != self.instance.id:
                continue
            if change.kind in ELSEWHERE:
                continue
            self._generation += 1
            if change.kind == "application":
                self._applications.drop_where(partial(_has_id, change.subject))
                self._origins = None
                self._asks_for_consent = None
                self._note_not_before(change)
                self._logout_channels_hold = False
            elif change.kind == "user":
                self._users.drop(change.subject)
                self._note_not_before(change)
            elif change.kind == "jti":
                # Kept for the longest life of a token; a reload brings the exact time.
                self._revoked[change.subject] = self._clock() + 86_400
            else:
                self._must_reload = True

    def _note_not_before(self, change: Change) -> None:
        not_before = change.data.get("not_before")
        if not_before is not None:
            self._not_before[change.subject] = not_before

    def issue_time(self, application: TrustedApplication, user: User) -> int:
        """The `iat` of a token issued now: the present second.

        In the second of a 'revoke everything' it is the next one, lest the new token be taken
        for an old one.
        """
        return max(
            int(self._clock()),
            self._not_before.get(application.id, 0),
            self._not_before.get(user.id, 0),
        )

    def cached_application(self, client_id: str) -> TrustedApplication | None:
        return self._applications.get(client_id) if self._is_fresh() else None

    async def application(self, client_id: str) -> TrustedApplication | None:
        """The application with exactly this `ApplicationUri`, enabled or not."""
        known = self.cached_application(client_id)
        if known is not None:
            return known
        generation = self._generation
        found = await self._database.read(
            lambda connection: applications.by_uri(connection, self.instance.id, client_id)
        )
        if found is not None and generation == self._generation:
            self._applications.put(client_id, found)
        return found

    async def application_by_id(self, application_id: str) -> TrustedApplication | None:
        return await self._database.read(
            lambda connection: applications.by_id(connection, self.instance.id, application_id)
        )

    async def user(self, user_id: str) -> User | None:
        known = self._users.get(user_id) if self._is_fresh() else None
        if known is not None:
            return known
        generation = self._generation
        found = await self._database.read(
            lambda connection: users.by_id(connection, self.instance.id, user_id)
        )
        if found is not None and generation == self._generation:
            self._users.put(user_id, found)
        return found

    async def signing_key(self) -> SigningKey:
        """The newest key that is active now.

        Raises:
            TemporarilyUnavailable: the instance has none.
        """
        if self._must_reload:
            await self._reload()
        elif not (self._is_fresh() or self._keys_are_new()):
            await self._look_again.run()  # the key may have ended: nothing more is signed with it
        active = active_key(self._own_times, self._clock())
        if active is None:
            raise TemporarilyUnavailable(cause="the instance has no signing key that opens here")
        return self._own[active.kid]

    async def key_set(self) -> KeySet:
        """What the JWKS publishes."""
        if self._must_reload:
            await self._reload()
        return KeySet(stored.public for stored in self._keys)

    async def public_key(self, kid: str) -> PublicKey | None:
        """The key that has this name now; None when there is none or it has ended."""
        await self._look_for(kid)
        return self.get(kid)

    def now(self) -> float:
        """Unix seconds."""
        return self._clock()

    async def browser_origins(self) -> frozenset[str]:
        """Origins of the redirect URIs of enabled applications [EP-8]."""
        if self._origins is not None and self._is_fresh():
            return self._origins
        generation = self._generation
        everyone = await self._database.read(
            lambda connection: applications.all_of(connection, self.instance.id)
        )
        origins = frozenset(
            origin
            for application in everyone
            if application.is_enabled
            for uri in registered_uris(application.impersonate_login_url)
            if (origin := origin_of(uri)) is not None
        )
        if generation == self._generation:
            self._origins = origins
        return origins

    async def asks_for_consent(self) -> bool:
        """Whether some enabled application has its users asked [EXT-2].

        Raises:
            DatabaseUnavailable: it is not known, and cannot be looked up now.
        """
        if self._asks_for_consent is not None and self._is_fresh():
            return self._asks_for_consent
        generation = self._generation
        asks = await self._database.read(
            lambda connection: applications.some_requires_consent(connection, self.instance.id)
        )
        if generation == self._generation:
            self._asks_for_consent = asks
        return asks

    async def logout_channels(self) -> LogoutChannels:
        """What the metadata says of logout; the last known while the database is away [EXT-3]."""
        known = self._logout_channels
        if known is not None and self._logout_channels_hold and self._is_fresh():
            return known
        generation = self._generation
        try:
            everyone = await self._database.read(
                lambda connection: applications.all_of(connection, self.instance.id)
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
        self._logout_channels_hold = generation == self._generation
        return found

    # The key source of the verifier inside the server.

    def get(self, kid: str) -> PublicKey | None:
        if self._must_reload or not (self._is_fresh() or self._keys_are_new()):
            return None  # a key may have ended: `refresh_async` is asked first [TOP-13]
        return next((stored.public for stored in self._keys if stored.times.kid == kid), None)

    def refresh(self, kid: str) -> None:
        raise NotImplementedError("inside the server tokens are checked in the event loop")

    async def refresh_async(self, kid: str) -> None:
        try:
            await self._look_for(kid)
        except DatabaseUnavailable as error:
            raise StateUnavailable(str(error)) from error

    async def _look_for(self, kid: str) -> None:
        if self._must_reload:
            await self._reload()
        elif self.get(kid) is None:
            await self._look_again.run()

    def _keys_are_new(self) -> bool:
        return self._monotonic() - self._keys_read_at <= FRESH_SECONDS

    # Its state source [API-13, API-14].

    def find(self, claims: dict[str, Any], token: str) -> TokenState | None:
        if not self._is_fresh():
            return None
        user_id = claims.get("client_system_user_id") or claims.get("sub_id")
        application = self._applications.get(claims["client_id"])
        user = self._users.get(user_id) if isinstance(user_id, str) else None
        if application is None or user is None:
            return None
        return self._state(claims, application, user, self._is_revoked(claims, application, user))

    def load(self, claims: dict[str, Any], token: str) -> TokenState:
        return self._database.read_now(lambda connection: self._load(connection, claims))

    async def load_async(self, claims: dict[str, Any], token: str) -> TokenState:
        try:
            return await self._load_async(claims)
        except DatabaseUnavailable as error:
            raise StateUnavailable(str(error)) from error

    async def _load_async(self, claims: dict[str, Any]) -> TokenState:
        generation = self._generation
        application = await self.application(claims["client_id"])
        user_id = claims.get("client_system_user_id") or claims.get("sub_id")
        if application is None or not isinstance(user_id, str) or not self._is_fresh():
            return await self._database.read(lambda connection: self._load(connection, claims))
        user = await self.user(user_id)
        if generation != self._generation:
            return await self._database.read(lambda connection: self._load(connection, claims))
        return self._state(claims, application, user, self._is_revoked(claims, application, user))

    def _is_revoked(
        self, claims: dict[str, Any], application: TrustedApplication, user: User | None
    ) -> bool:
        if claims["jti"] in self._revoked:
            return True
        not_before = self._not_before
        if not not_before:
            return False
        ended = max(not_before.get(application.id, 0), not_before.get(user.id, 0) if user else 0)
        return bool(claims["iat"] < ended)

    def _load(self, connection: Connection, claims: dict[str, Any]) -> TokenState:
        instance_id = self.instance.id
        application = applications.by_uri(connection, instance_id, claims["client_id"])
        user_id = claims.get("client_system_user_id") or claims.get("sub_id")
        login = claims.get("client_system_user")
        user = None
        if isinstance(user_id, str):
            user = users.by_id(connection, instance_id, user_id)
        elif isinstance(login, str):  # [TOK-42] readers accept the absence of the id
            user = users.by_login(connection, instance_id, login)
        revoked = revocations.is_revoked(connection, instance_id, claims["jti"])
        for record in (application, user):
            ended = revocations.not_before(connection, instance_id, record.id) if record else None
            revoked = revoked or (ended is not None and claims["iat"] < ended)
        return self._state(claims, application, user, revoked)

    def _state(
        self,
        claims: dict[str, Any],
        application: TrustedApplication | None,
        user: User | None,
        revoked: bool,
    ) -> TokenState:
        return TokenState(
            revoked=revoked,
            application_enabled=application.is_enabled if application else None,
            user=UserState(user.active, user.is_locked(self._clock()), user.user_type)
            if user
            else None,
        )

    async def _reload(self) -> None:
        """Read keys and revoked tokens; again, when something changed meanwhile."""
        while True:
            generation, asked_at = self._generation, self._monotonic()
            loaded = await self._database.read(self._rows)
            if generation == self._generation:
                loaded_keys, self._revoked, self._not_before = loaded
                self._must_reload = False
                self._take(loaded_keys, asked_at)
                return

    async def _reload_keys(self) -> None:
        """Read keys alone; all, when something changed meanwhile."""
        generation, asked_at = self._generation, self._monotonic()
        loaded = await self._database.read(self._key_rows)
        if generation == self._generation:
            self._take(loaded, asked_at)
        else:
            await self._reload()

    def _take(self, loaded: list[StoredKey], asked_at: float) -> None:
        self._keys, self._keys_read_at = loaded, asked_at
        self._own = {s.key.kid: s.key for s in loaded if s.key is not None}
        self._own_times = [s.times for s in loaded if s.key is not None]

    def _key_rows(self, connection: Connection) -> list[StoredKey]:
        return keys.usable(connection, self.instance.id, self._kek, self._own)

    def _rows(self, connection: Connection) -> tuple[list[StoredKey], Revoked, dict[str, int]]:
        instance_id = self.instance.id
        return (
            self._key_rows(connection),
            revocations.live(connection, instance_id, self._clock()),
            revocations.all_not_before(connection, instance_id),
        )


def _has_id(application_id: str, application: TrustedApplication) -> bool:
    return application.id == application_id
