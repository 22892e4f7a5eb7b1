"""Addresses: changed, told to the old one, and confirmed by a link to the new one [USR-3]."""

from __future__ import annotations

from msgspec.structs import replace

from mintgate.contract import lifetimes
from mintgate.contract.identifiers import token_digest
from mintgate.contract.users import User
from mintgate.identity.accounts.common import AccountParts
from mintgate.identity.mail.letters import Kind
from mintgate.identity.mail.outbox import Outbox
from mintgate.store import Transaction, mailed_links, users
from mintgate.store.mailed_links import Purpose


def ask_to_confirm(tx: Transaction, outbox: Outbox, user: User) -> None:
    """Send a link to an address that is not confirmed yet; without an address nothing is sent."""
    if user.email is None or user.email_confirmed:
        return
    link = outbox.link(tx, Purpose.CONFIRM, user, proves_email=True)
    outbox.put(tx, Kind.CONFIRM, user, link=link, lives=lifetimes.CONFIRM_LINK)


def tell_of_change(tx: Transaction, outbox: Outbox, before: User, after: User) -> None:
    """After another address was stored: tell the confirmed one of before, and ask the new one.

    Who reads mail at the old address may be the only one to notice that it was not the user.
    """
    if before.email == after.email:
        return
    if before.email is not None and before.email_confirmed:
        outbox.put(tx, Kind.EMAIL_CHANGED, after, address=before.email)
    ask_to_confirm(tx, outbox, after)


class EmailConfirmation:
    """Confirms addresses by links."""

    def __init__(self, parts: AccountParts) -> None:
        self._parts = parts
        self._instance_id = parts.instance.id

    async def find(self, secret: str) -> str | None:
        """The address that the link confirms; None when it is over or never was."""
        now, digest = self._parts.database.clock(), token_digest(secret)
        link = await self._parts.database.read(
            lambda c: mailed_links.find(c, self._instance_id, digest, Purpose.CONFIRM, now)
        )
        return link.email if link is not None else None

    async def confirm(self, secret: str, address: str | None) -> bool:
        """Note that the user reads mail there; False when the link is over by now.

        Args:
            address: the peer's.
        """
        parts, instance_id, digest = self._parts, self._instance_id, token_digest(secret)

        def work(tx: Transaction) -> bool:
            link = mailed_links.find(
                tx.connection, instance_id, digest, Purpose.CONFIRM, tx.later()
            )
            user = users.hold(tx, instance_id, link.user_id) if link is not None else None
            if link is None or user is None or not user.active or user.email != link.email:
                return False
            if mailed_links.use(tx, instance_id, digest, Purpose.CONFIRM) is None:
                return False
            users.change(tx, instance_id, replace(user, email_confirmed=True))
            tx.record(parts.event("user.email_confirmed", user, address))
            return True

        return await parts.database.write(work)
