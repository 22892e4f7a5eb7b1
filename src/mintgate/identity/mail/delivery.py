"""Sends the letters of the outbox, and tries again."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Callable
from functools import cached_property

from mintgate.contract.clock import Clock
from mintgate.contract.instance import Instance
from mintgate.identity.logout.delivery import retry_seconds
from mintgate.identity.mail.letters import Kind, Letters
from mintgate.identity.mail.outbox import Outbox
from mintgate.identity.mail.post import NotSent, Post
from mintgate.store import AuditEvent, Database, Transaction, mails
from mintgate.store.key_encryption import KeyEncryptionProblem
from mintgate.store.mails import StoredMail

_log = logging.getLogger(__name__)
LEASE_SECONDS = 120.0
"""Longer than an attempt can take; after it another process may try."""
AT_ONCE = 4
LOOK_AGAIN_SECONDS = 10.0
"""For what other processes have written, and the state feed does not tell of."""


class MailDelivery:
    """Sends the letters of one instance from this process.

    Args:
        letters: makes what writes them; with the first one, as most processes send none.
        clock: Unix seconds.
    """

    def __init__(
        self,
        instance: Instance,
        database: Database,
        outbox: Outbox,
        letters: Callable[[], Letters],
        post: Post,
        clock: Clock,
    ) -> None:
        self._instance = instance
        self._database = database
        self._outbox = outbox
        self._make_letters = letters
        self._post = post
        self._clock = clock
        self._claimant = secrets.token_hex(16)
        self._running: set[asyncio.Task[None]] = set()
        self._quiet_until = -math.inf

    @cached_property
    def _letters(self) -> Letters:
        return self._make_letters()

    def wake(self) -> None:
        """There may be a letter: look at the next chance."""
        self._quiet_until = -math.inf

    async def start_due(self) -> None:
        """Start sending what is due; returns without waiting for any server."""
        free = AT_ONCE - len(self._running)
        now = self._clock()
        if now < self._quiet_until or free <= 0:
            return
        instance_id = self._instance.id
        self._quiet_until = now + LOOK_AGAIN_SECONDS
        due = await self._database.read(lambda c: mails.next_due(c, instance_id))
        if due is None or due > now:
            self._quiet_until = min(self._quiet_until, due or math.inf)
            return

        def claim(tx: Transaction) -> list[StoredMail]:
            return mails.claim(
                tx, instance_id, claimant=self._claimant, lease=LEASE_SECONDS, limit=free
            )

        claimed = await self._database.write(claim)
        if claimed:
            self.wake()  # there may be more than `free`
        for mail in claimed:
            task = asyncio.create_task(self._deliver(mail))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Let go of what is going on; another process tries again when the lease is over."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self.wake()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease ends by itself, and then it is tried again.
            _log.error("a letter was left to the next attempt", exc_info=error)

    async def _deliver(self, mail: StoredMail) -> None:
        if mail.kind == Kind.NOBODY:
            await self._finish(mail, None)
            return
        try:
            await self._attempt(mail)
        except NotSent as failed:
            await self._try_again_or_give_up(mail, failed)
        else:
            await self._finish(mail, None)

    async def _attempt(self, mail: StoredMail) -> None:
        from mintgate.identity.mail.message import Undeliverable, message_of

        if self._clock() >= mail.expires_at:
            raise NotSent("it was not sent in time", is_final=True)
        try:
            content = self._outbox.opened(mail)
        except KeyEncryptionProblem:
            # Another process may have the key: while it is being changed, some have the old one.
            raise NotSent("it was sealed with another key-encryption key") from None
        letter = self._letters.write(Kind(mail.kind), content)
        try:
            message = message_of(
                letter,
                to=content.address,
                sender=self._post.sender,
                instance=self._instance,
                mail_id=mail.id,
                now=mail.created_at,
            )
        except Undeliverable as error:
            raise NotSent(str(error), is_final=True) from None
        try:
            await self._post.send(message)
        except NotSent as failed:
            # Servers repeat the address; a cause in the audit log cannot be erased.
            told = str(failed).replace(content.address, "…")
            raise NotSent(told, is_final=failed.is_final) from None

    async def _try_again_or_give_up(self, mail: StoredMail, failed: NotSent) -> None:
        until = self._clock() + retry_seconds(mail.attempts)
        if failed.is_final or until >= mail.expires_at:
            _log.warning("a letter (%s) was given up: %s", mail.kind, failed)
            await self._finish(mail, str(failed))
            return
        _log.warning("a letter (%s) was not sent (%s); trying again", mail.kind, failed)
        instance_id = self._instance.id
        await self._database.write(
            lambda tx: mails.put_off(tx, instance_id, mail.id, self._claimant, until)
        )

    async def _finish(self, mail: StoredMail, failure: str | None) -> None:
        """Remove the letter, with the audit event of how it ended."""
        instance_id = self._instance.id

        def work(tx: Transaction) -> None:
            if not mails.done(tx, instance_id, mail.id, self._claimant) or not mail.user_id:
                return
            if failure is not None:
                tx.record(mails.failed(instance_id, tx.now, mail.kind, mail.user_id, failure))
                return
            tx.record(
                AuditEvent(
                    instance_id=instance_id,
                    at=tx.now,
                    event="mail.sent",
                    subject_id=mail.user_id,
                    details={"kind": mail.kind, "attempts": mail.attempts},
                )
            )

        await self._database.write(work)
