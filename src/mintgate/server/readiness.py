"""Whether this process can do its work now, and if not, why: the answer of `/readyz`.

Balancers ask often and from everywhere, so it costs one small read a second at most, and tells no
more than which check failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from mintgate.contract.clock import Clock
from mintgate.contract.errors import Refusal
from mintgate.gate.draining import Draining
from mintgate.store import Database, DatabaseUnavailable
from mintgate.store.schema import SchemaCheck

KEPT_SECONDS = 1.0
PATIENCE_SECONDS = 2.0
"""Balancers do not wait long; a database that hangs is as good as one that is away."""


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `/readyz` says.

    Args:
        status: `ok` or `not ready`.
        failed: the names of the checks that failed: `draining`, `database`, `schema`, `instances`,
            `state_feed`, `signing_keys`.
    """

    status: str
    failed: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        return not self.failed

    @classmethod
    def of(cls, failed: Iterable[str]) -> Readiness:
        names = tuple(failed)
        return cls("not ready" if names else "ok", names)


class ReadinessCheck:
    """Looks, and remembers for a second.

    Args:
        is_fresh: whether the state feed is followed up to now.
        signing_keys: of every instance, gives the key that signs now.
        draining: whether the server ends.
        monotonic: seconds.
    """

    def __init__(
        self,
        database: Database,
        is_fresh: Callable[[], bool],
        signing_keys: Callable[[], list[Callable[[], Awaitable[object]]]],
        draining: Draining,
        monotonic: Clock,
    ) -> None:
        self._database = database
        self._is_fresh = is_fresh
        self._signing_keys = signing_keys
        self._draining = draining
        self._monotonic = monotonic
        self._schema = SchemaCheck()
        self._looked_at = float("-inf")
        self._found: tuple[str, ...] = ()
        self._looking: asyncio.Task[tuple[str, ...]] | None = None

    async def look(self) -> Readiness:
        """How things stand, at most a second ago."""
        if self._draining.is_announced:
            return Readiness.of(["draining"])
        if self._monotonic() - self._looked_at > KEPT_SECONDS:
            self._found = await self._look_together()
        # Known without a look, and so true to the moment.
        is_fresh = self._is_fresh()
        return Readiness.of([*self._found, *([] if is_fresh else ["state_feed"])])

    async def _look_together(self) -> tuple[str, ...]:
        """One look for all who ask; one that hangs stays the only one."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._looked)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await asyncio.shield(self._looking)
        except TimeoutError:
            return ("database",)

    def _looked(self, done: asyncio.Task[tuple[str, ...]]) -> None:
        self._looking = None
        if not done.cancelled() and done.exception() is None:
            self._looked_at = self._monotonic()

    async def _look(self) -> tuple[str, ...]:
        try:
            is_known = await self._database.read(self._schema.has_all)
        except DatabaseUnavailable:
            return ("database",)
        if not is_known:
            return ("schema",)
        keys = self._signing_keys()
        if not keys:
            return ("instances",)
        try:
            for signing_key in keys:
                await signing_key()
        except DatabaseUnavailable:
            return ("database",)
        except Refusal:
            return ("signing_keys",)
        return ()
