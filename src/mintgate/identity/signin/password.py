"""Signing in with login (or email) and password, off the event loop [SGN-1, SGN-3, SGN-6]."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import msgspec
from sqlalchemy import Connection

from mintgate.contract.clock import Clock
from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.auditing import record_refusal
from mintgate.identity.directory import Directory
from mintgate.identity.passwords import (
    hash_password,
    is_argon2id,
    needs_upgrade,
    password_matches,
    unmatchable_hash,
)
from mintgate.identity.signin import devices, throttle
from mintgate.identity.signin.devices import KnownDevices
from mintgate.identity.signin.hashing import hashing_threads
from mintgate.identity.signin.throttle import Origin, TryNames
from mintgate.identity.tallies import HASHING, SIGN_INS
from mintgate.store import AuditEvent, Database, Transaction, sign_in_tries, users
from mintgate.store.sign_in_tries import Count

AMR = ("pwd",)
"""[IDT-13]"""
MAX_WAITING = 64
_NOBODY = ""
_NOBODYS_HASH = unmatchable_hash()
"""What is checked when there is no such user."""


class Proved(msgspec.Struct, frozen=True):
    """A user whose password was right, with the stored hash that says so.

    Args:
        settle: forgets the tries before it, in the transaction that makes use of the proof: each
            commit is one that the tokens of everybody else wait for.
    """

    user: User
    password_hash: str
    settle: Callable[[Transaction], None]

    def __repr__(self) -> str:
        return f"Proved({self.user.id})"


class _Try(msgspec.Struct, frozen=True):
    """One attempt: whom it is for, if there is such a user, and where it comes from."""

    user: User | None
    stored: str | None
    origin: Origin
    full: Count | None


class PasswordSignIn:
    """Checks passwords in threads of its own; a full queue is refused, never queued forever."""

    def __init__(
        self, directory: Directory, database: Database, clock: Clock, threads: int | None = None
    ) -> None:
        self._instance_id = directory.instance.id
        self._database = database
        self._clock = clock
        self._threads = hashing_threads(threads)
        self._waiting = 0
        self.devices = KnownDevices(directory.derived_key(devices.PURPOSE), clock)
        self._names = TryNames(directory.derived_key(throttle.PURPOSE))

    async def authenticate(
        self,
        login_or_email: str,
        password: str,
        address: str | None,
        device_cookie: str | None = None,
    ) -> Proved | None:
        """The same as `prove`, where nothing else is written: the tries are forgotten at once."""
        proved = await self.prove(login_or_email, password, address, device_cookie)
        if proved is not None:
            await self._database.write(proved.settle)
        return proved

    async def prove(
        self,
        login_or_email: str,
        password: str,
        address: str | None,
        device_cookie: str | None = None,
    ) -> Proved | None:
        """The user, or None for every reason alike: unknown, wrong, throttled, locked [SGN-3].

        Args:
            address: the peer's.
            device_cookie: what `devices` gave this browser after a sign-in.

        Raises:
            TemporarilyUnavailable: too many sign-ins are waiting.
        """
        attempt = await self._database.read(
            lambda connection: self._attempt(connection, login_or_email, address, device_cookie)
        )
        if attempt.full is not None:
            # Answered at once, without the work of a check. That tells only that this login was
            # tried too often from here: tries are counted by what is typed, user or not.
            await self._audit_throttled(attempt, attempt.full, address)
            return None
        with self._place():
            # Counted before the check, so that tries which race cannot all be looked at.
            if not await self._database.write(
                lambda tx: sign_in_tries.add_one(tx, self._instance_id, attempt.origin.own)
            ):
                await self._audit_throttled(attempt, attempt.origin.own, address)
                return None
            # The same work for an unknown user, or the time would tell who exists.
            matches = await asyncio.get_running_loop().run_in_executor(
                self._threads, _matches, password, attempt.stored
            )
        user, stored = attempt.user, attempt.stored
        cause = self._problem(user, stored, matches)
        if cause is not None or user is None or stored is None:
            await self._count_failure(attempt, cause, address)
            return None
        if needs_upgrade(stored):
            upgraded = await self._upgrade(user, password, stored)
            stored = upgraded or await self._changed_meanwhile(user, password)
            if stored is None:
                return None
        SIGN_INS.add("right")
        return Proved(user, stored, partial(self._forget_tries, attempt.origin, user))

    async def hashed(self, password: str) -> str:
        """The hash of a new password, made where passwords are checked.

        Raises:
            TemporarilyUnavailable: too many sign-ins are waiting.
        """
        with self._place():
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, hash_password, password
            )

    def forget_tries_of(self, tx: Transaction, *logins: str | None) -> None:
        """Start the counts of these logins anew: their user has proved to be it by mail."""
        names = [self._names.login(login) for login in logins if login]
        sign_in_tries.forget_logins(tx, self._instance_id, names)

    def _attempt(
        self, connection: Connection, login: str, address: str | None, device_cookie: str | None
    ) -> _Try:
        found = users.for_sign_in(connection, self._instance_id, login)
        user, stored = found if found is not None else (None, None)
        device = self.devices.name_of(
            connection, self._instance_id, device_cookie, user.id if user else _NOBODY
        )
        origin = self._names.origin(login, address, device)
        full = sign_in_tries.any_is_full(
            connection, self._instance_id, origin.counts, self._clock()
        )
        return _Try(user, stored, origin, full)

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

    async def _count_failure(self, attempt: _Try, cause: str | None, address: str | None) -> None:
        SIGN_INS.add("wrong")

        def work(tx: Transaction) -> None:
            for count in attempt.origin.wide:
                sign_in_tries.add_one(tx, self._instance_id, count)
            # Also for nobody: an unknown user costs the same statements [SGN-3].
            user_id = attempt.user.id if attempt.user else _NOBODY
            users.note_failed_sign_in(tx, self._instance_id, user_id)
            tx.record(self._event("user.sign_in_failed", attempt.user, cause, address))

        await self._database.write(work)

    def _forget_tries(self, origin: Origin, user: User, tx: Transaction) -> None:
        # The wide counts stay: a sign-in of one's own must not wipe out what one guessed before.
        sign_in_tries.forget(tx, self._instance_id, origin.own)
        users.forget_failed_sign_ins(tx, self._instance_id, user.id)

    async def _audit_throttled(self, attempt: _Try, full: Count, address: str | None) -> None:
        SIGN_INS.add("throttled")
        cause = f"{full.limit.tries} wrong tries were made ({full.kind})"
        event = self._event("user.sign_in_throttled", attempt.user, cause, address)
        await record_refusal(self._database, event)

    def _event(
        self, name: str, user: User | None, cause: str | None, address: str | None
    ) -> AuditEvent:
        return AuditEvent(
            instance_id=self._instance_id,
            at=self._clock(),
            event=name,
            actor=user.login if user else None,  # what was typed may be a password
            actor_id=user.id if user else None,
            address=address,
            cause=cause,
        )

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """A place among those whose password is checked; taken before the try is counted."""
        if self._waiting >= MAX_WAITING:
            SIGN_INS.add("busy")
            raise TemporarilyUnavailable(cause="too many sign-ins are waiting")
        self._waiting += 1
        HASHING[0] += 1
        try:
            yield
        finally:
            self._waiting -= 1
            HASHING[0] -= 1

    async def _upgrade(self, user: User, password: str, stored: str) -> str | None:
        """[EXT-1] An imported hash becomes argon2id at the first sign-in; None when it changed."""
        hashed = await asyncio.get_running_loop().run_in_executor(
            self._threads, hash_password, password
        )

        def work(tx: Transaction) -> bool:
            return users.upgrade_password_hash(tx, self._instance_id, user.id, stored, hashed)

        return hashed if await self._database.write(work) else None

    async def _changed_meanwhile(self, user: User, password: str) -> str | None:
        """The hash that is stored now, when the password is right by that one, too.

        A sign-in beside this one may have upgraded the hash; if the password was changed, only
        the new one counts.
        """
        found = await self._database.read(
            lambda c: users.for_sign_in(c, self._instance_id, user.login)
        )
        stored = found[1] if found is not None and found[0].id == user.id else None
        matches = await asyncio.get_running_loop().run_in_executor(
            self._threads, _matches, password, stored
        )
        return stored if matches else None


def _matches(password: str, stored: str | None) -> bool:
    """Whether the password is right, at the cost of an argon2id check in every case [SGN-3]."""
    if stored is None or not is_argon2id(stored):
        # An unknown user, or an imported hash that is quick to check: time must not tell.
        password_matches(password, _NOBODYS_HASH)
    return stored is not None and password_matches(password, stored)
