"""Back-channel logout: delivers the notices of ended sessions, and tries again [EXT-3]."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from sqlalchemy import Connection

from mintgate.contract.clock import Clock
from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.identity.directory import Directory
from mintgate.identity.forms import FORM_TYPE
from mintgate.identity.mint import mint_logout_token
from mintgate.identity.outgoing.failed import DeliveryFailed
from mintgate.identity.outgoing.rounds import Claiming, Pace, Queue, Rounds, retry_seconds
from mintgate.store import AuditEvent, Database, DatabaseUnavailable, Transaction, logout_notices
from mintgate.store.logout_notices import Notice

if TYPE_CHECKING:
    from mintgate.identity.outgoing.targets import Targets

_log = logging.getLogger(__name__)
GIVE_UP_SECONDS = 24 * 3600.0
"""After the end of the session."""
LOOK_AGAIN_SECONDS = 60.0


class LogoutDelivery:
    """Delivers the notices of one instance from this process.

    Args:
        clock: Unix seconds.
    """

    def __init__(self, directory: Directory, database: Database, clock: Clock) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock
        pace = Pace(LOOK_AGAIN_SECONDS)
        queue = Queue(self._next_due, self._claim, lambda notice: notice.application_id, pace)
        self.rounds: Rounds[Notice] = Rounds(database, queue, self._deliver, clock)

    @cached_property
    def _targets(self) -> Targets:
        # Its HTTP client is imported with the first notice; most processes never send one.
        from mintgate.identity.outgoing.targets import Targets

        instance = self._directory.instance
        return Targets(
            loopback_allowed=instance.is_loopback,
            private_allowed=instance.allow_private_logout_targets,
        )

    def _next_due(self, connection: Connection) -> float | None:
        return logout_notices.next_due(connection, self._directory.instance.id)

    def _claim(self, tx: Transaction, wanted: Claiming) -> list[Notice]:
        return logout_notices.claim(tx, self._directory.instance.id, **wanted._asdict())

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
        body = urlencode({"logout_token": token}).encode()
        # OpenID Connect Back-Channel Logout §2.5.
        await self._targets.post(url, FORM_TYPE, body)

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
            lambda tx: logout_notices.put_off(
                tx, instance_id, notice.id, self.rounds.claimant, until
            )
        )

    async def _finish(self, notice: Notice, client_id: str | None, failure: str | None) -> None:
        """Remove the notice, with the audit event of how it ended."""
        instance_id = self._directory.instance.id

        def work(tx: Transaction) -> None:
            if logout_notices.done(tx, instance_id, notice.id, self.rounds.claimant):
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
