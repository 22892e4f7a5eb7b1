"""A warning in the audit log at each use of a legacy scheme, without a write for each request.

The first use by a caller is written at once; those that follow within ten minutes are counted and
written as one event with `details.count`.
"""

from __future__ import annotations

import logging

import msgspec

from mintgate.contract.clock import Clock
from mintgate.contract.legacy import LegacyScheme
from mintgate.store import AuditEvent, Database, DatabaseUnavailable
from mintgate.store.legacy_uses import EVENT
from mintgate.verify.principal import Principal

WINDOW = 600.0
"""Seconds."""
MAX_CALLERS = 4096
"""Beyond, each use is an event of its own: only who was let in is counted here."""
WARNING = "deprecated: move this integration to OAuth"
_log = logging.getLogger(__name__)
_Caller = tuple[LegacyScheme, str, str, str | None, str]
"""Scheme, API, `client_id`, user id, address."""


class _Window(msgspec.Struct):
    begun_at: float
    login: str
    count: int = 0
    """Uses that are not written yet."""


class LegacyUses:
    """Writes who uses the legacy schemes of an instance.

    Args:
        clock: Unix seconds.
    """

    def __init__(self, instance_id: str, database: Database, clock: Clock) -> None:
        self._instance_id = instance_id
        self._database = database
        self._clock = clock
        self._windows: dict[_Caller, _Window] = {}

    async def note(
        self, scheme: LegacyScheme, api: str, principal: Principal, address: str
    ) -> None:
        """Note one use; written down before the request goes on when it is the first one."""
        caller = (scheme, api, principal.client_id, principal.user_id, address)
        window = self._windows.get(caller)
        if window is not None:
            window.count += 1
            return
        now = self._clock()
        if len(self._windows) < MAX_CALLERS:
            window = self._windows[caller] = _Window(now, principal.login)
        if not await self._write(caller, principal.login, 1, now) and window is not None:
            window.count += 1

    async def flush(self, *, everything: bool = False) -> None:
        """Write down what was counted in windows that are over.

        Args:
            everything: also of those that are not, as the server ends.
        """
        now = self._clock()
        for caller, window in list(self._windows.items()):
            if not everything and 0 <= now - window.begun_at < WINDOW:
                continue
            count, window.count = window.count, 0
            if count and not await self._write(caller, window.login, count, window.begun_at):
                window.count += count
                continue
            if not window.count:
                self._windows.pop(caller, None)

    async def _write(self, caller: _Caller, login: str, count: int, since: float) -> bool:
        scheme, api, client_id, user_id, address = caller
        event = AuditEvent(
            instance_id=self._instance_id,
            at=self._clock(),
            event=EVENT,
            actor=login,
            actor_id=user_id,
            application=client_id,
            address=address or None,
            details={
                "warning": WARNING,
                "scheme": str(scheme),
                "api": api,
                "count": count,
                "since": since,
            },
        )
        try:
            await self._database.record(event)
        except DatabaseUnavailable as error:
            _log.error("the use of %s by %s is not in the audit log: %s", scheme, client_id, error)
            return False
        return True
