"""Delivers events to applications, three times more when they do not take them [EVT-8..10]."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from mintgate.contract.clock import Clock
from mintgate.contract.instance import Instance
from mintgate.contract.lifecycle_events import envelope_of
from mintgate.identity.lifecycle.telling import is_outdated, opened
from mintgate.identity.outgoing.failed import DeliveryFailed, GivenUp
from mintgate.identity.outgoing.rounds import Claiming, Pace, Queue, Rounds, spread
from mintgate.store import Database, DatabaseUnavailable, Transaction, lifecycle_events
from mintgate.store.key_encryption import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.lifecycle_events import StoredEvent
from mintgate.store.marketplace_keys import signing

if TYPE_CHECKING:
    from mintgate.identity.outgoing.targets import Targets

_log = logging.getLogger(__name__)
RETRY_SECONDS = (10.0, 60.0, 600.0)
"""[EVT-9] At most, before each of the three further attempts."""
LOOK_AGAIN_SECONDS = 10.0
"""For what other processes have written, and the state feed does not tell of."""


class LifecycleDelivery:
    """Delivers the events of one instance from this process.

    Args:
        clock: Unix seconds.
    """

    def __init__(
        self,
        instance: Instance,
        database: Database,
        key_encryption_key: KeyEncryptionKey,
        clock: Clock,
    ) -> None:
        self._instance = instance
        self._database = database
        self._kek = key_encryption_key
        self._clock = clock
        pace = Pace(LOOK_AGAIN_SECONDS)
        queue = Queue(self._next_due, self._claim, lambda event: event.application_id, pace)
        self.rounds: Rounds[StoredEvent] = Rounds(database, queue, self._deliver, clock)

    @cached_property
    def _targets(self) -> Targets:
        # Its HTTP client is imported with the first event; most processes never send one.
        from mintgate.identity.outgoing.targets import Targets

        # [EVT-10] The events hold secrets: no setting lets them go to private addresses.
        return Targets(
            loopback_allowed=self._instance.is_loopback, private_allowed=False, https_only=True
        )

    def _next_due(self, connection: Connection) -> float | None:
        return lifecycle_events.next_due(connection, self._instance.id)

    def _claim(self, tx: Transaction, wanted: Claiming) -> list[StoredEvent]:
        return lifecycle_events.claim(tx, self._instance.id, **wanted._asdict())

    async def _deliver(self, event: StoredEvent) -> None:
        try:
            body = await self._signed(event)
            await self._targets.post(event.redirect_uri, "application/json", body)
        except DeliveryFailed as failed:
            await self._try_again_or_give_up(event, failed)
        else:
            await self._finish(event, None)

    async def _signed(self, event: StoredEvent) -> bytes:
        """The body, signed with the key of this moment. Raises DeliveryFailed."""
        try:
            # Off the event loop: opening a key checks it.
            return await self._database.read(lambda c: self._body(c, event))
        except KeyEncryptionProblem:
            # Another process may have the key: while it is being changed, some have the old one.
            raise DeliveryFailed("it was sealed with another key-encryption key") from None
        except DatabaseUnavailable as error:
            raise DeliveryFailed(str(error)) from error

    def _body(self, connection: Connection, event: StoredEvent) -> bytes:
        instance = self._instance
        key = signing(connection, instance.id, self._kek)
        if key is None:
            raise GivenUp("this instance has no marketplace key any more")
        told = opened(event, instance.id, instance.base_url, self._kek)
        if is_outdated(connection, instance.id, event, told.credentials, self._clock()):
            raise GivenUp("what it gives has ended by now; send it again to give something new")
        payload = told.payload()
        return envelope_of(payload, key.signature_of(payload))

    async def _try_again_or_give_up(self, event: StoredEvent, failed: DeliveryFailed) -> None:
        cause = str(failed)
        # An attempt that a process did not live to end counts: it may have arrived.
        if isinstance(failed, GivenUp) or event.attempts > len(RETRY_SECONDS):
            await self._finish(event, cause)
            return
        until = self._clock() + spread(RETRY_SECONDS[event.attempts - 1])
        _log.info("%s was not told (%s); trying again", event.application_uri, cause)
        instance_id = self._instance.id
        await self._database.write(
            lambda tx: lifecycle_events.put_off(
                tx, instance_id, event.id, self.rounds.claimant, until, cause
            )
        )

    async def _finish(self, event: StoredEvent, failure: str | None) -> None:
        """Note how it ended, with the audit event of it."""
        instance_id = self._instance.id
        if failure is not None:
            _log.warning("%s was not told, and is not any more: %s", event.application_uri, failure)

        def work(tx: Transaction) -> None:
            if lifecycle_events.end(tx, instance_id, event.id, self.rounds.claimant, failure):
                tx.record(lifecycle_events.told(instance_id, event, tx.now, failure))

        await self._database.write(work)
