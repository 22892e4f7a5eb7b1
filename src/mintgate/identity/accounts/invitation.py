"""Invitations: made by an administrator, completed by whoever has the link [IMG-6]."""

from __future__ import annotations

from msgspec.structs import replace

from mintgate.contract import lifetimes
from mintgate.contract.identifiers import token_digest
from mintgate.contract.users import User, UserType
from mintgate.identity.accounts.common import AccountParts
from mintgate.identity.mail.letters import Kind
from mintgate.identity.mail.outbox import Outbox
from mintgate.store import Transaction, mailed_links, users
from mintgate.store.mailed_links import MailedLink, Purpose

BECOMES = {
    UserType.INVITED_INTERNAL: UserType.INTERNAL,
    UserType.INVITED_EXTERNAL: UserType.COMMUNITY,
}


def invite(tx: Transaction, outbox: Outbox, user: User, *, by_mail: bool) -> str:
    """A new link for an invited user; the ones of before end.

    Args:
        by_mail: send it to the user's address. Else whoever asked passes it on, and it proves
            nothing about that address.

    Returns:
        The link, as a URL.
    """
    mailed_links.end_of_user(tx, outbox.instance_id, user.id, (Purpose.INVITE,))
    link = outbox.link(tx, Purpose.INVITE, user, proves_email=by_mail)
    if by_mail:
        outbox.put(tx, Kind.INVITATION, user, link=link, lives=lifetimes.INVITATION)
    return link


class Invitations:
    """Completes invitations."""

    def __init__(self, parts: AccountParts) -> None:
        self._parts = parts
        self._instance_id = parts.instance.id

    async def find(self, secret: str) -> User | None:
        """Who is invited; None when the link is over or never was."""
        link = await self._link(secret)
        if link is None:
            return None
        user = await self._parts.database.read(
            lambda c: users.by_id(c, self._instance_id, link.user_id)
        )
        return user if user is not None and self._is_open(user) else None

    async def complete(
        self, secret: str, name: str, password: str, language: str, address: str | None
    ) -> bool:
        """Make the invited user one who can sign in; False when the link is over by now.

        Args:
            password: one that `password_problem` finds nothing wrong with.
            language: culture name of the page, for whom no language was chosen.
            address: the peer's.

        Raises:
            TemporarilyUnavailable: too many passwords are being hashed; the link stays good.
        """
        link = await self._link(secret)
        if link is None:  # before it is paid for
            return False
        parts, instance_id = self._parts, self._instance_id
        hashed = await parts.passwords.hashed(password)

        def work(tx: Transaction) -> bool:
            user = users.hold(tx, instance_id, link.user_id)
            if user is None or not self._is_open(user):
                return False
            if mailed_links.use(tx, instance_id, link.link_hash, Purpose.INVITE) is None:
                return False
            chosen = user.default_language or language
            after = replace(
                user,
                name={chosen: name},
                default_language=chosen,
                user_type=BECOMES[user.user_type],
                email_confirmed=user.email_confirmed
                or (link.proves_email and user.email == link.email),
            )
            users.change(tx, instance_id, after)
            users.set_password(tx, instance_id, user.id, hashed)
            event = parts.event("user.invitation_completed", user, address)
            tx.record(replace(event, subject_id=user.id))
            return True

        return await parts.database.write(work)

    async def _link(self, secret: str) -> MailedLink | None:
        now, digest = self._parts.database.clock(), token_digest(secret)
        return await self._parts.database.read(
            lambda c: mailed_links.find(c, self._instance_id, digest, Purpose.INVITE, now)
        )

    def _is_open(self, user: User) -> bool:
        now = self._parts.database.clock()
        return user.active and not user.is_locked(now) and user.user_type in BECOMES
