"""A forgotten password: a link to the confirmed address, and another password with it [SGN-8]."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from mintgate.contract import lifetimes
from mintgate.contract.identifiers import token_digest
from mintgate.contract.users import User
from mintgate.identity.accounts.common import AccountParts, may_sign_in
from mintgate.identity.auditing import record_refusal
from mintgate.identity.mail.letters import Kind
from mintgate.store import Transaction, mailed_links, sign_in_tries, users
from mintgate.store.mailed_links import MailedLink, Purpose
from mintgate.store.sign_in_tries import Count


class _Asked(msgspec.Struct, frozen=True):
    user: User | None
    counts: tuple[Count, ...]
    full: Count | None


class ForgottenPassword:
    """Sends links, and sets passwords with them."""

    def __init__(self, parts: AccountParts) -> None:
        self._parts = parts
        self._instance_id = parts.instance.id

    async def ask(self, login_or_email: str, address: str | None) -> None:
        """Have a link sent, if there is somebody to send it to; nothing tells whether there was.

        An unknown user costs the same statements, down to a letter that nobody gets.

        Args:
            address: the peer's.
        """
        parts = self._parts
        asked = await parts.database.read(lambda c: self._look(c, login_or_email, address))
        if asked.full is not None:
            await self._throttled(asked, address)
            return

        def work(tx: Transaction) -> bool:
            if not parts.limits.admit(tx, asked.counts):
                return False
            problem = _problem_of(asked.user, tx.now)
            to = asked.user if problem is None else None
            link = parts.outbox.link(tx, Purpose.RESET, to, proves_email=True)
            parts.outbox.put(tx, Kind.RESET, to, link=link, lives=lifetimes.RESET_LINK)
            tx.record(parts.event("password.reset_requested", asked.user, address, problem))
            return True

        if await parts.database.write(work):
            parts.has_written()
        else:
            await self._throttled(asked, address)

    async def find(self, secret: str) -> User | None:
        """Whose password the link lets one choose; None when it is over or never was."""
        link = await self._link(secret)
        if link is None:
            return None
        user = await self._parts.database.read(
            lambda c: users.by_id(c, self._instance_id, link.user_id)
        )
        return user if user is not None and self._is_for(link, user) else None

    async def reset(self, secret: str, password: str, address: str | None) -> bool:
        """Set the password, once; False when the link is over by now.

        Sign-ins, refresh tokens and open codes of the user end [USR-22].

        Args:
            password: one that `password_problem` finds nothing wrong with.

        Raises:
            TemporarilyUnavailable: too many passwords are being hashed; the link stays good.
        """
        link = await self._link(secret)
        if link is None:  # before it is paid for
            return False
        parts, instance_id = self._parts, self._instance_id
        hashed = await parts.passwords.hashed(password)

        def work(tx: Transaction) -> bool:
            # The user first: whoever changes it takes its row and then its links, too.
            user = users.hold(tx, instance_id, link.user_id)
            if user is None or not self._is_for(link, user):
                return False
            if mailed_links.use(tx, instance_id, link.link_hash, Purpose.RESET) is None:
                return False
            users.set_password(tx, instance_id, user.id, hashed)
            parts.passwords.forget_tries_of(tx, user.login, user.email)
            parts.outbox.put(tx, Kind.PASSWORD_CHANGED, user)
            tx.record(parts.event("user.password_reset", user, address))
            return True

        done = await parts.database.write(work)
        if done:
            parts.has_written()
        return done

    async def _link(self, secret: str) -> MailedLink | None:
        now, digest = self._parts.database.clock(), token_digest(secret)
        return await self._parts.database.read(
            lambda c: mailed_links.find(c, self._instance_id, digest, Purpose.RESET, now)
        )

    def _is_for(self, link: MailedLink, user: User) -> bool:
        is_allowed = _problem_of(user, self._parts.database.clock()) is None
        return is_allowed and user.email == link.email

    def _look(self, connection: Connection, name: str, address: str | None) -> _Asked:
        found = users.for_sign_in(connection, self._instance_id, name)
        user = found[0] if found is not None else None
        counts = self._parts.limits.counts(name, user.id if user else name.strip(), address)
        now = self._parts.database.clock()
        full = sign_in_tries.any_is_full(connection, self._instance_id, counts, now)
        return _Asked(user, counts, full)

    async def _throttled(self, asked: _Asked, address: str | None) -> None:
        kind = asked.full.kind if asked.full is not None else "in a race"
        cause = f"too many letters were asked for ({kind})"
        event = self._parts.event("password.reset_throttled", asked.user, address, cause)
        await record_refusal(self._parts.database, event)


def _problem_of(user: User | None, now: float) -> str | None:
    """Why no link is sent, for the audit log."""
    if user is None:
        return "unknown user"
    if not may_sign_in(user, now):
        return "the user cannot sign in"
    if user.email is None or not user.email_confirmed:
        return "the user has no confirmed address"
    return None
