"""Signing in with login (or email) and password, off the event loop [SGN-1, SGN-3]."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from mintgate.contract.clock import Clock
from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.directory import Directory
from mintgate.identity.passwords import (
    hash_password,
    is_argon2id,
    needs_upgrade,
    password_matches,
)
from mintgate.store import AuditEvent, Database, Transaction, users

AMR = ("pwd",)
"""[IDT-13]"""
MAX_WAITING = 64
_NOBODYS_HASH = hash_password("the hash that is checked when there is no such user")


class PasswordSignIn:
    """Checks passwords in threads of its own; a full queue is refused, never queued forever."""

    def __init__(
        self, directory: Directory, database: Database, clock: Clock, threads: int = 2
    ) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock
        self._threads = ThreadPoolExecutor(threads, "mintgate-password")
        self._waiting = 0

    async def authenticate(
        self, login_or_email: str, password: str, address: str | None
    ) -> User | None:
        """The user, or None for every reason alike: unknown, wrong, inactive, locked [SGN-3].

        Raises:
            TemporarilyUnavailable: too many sign-ins are waiting.
        """
        instance_id = self._directory.instance.id
        found = await self._database.read(
            lambda connection: users.for_sign_in(connection, instance_id, login_or_email)
        )
        user, stored = found if found is not None else (None, None)
        # The same work for an unknown user, or the time would tell who exists.
        matches = await self._in_thread(password, stored)
        cause = self._problem(user, stored, matches)
        if cause is not None or user is None or stored is None:
            await self._database.record(
                AuditEvent(
                    instance_id=instance_id,
                    at=self._clock(),
                    event="user.sign_in_failed",
                    actor=user.login if user else None,
                    actor_id=user.id if user else None,
                    address=address,
                    cause=cause,
                )
            )
            return None
        if needs_upgrade(stored) and not await self._upgrade(user, password, stored):
            return None  # changed while it was checked: only the new password counts
        return user

    def _problem(self, user: User | None, stored: str | None, matches: bool) -> str | None:
        if user is None:
            return "unknown user"
        if stored is None:
            return "the user has no password"
        if not matches:
            return "wrong password"
        if not user.active or user.is_locked(self._clock()):
            return "the user is inactive or locked"
        if user.user_type not in MAY_SIGN_IN:
            return f"users of type {user.user_type} cannot sign in"
        return None

    async def _in_thread(self, password: str, stored: str | None) -> bool:
        if self._waiting >= MAX_WAITING:
            raise TemporarilyUnavailable(cause="too many sign-ins are waiting")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, _matches, password, stored
            )
        finally:
            self._waiting -= 1

    async def _upgrade(self, user: User, password: str, stored: str) -> bool:
        """[EXT-1] An imported hash becomes argon2id at the first sign-in."""
        hashed = await asyncio.get_running_loop().run_in_executor(
            self._threads, hash_password, password
        )
        instance_id = self._directory.instance.id

        def work(tx: Transaction) -> bool:
            return users.upgrade_password_hash(tx, instance_id, user.id, stored, hashed)

        return await self._database.write(work)


def _matches(password: str, stored: str | None) -> bool:
    """Whether the password is right, at the cost of an argon2id check in every case [SGN-3]."""
    if stored is None or not is_argon2id(stored):
        # An unknown user, or an imported hash that is quick to check: time must not tell.
        password_matches(password, _NOBODYS_HASH)
    return stored is not None and password_matches(password, stored)
