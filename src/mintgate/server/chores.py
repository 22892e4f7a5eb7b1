"""What a server does for its instances from time to time, and once more before it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator

from mintgate.gate.shared_counters import EXCHANGE_SECONDS
from mintgate.identity.auditing import flush_refusals
from mintgate.identity.key_rotation import keep_keys
from mintgate.server.instance_application import InstanceApplication
from mintgate.store import (
    Database,
    DatabaseUnavailable,
    application_secrets,
    housekeeping,
    token_reminders,
)
from mintgate.store.audit.keeping import CHECKPOINT_SECONDS, keep_audit, last_checkpoint
from mintgate.store.audit_counts import keep_counts
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.pacing import bit_by_bit

_log = logging.getLogger(__name__)
SWEEP_SECONDS = 600.0
FLUSH_SECONDS = 15.0
SESSION_SECONDS = 14.0
"""Less than the 15 that touches may wait, as flushing takes its time [SES-27]."""
OUTBOX_SECONDS = 0.25
COUNT_SECONDS = 20.0


class Chores:
    """Keeps house for every instance of one database, in tasks that nothing ends but `stop`.

    Args:
        instances: gives those that are served now.
    """

    def __init__(
        self,
        database: Database,
        key_encryption_key: KeyEncryptionKey,
        instances: Callable[[], list[InstanceApplication]],
    ) -> None:
        self._database = database
        self._kek = key_encryption_key
        self._instances = instances
        self.tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, on the event loop that runs."""
        self.tasks = [
            asyncio.create_task(self._for_ever(seconds, work))
            for seconds, work in (
                (SWEEP_SECONDS, self.sweep),
                (SWEEP_SECONDS, self.purge),
                (FLUSH_SECONDS, self.flush),
                (SESSION_SECONDS, self.keep_sessions),
                (EXCHANGE_SECONDS, self.keep_limits),
                (CHECKPOINT_SECONDS, self.keep_audit),
                (COUNT_SECONDS, self.keep_counts),
                (OUTBOX_SECONDS, self.deliver),
            )
        ]

    async def stop(self) -> None:
        """End the tasks, and write down what only this process has."""
        for task in self.tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for instance in self._instances():
            with contextlib.suppress(DatabaseUnavailable):
                await self.flush(instance)
            await instance.legacy_uses.flush(everything=True)
            with contextlib.suppress(DatabaseUnavailable):
                await instance.erp_sessions.flush()
            await instance.limits.keep()
            for rounds in instance.outboxes:
                await rounds.stop()
        await flush_refusals(self._database, everything=True)
        for instance in self._instances():
            with _logged(f"the last checkpoint of {instance.instance.name}"):
                await last_checkpoint(self._database, instance.instance.id, self._kek)

    async def sweep(self, instance: InstanceApplication) -> None:
        """Change keys when it is time, forget what has ended, remind of what ends soon."""
        instance_id = instance.instance.id
        await keep_keys(self._database, instance_id, self._kek)
        await instance.start()  # forgets revoked tokens that have ended
        await self._database.write(lambda tx: application_secrets.remind(tx, instance_id))
        await bit_by_bit(self._database, lambda tx: token_reminders.remind(tx, instance_id))

    async def purge(self, instance: InstanceApplication) -> None:
        """Remove old rows."""
        # A task of its own: millions of rows may take an hour, and keys do not wait for them.
        instance_id = instance.instance.id
        await bit_by_bit(self._database, lambda tx: housekeeping.sweep_some(tx, instance_id))

    async def flush(self, instance: InstanceApplication) -> None:
        """Write down uses and refusals that were put off."""
        await flush_refusals(self._database)  # of all instances; the first one does it
        await instance.references.flush()
        await instance.legacy_uses.flush()
        await instance.client_tries.flush()

    async def keep_sessions(self, instance: InstanceApplication) -> None:
        """Write down who used a session, and close those that nobody used."""
        await instance.erp_sessions.flush()
        await instance.erp_sessions.sweep()

    async def keep_limits(self, instance: InstanceApplication) -> None:
        """Exchange the counts of requests with other servers."""
        await instance.limits.keep()

    async def keep_audit(self, instance: InstanceApplication) -> None:
        """Sign the audit log, and remove what is too old."""
        await keep_audit(self._database, instance.instance, self._kek)

    async def keep_counts(self, instance: InstanceApplication) -> None:
        """Add up what pages tell of the audit log."""
        await keep_counts(self._database, instance.instance.id)

    async def deliver(self, instance: InstanceApplication) -> None:
        """Start what is due in the outboxes; nobody waits for a receiver."""
        for rounds in instance.outboxes:
            with _logged(f"delivering for {instance.instance.name}"):
                await rounds.start_due()

    async def _for_ever(
        self, seconds: float, work: Callable[[InstanceApplication], Awaitable[None]]
    ) -> None:
        """Do `work` for every instance, again and again."""
        while True:
            for instance in self._instances():
                with _logged(f"housekeeping of {instance.instance.name}"):
                    await work(instance)
            await asyncio.sleep(seconds)


@contextlib.contextmanager
def _logged(what: str) -> Iterator[None]:
    """A failure is told in the log, and ends nothing else."""
    try:
        yield
    except Exception:  # noqa: BLE001 - logged
        _log.exception("%s failed", what)
