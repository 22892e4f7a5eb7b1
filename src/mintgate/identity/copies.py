"""Copies of an instance's applications and users, bounded in size and age."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from msgspec.structs import replace
from sqlalchemy import Connection

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.clock import Clock
from mintgate.contract.instance import Instance
from mintgate.contract.users import User
from mintgate.store import Database, apis, applications, users

V = TypeVar("V")
MAX_ENTRIES = 10_000
MAX_AGE_SECONDS = 300.0


@dataclass(slots=True)
class Source:
    """Where copies come from: the rows of one instance, and whether what was read still holds.

    Args:
        is_fresh: whether the state feed was followed up to a second ago; when not, nothing
            copied is trusted and every look goes to the database.
        clock: Unix seconds.
        goes_on: whether tokens are judged by copies that are not fresh, as the database is away.
        generation: counts changes: a copy that was read before a change must not be kept after
            it.
    """

    instance: Instance
    database: Database
    is_fresh: Callable[[], bool]
    clock: Clock
    monotonic: Clock = time.monotonic
    goes_on: Callable[[], bool] = lambda: False
    generation: int = 0

    def holds(self) -> bool:
        """Whether a token may be judged by what is known here."""
        return self.is_fresh() or self.goes_on()


class Copies(Generic[V]):
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


class RecordCopies:
    """The applications and users of an instance, from a copy where there is one."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.applications: Copies[TrustedApplication] = Copies(source.monotonic)
        """By `ApplicationUri`."""
        self.users: Copies[User] = Copies(source.monotonic)
        """By id."""

    def drop_application(self, application_id: str) -> None:
        self.applications.drop_where(partial(_has_id, application_id))

    def drop_audiences(self) -> None:
        """An API may have been declared or removed."""
        self.applications.drop_where(lambda application: application.audiences is not None)

    def cached_application(self, client_id: str) -> TrustedApplication | None:
        return self.applications.get(client_id) if self._source.is_fresh() else None

    async def application(self, client_id: str) -> TrustedApplication | None:
        """The application with exactly this `ApplicationUri`, enabled or not.

        Its `Audiences` are those that the instance still declares [EXT-12], so that who mints a
        token need not ask.
        """
        known = self.cached_application(client_id)
        if known is not None:
            return known
        source = self._source
        generation = source.generation
        found = await source.database.read(
            lambda connection: _application(connection, source.instance.id, client_id)
        )
        if found is not None and generation == source.generation:
            self.applications.put(client_id, found)
        return found

    async def application_by_id(self, application_id: str) -> TrustedApplication | None:
        source = self._source
        return await source.database.read(
            lambda connection: applications.by_id(connection, source.instance.id, application_id)
        )

    async def user(self, user_id: str) -> User | None:
        source = self._source
        known = self.users.get(user_id) if source.is_fresh() else None
        if known is not None:
            return known
        generation = source.generation
        found = await source.database.read(
            lambda connection: users.by_id(connection, source.instance.id, user_id)
        )
        if found is not None and generation == source.generation:
            self.users.put(user_id, found)
        return found


def _application(
    connection: Connection, instance_id: str, client_id: str
) -> TrustedApplication | None:
    found = applications.by_uri(connection, instance_id, client_id)
    if found is None or found.audiences is None:
        return found
    declared = apis.names_of(connection, instance_id)
    return replace(found, audiences=" ".join(n for n in found.audience_names if n in declared))


def _has_id(application_id: str, application: TrustedApplication) -> bool:
    return application.id == application_id
