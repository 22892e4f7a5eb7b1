"""Back-channel logout: delivers the notices of ended sessions, and tries again [EXT-3]."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from mintgate.contract.clock import Clock
from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.identity.directory import Directory
from mintgate.identity.logout.failed import DeliveryFailed
from mintgate.identity.mint import mint_logout_token
from mintgate.store import AuditEvent, Database, DatabaseUnavailable, Transaction, logout_notices
from mintgate.store.logout_notices import Notice

if TYPE_CHECKING:
    from mintgate.identity.logout.targets import LogoutTargets

_log = logging.getLogger(__name__)
FIRST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 3600.0
GIVE_UP_SECONDS = 24 * 3600.0
"""After the end of the session."""
LEASE_SECONDS = 60.0
"""Longer than an attempt can take; after it another process may try."""
AT_ONCE = 32
OF_ONE_APPLICATION = 8
"""So that one that hangs does not keep the others waiting."""
LOOK_AGAIN_SECONDS = 60.0


def retry_seconds(attempts: int, chance: Callable[[], float] = random.random) -> float:
    """How long to wait after so many attempts: doubled each time, and spread by half.

    Args:
        chance: gives numbers from 0 to 1.
    """
    longest = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(attempts - 1, 20))
    return longest * (0.5 + chance() / 2)


class LogoutDelivery:
    """Delivers the notices of one instance from this process.

    Args:
        clock: Unix seconds.
    """

    def __init__(self, directory: Directory, database: Database, clock: Clock) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock
        self._claimant = secrets.token_hex(16)
        self._running: dict[asyncio.Task[None], str] = {}
        self._quiet_until = -math.inf

    @cached_property
    def _targets(self) -> LogoutTargets:
        # Its HTTP client is imported with the first notice; most processes never send one.
        from mintgate.identity.logout.targets import LogoutTargets

        instance = self._directory.instance
        return LogoutTargets(
            loopback_allowed=instance.is_loopback,
            private_allowed=instance.allow_private_logout_targets,
        )

    def wake(self) -> None:
        """A session has ended: look at the next chance."""
        self._quiet_until = -math.inf

    async def start_due(self) -> None:
        """Start delivering what is due; returns without waiting for any application."""
        free = AT_ONCE - len(self._running)
        now = self._clock()
        if now < self._quiet_until or free <= 0:
            return
        instance_id = self._directory.instance.id
        self._quiet_until = now + LOOK_AGAIN_SECONDS
        due = await self._database.read(lambda c: logout_notices.next_due(c, instance_id))
        if due is None or due > now:
            self._quiet_until = min(self._quiet_until, due or math.inf)
            return
        busy = [a for a, n in Counter(self._running.values()).items() if n >= OF_ONE_APPLICATION]

        def claim(tx: Transaction) -> list[Notice]:
            return logout_notices.claim(
                tx,
                instance_id,
                claimant=self._claimant,
                lease=LEASE_SECONDS,
                limit=min(free, OF_ONE_APPLICATION),
                without=busy,
            )

        notices = await self._database.write(claim)
        # Nothing but notices of applications that are busy: one of them ends soon, and wakes.
        self._quiet_until = min(self._quiet_until, now + (0.0 if notices else 1.0))
        for notice in notices:
            task = asyncio.create_task(self._deliver(notice))
            self._running[task] = notice.application_id
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Let go of what is going on; another process tries again when the lease is over."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self.wake()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease ends by itself, and then it is tried again.
            _log.error("a logout notice was left to the next attempt", exc_info=error)

    async def _deliver(self, notice: Notice) -> None:
        application = await self._directory.application_by_id(notice.application_id)
        url = application.back_channel_logout_url if application else None
        client_id = application.application_uri if application else None
        try:
            if url is None or client_id is None:
                await self._finish(notice, client_id, "the application has no such URL any more")
                return
            await self._attempt(notice, client_id, url)
        except DeliveryFailed as failed:
            await self._try_again_or_give_up(notice, client_id, str(failed))
        else:
            await self._finish(notice, client_id, None)

    async def _attempt(self, notice: Notice, client_id: str, url: str) -> None:
        try:
            key = await self._directory.signing_key()
        except (TemporarilyUnavailable, DatabaseUnavailable) as error:
            raise DeliveryFailed(str(error)) from error
        # A fresh one for each attempt: it lives two minutes only.
        token = mint_logout_token(
            client_id, notice.sid, notice.sub, int(self._clock()), self._directory.instance, key
        )
        await self._targets.post(url, token)

    async def _try_again_or_give_up(
        self, notice: Notice, client_id: str | None, cause: str
    ) -> None:
        until = self._clock() + retry_seconds(notice.attempts)
        if until > notice.created_at + GIVE_UP_SECONDS:
            await self._finish(notice, client_id, cause)
            return
        _log.info("%s was not told of a sign-out (%s); trying again", client_id, cause)
        instance_id = self._directory.instance.id
        await self._database.write(
            lambda tx: logout_notices.put_off(tx, instance_id, notice.id, self._claimant, until)
        )

    async def _finish(self, notice: Notice, client_id: str | None, failure: str | None) -> None:
        """Remove the notice, with the audit event of how it ended."""
        instance_id = self._directory.instance.id

        def work(tx: Transaction) -> None:
            if logout_notices.done(tx, instance_id, notice.id, self._claimant):
                tx.record(
                    AuditEvent(
                        instance_id=instance_id,
                        at=tx.now,
                        event="logout.delivery_failed" if failure else "logout.delivered",
                        application=client_id,
                        session=notice.sid,
                        cause=failure,
                        details={"attempts": notice.attempts},
                    )
                )

        await self._database.write(work)
