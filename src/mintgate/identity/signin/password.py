"""Signing in with login (or email) and password, off the event loop [SGN-1, SGN-3]."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from mintgate.contract.clock import Clock
from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.directory import Directory
from mintgate.identity.passwords import hash_password, needs_upgrade, password_matches
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
        matches = await self._in_thread(password, stored or _NOBODYS_HASH)
        cause = self._problem(user, stored, matches)
        if cause is not None or user is None or stored is None:
            await self._database.record(
                AuditEvent(
                    instance_id=instance_id,
                    at=self._clock(),
                    event="user.sign_in_failed",
                    actor=user.login if user else None,
                    address=address,
                    cause=cause,
                )
            )
            return None
        if needs_upgrade(stored):
            await self._upgrade(user, password)
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

    async def _in_thread(self, password: str, stored: str) -> bool:
        if self._waiting >= MAX_WAITING:
            raise TemporarilyUnavailable(cause="too many sign-ins are waiting")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, password_matches, password, stored
            )
        finally:
            self._waiting -= 1

    async def _upgrade(self, user: User, password: str) -> None:
        """[EXT-1] An imported hash becomes argon2id at the first sign-in."""
        hashed = await asyncio.get_running_loop().run_in_executor(
            self._threads, hash_password, password
        )
        instance_id = self._directory.instance.id

        def work(tx: Transaction) -> None:
            users.upgrade_password_hash(tx, instance_id, user.id, hashed)

        await self._database.write(work)
