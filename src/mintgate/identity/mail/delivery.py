"""Sends the letters of the outbox, and tries again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property

from sqlalchemy import Connection

from mintgate.contract.clock import Clock
from mintgate.contract.instance import Instance
from mintgate.identity.mail.letters import Kind, Letters
from mintgate.identity.mail.outbox import Outbox
from mintgate.identity.mail.post import AT_ONCE, NotSent, Post
from mintgate.identity.outgoing.rounds import Claiming, Pace, Queue, Rounds, retry_seconds
from mintgate.store import AuditEvent, Database, Transaction, mails
from mintgate.store.key_encryption import KeyEncryptionProblem
from mintgate.store.mails import StoredMail

_log = logging.getLogger(__name__)
MAIL_SERVER = "the mail server"
LOOK_AGAIN_SECONDS = 10.0
"""For what other processes have written, and the state feed does not tell of."""
PACE = Pace(LOOK_AGAIN_SECONDS, lease=120.0, at_once=AT_ONCE, of_one_receiver=AT_ONCE)


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
        queue = Queue(self._next_due, self._claim, lambda _: MAIL_SERVER, PACE)
        self.rounds: Rounds[StoredMail] = Rounds(database, queue, self._deliver, clock)

    @cached_property
    def _letters(self) -> Letters:
        return self._make_letters()

    def _next_due(self, connection: Connection) -> float | None:
        return mails.next_due(connection, self._instance.id)

    def _claim(self, tx: Transaction, wanted: Claiming) -> list[StoredMail]:
        # All go to one server: whoever is busy with it takes none.
        return mails.claim(
            tx,
            self._instance.id,
            claimant=wanted.claimant,
            lease=wanted.lease,
            limit=wanted.limit,
        )

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
            lambda tx: mails.put_off(tx, instance_id, mail.id, self.rounds.claimant, until)
        )

    async def _finish(self, mail: StoredMail, failure: str | None) -> None:
        """Remove the letter, with the audit event of how it ended."""
        instance_id = self._instance.id

        def work(tx: Transaction) -> None:
            if not mails.done(tx, instance_id, mail.id, self.rounds.claimant) or not mail.user_id:
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
