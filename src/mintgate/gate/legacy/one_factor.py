"""Whose password alone is enough: the others cannot use the legacy schemes [LEG-6]."""

from __future__ import annotations

from collections.abc import Callable

from mintgate.contract.clock import Clock
from mintgate.contract.instance import Instance
from mintgate.contract.second_factors import asks_for_one
from mintgate.contract.users import User
from mintgate.store import Database, second_factors

KEPT_SECONDS = 60.0
MAX_KEPT = 10_000


class OneFactorUsers:
    """Remembers for a minute who has no second factor; a change of the user ends that at once.

    Args:
        is_fresh: whether the state feed is followed up to now; when not, nothing kept is trusted.
        clock: Unix seconds.
    """

    def __init__(
        self, instance: Instance, database: Database, is_fresh: Callable[[], bool], clock: Clock
    ) -> None:
        self._instance = instance
        self._database = database
        self._is_fresh = is_fresh
        self._clock = clock
        self._kept: dict[str, float] = {}
        self._generation = 0

    async def lacks(self, user: User) -> bool:
        """Whether something is lacking when this user shows a password alone.

        Raises:
            DatabaseUnavailable: it is not known here.
        """
        if not asks_for_one(self._instance, user.user_type, has_any=True):
            return False  # nobody of this type is asked for one
        now, at = self._clock(), self._kept.get(user.id)
        if at is not None and self._is_fresh() and 0 <= now - at < KEPT_SECONDS:
            return False
        generation = self._generation
        has_any = await self._database.read(
            lambda c: second_factors.is_enabled(c, self._instance.id, user.id)
        )
        if asks_for_one(self._instance, user.user_type, has_any=has_any):
            return True
        if generation == self._generation:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[user.id] = now
        return False

    def forget(self, user_id: str) -> None:
        """The user changed."""
        self._generation += 1
        self._kept.pop(user_id, None)
