"""Passwords of legacy callers: checked as those of sign-in, and remembered for a minute.

A client of HTTP Basic sends its password with every request. Checking it costs what a check must
cost and counts as a try, so a pair of user and password that was right a moment ago, from the same
address, is taken again without one. Nothing here can give a password back: what is kept is an HMAC
under a key that the process made for itself.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable

import msgspec

from mintgate.contract.clock import Clock
from mintgate.identity.signin.password import PasswordSignIn, Proved

KEPT_SECONDS = 60.0
MAX_KEPT = 4096

_Caller = tuple[str, str]
"""Login as the user table compares it, and address."""


class _Right(msgspec.Struct, frozen=True):
    digest: bytes
    user_id: str
    at: float


class CheckedPasswords:
    """Proves users by their passwords.

    Args:
        sign_in: that of the sign-in page: its queue, its throttle and its audit events count.
        is_fresh: whether the state feed is followed up to now; when not, nothing kept is trusted.
        clock: Unix seconds.
    """

    def __init__(self, sign_in: PasswordSignIn, is_fresh: Callable[[], bool], clock: Clock) -> None:
        self._sign_in = sign_in
        self._is_fresh = is_fresh
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._kept: dict[_Caller, _Right] = {}
        self._asked: dict[bytes, asyncio.Task[Proved | None]] = {}
        self._generation = 0

    async def user_id(self, login: str, password: str, address: str) -> str | None:
        """The user whose password this is; None for every reason alike [LEG-5].

        Raises:
            TemporarilyUnavailable: too many passwords are waiting to be checked.
            DatabaseUnavailable: the user cannot be looked up now.
        """
        caller, digest = (login.casefold(), address), self._digest(login, password, address)
        kept = self._kept.get(caller)
        if (
            kept is not None
            and self._is_fresh()
            and 0 <= self._clock() - kept.at < KEPT_SECONDS
            and hmac.compare_digest(kept.digest, digest)
        ):
            return kept.user_id
        generation = self._generation
        proved = await self.prove(login, password, address)
        if proved is None:
            return None
        if generation == self._generation:
            self._keep(caller, _Right(digest, proved.user.id, self._clock()))
        return proved.user.id

    async def prove(self, login: str, password: str, address: str) -> Proved | None:
        """The same by a check in any case; requests that come at once wait for one check.

        Each would count as a try, and five that race are all that may race [SGN-6].
        """
        digest = self._digest(login, password, address)
        task = self._asked.get(digest)
        if task is None:
            task = self._asked[digest] = asyncio.create_task(
                self._sign_in.authenticate(login, password, address or None)
            )
            task.add_done_callback(lambda done: self._has_asked(digest, done))
        proved = await asyncio.shield(task)
        if proved is None:
            # Else somebody at the same address could go on guessing what is kept, as no check
            # and no throttle would ever be asked about the one guess that is right.
            self._kept.pop((login.casefold(), address), None)
        return proved

    def forget(self, user_id: str) -> None:
        """The user, or the user's password, changed."""
        self._generation += 1
        # Who comes now must not join a check that may have read what held before.
        self._asked.clear()
        for caller, kept in list(self._kept.items()):
            if kept.user_id == user_id:
                self._kept.pop(caller, None)

    def _keep(self, caller: _Caller, right: _Right) -> None:
        self._kept.pop(caller, None)
        while len(self._kept) >= MAX_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[caller] = right

    def _digest(self, login: str, password: str, address: str) -> bytes:
        # No part holds a NUL: see `contract.legacy.is_acceptable`.
        text = "\0".join((login.casefold(), address, password))
        return hmac.digest(self._key, text.encode(), "sha256")

    def _has_asked(self, digest: bytes, task: asyncio.Task[Proved | None]) -> None:
        if self._asked.get(digest) is task:
            del self._asked[digest]
        if not task.cancelled():
            task.exception()  # whoever asked may have gone away
