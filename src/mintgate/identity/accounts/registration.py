"""Community users who register themselves [SGN-7]."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.identifiers import new_guid
from mintgate.contract.translating import translatable
from mintgate.contract.users import User, UserType, password_problem, problems_of
from mintgate.identity.accounts.common import AccountParts
from mintgate.identity.accounts.confirmation import ask_to_confirm
from mintgate.identity.auditing import record_refusal
from mintgate.identity.mail.letters import Kind
from mintgate.identity.mail.settings import is_address
from mintgate.store import Transaction, instances, sign_in_tries, users

MAX_TOLD = 10
"""Administrators who get a letter of each registration."""
NOT_AN_ADDRESS = translatable("This is not a mail address, or it has more than 64 characters.")
NO_NAME = translatable("Tell your name.")


class Registering(msgspec.Struct, frozen=True, kw_only=True):
    """What a person typed.

    Args:
        language: culture name of the page.
    """

    email: str
    name: str
    password: str
    language: str

    def __repr__(self) -> str:
        return "Registering(…)"

    @property
    def problem(self) -> str | None:
        """What is wrong with it, as a sentence; None when nothing is."""
        if not is_address(self.email) or len(self.email) > 64:  # it becomes the login [USR-2]
            return NOT_AN_ADDRESS
        return name_problem(self.name) or password_problem(self.password, [self.email])


def name_problem(name: str) -> str | None:
    """What is wrong with a name that a person typed; None when nothing is."""
    return None if name and len(name) <= 254 and name.isprintable() else NO_NAME


def may_register(application: TrustedApplication) -> bool:
    """Whether the application takes community users, so that people may become one."""
    return application.is_enabled and application.impersonate_as_community_user_allowed


class Registration:
    """Makes community users."""

    def __init__(self, parts: AccountParts) -> None:
        self._parts = parts
        self._instance_id = parts.instance.id

    async def register(self, given: Registering, client_id: str, address: str | None) -> None:
        """Make a user, or write to the one who has this address; the caller is not told which.

        Args:
            given: without a `problem`.
            client_id: of the application that the person came from.
            address: the peer's.

        Raises:
            TemporarilyUnavailable: too many passwords are being hashed.
        """
        parts, instance_id = self._parts, self._instance_id
        counts = parts.limits.counts(given.email, given.email, address)
        now = parts.database.clock()
        if await parts.database.read(
            lambda c: sign_in_tries.any_is_full(c, instance_id, counts, now)
        ):
            await self._throttled(address)
            return
        hashed = await parts.passwords.hashed(given.password)  # also when it is for nothing

        def work(tx: Transaction) -> bool:
            if not parts.limits.admit(tx, counts):
                return False
            instances.lock(tx, instance_id)  # of two who register one address, the second is told
            existing = _owner(tx.connection, instance_id, given.email)
            if existing is not None:
                self._tell_owner(tx, existing, given.email)
            else:
                self._add(tx, given, hashed, client_id, address)
            return True

        if await parts.database.write(work):
            parts.has_written()
        else:
            await self._throttled(address)

    def _add(
        self, tx: Transaction, given: Registering, hashed: str, client_id: str, address: str | None
    ) -> None:
        parts = self._parts
        user = User(
            id=new_guid(),
            login=given.email,
            name={given.language: given.name},
            user_type=UserType.COMMUNITY,
            email=given.email,
            default_language=given.language,
        )
        if problems_of(user):  # `problem` has looked at all that a person can get wrong
            raise ValueError("; ".join(f"{a} {s}" for a, s in problems_of(user)))
        users.add(tx, self._instance_id, user, hashed)
        ask_to_confirm(tx, parts.outbox, user)
        for admin in users.reachable_admins(tx.connection, self._instance_id, MAX_TOLD):
            parts.outbox.send(tx, Kind.SOMEBODY_REGISTERED, admin, user)
        event = parts.event("user.registered", user, address)
        tx.record(msgspec.structs.replace(event, subject_id=user.id, application=client_id))

    def _tell_owner(self, tx: Transaction, existing: User, email: str) -> None:
        outbox = self._parts.outbox
        is_theirs = existing.email is not None and existing.email.casefold() == email.casefold()
        outbox.put(tx, Kind.ALREADY_REGISTERED, existing if is_theirs else None)
        if is_theirs and existing.active:
            ask_to_confirm(tx, outbox, existing)  # so that the password can be chosen anew

    async def _throttled(self, address: str | None) -> None:
        event = self._parts.event(
            "user.registration_throttled", None, address, "too many registrations"
        )
        await record_refusal(self._parts.database, event)


def _owner(connection: Connection, instance_id: str, email: str) -> User | None:
    """Who has this address, or it as a login."""
    by_login, by_email = users.owners(connection, instance_id, email, email)
    ids = sorted(by_email) or sorted(by_login)
    return users.by_id(connection, instance_id, ids[0]) if ids else None
