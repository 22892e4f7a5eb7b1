"""ERP sessions of the server's process: known in memory, opened and flushed through the store."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from mintgate.contract.clock import Clock
from mintgate.contract.errors import NoCredential
from mintgate.contract.identifiers import new_hex128
from mintgate.contract.licences import IDLE_SECONDS, Occupancy, Touch
from mintgate.gate.session_openings import opening_of, refusal_of, told
from mintgate.identity.auditing import record_refusal
from mintgate.store import (
    AuditEvent,
    Change,
    Database,
    DatabaseUnavailable,
    Transaction,
    erp_session_ends,
    erp_sessions,
    licence_pools,
)
from mintgate.store.erp_sessions import ErpSession, Opened
from mintgate.store.licence_pools import SlotCounts
from mintgate.store.pacing import bit_by_bit
from mintgate.verify.known_sessions import Attempt, KnownSessions, kind_of
from mintgate.verify.principal import Principal
from mintgate.verify.sessions import OpenSession, no_free_slot
from mintgate.verify.state import StateUnavailable

SESSION_OVER = "The session is not known, or has ended. Log in again."
TRIES = 25
PAUSE_SECONDS = 0.02
"""Between tries, while somebody else is closing the session that is asked for."""
_LONG_UNTOLD = IDLE_SECONDS / 2
"""A session that was told of since cannot seem idle, so that its touches can wait."""


class LogIn(Protocol):
    """Opens or finds the session of a login, given what the process has not told of yet."""

    def __call__(self, tx: Transaction, *, touches: list[Touch]) -> tuple[Opened, str]: ...


class ErpSessions:
    """The session source of guards inside the server, for one instance.

    Args:
        is_fresh: whether the state feed is followed up to now.
        clock: Unix seconds.
        is_away: whether the database is known not to answer.
    """

    def __init__(
        self,
        instance_id: str,
        database: Database,
        is_fresh: Callable[[], bool],
        clock: Clock,
        is_away: Callable[[], bool] = lambda: False,
    ) -> None:
        self.process = new_hex128()
        """By which the store tells this process from others [SES-27]."""
        self._instance_id = instance_id
        self._lane = licence_pools.lane(instance_id)
        self._database = database
        self._is_fresh = is_fresh
        self._clock = clock
        self._is_away = is_away
        self.known = KnownSessions(is_fresh, clock)
        self.touch = self.known.touch
        self._opening: dict[tuple[str, str], asyncio.Task[OpenSession]] = {}

    async def open_async(self, principal: Principal, credential: str = "") -> OpenSession:
        """Open or join the session of a principal, and note one request of it.

        The credential is not needed here, where its principal was found.

        Requests that come at once for the same session wait for the same answer [SES-13].

        Raises:
            NoFreeSlot: all licence slots are taken [SES-33].
            StateUnavailable: the database is away, and the session is not known for certain.
        """
        which = (principal.session, principal.client_id)
        task = self._opening.get(which)
        if task is None:
            task = self._opening[which] = asyncio.create_task(self._ask(principal))
            task.add_done_callback(lambda done: self._has_opened(which, done))
        return self.known.note_request(await asyncio.shield(task))

    def open(self, principal: Principal, credential: str = "") -> OpenSession:
        """The same, waiting in this thread, in a transaction of its own."""
        known = self._certain(principal)
        if known is not None:
            return self.known.note_request(known)
        attempt = self.known.begin(principal.session)
        try:
            opened, touches = self._open_now(principal)
            known = self._outcome(principal, attempt, touches, opened)
        except DatabaseUnavailable as error:
            known = self._when_away(principal, error)
        finally:
            self.known.give_up(attempt)
        return self.known.note_request(known)

    def _open_now(self, principal: Principal) -> tuple[Opened, list[Touch]]:
        touches = self._untold(principal)
        try:
            with self._database.begin() as tx:
                opened = self._work(principal, touches, tx)
                if opened.refused is not None:
                    tx.record(self._refusal(principal, opened.refused))
        except BaseException:
            self.known.give_back(touches)
            raise
        return opened, touches

    async def log_in(self, principal: Principal, work: LogIn) -> str:
        """Open or find the session of a legacy login; returns what `work` made of its id.

        Raises: as `open_async`.
        """
        for _ in range(TRIES):
            touches = self._untold(principal)
            try:
                opened, made = await self._database.write(
                    partial(work, touches=touches), lane=self._lane
                )
            except BaseException as error:
                self.known.give_back(touches)
                if isinstance(error, DatabaseUnavailable):
                    raise StateUnavailable(str(error)) from error
                raise
            self.known.forget_gone(touches, opened.gone)
            if opened.refused is not None:
                await record_refusal(self._database, self._refusal(principal, opened.refused))
                raise no_free_slot(principal, cause=told(opened.refused))
            if opened.session is not None:
                return made
            await asyncio.sleep(PAUSE_SECONDS)
        raise StateUnavailable("the session is being closed, and that does not end")

    async def flush(self) -> None:
        """Store what was noted since the last time [SES-27].

        Raises:
            DatabaseUnavailable: what was not stored is kept for the next time.
        """
        self.known.note_freshness()
        while touches := self.known.take_touches(erp_sessions.MAX_TOUCHES):
            try:
                gone = await self._database.write(
                    partial(self._flush, touches=touches), lane=self._lane
                )
            except BaseException:
                self.known.give_back(touches)
                raise
            self.known.forget_gone(touches, gone)

    async def sweep(self) -> None:
        """Close sessions that have ended by themselves, and that nobody has asked for since."""
        if await self._database.read(
            lambda c: erp_session_ends.any_over(c, self._instance_id, self._clock(), self.process)
        ):
            await bit_by_bit(
                self._database,
                lambda tx: erp_session_ends.sweep(tx, self._instance_id, self.process),
                lane=self._lane,
            )

    async def counts(self) -> SlotCounts:
        """The slots now, with what this process has noted."""
        await self.flush()
        return await self._database.read(
            lambda c: licence_pools.counts(c, self._instance_id, self._clock(), self.process)
        )

    async def listing(self, after: str | None, limit: int) -> list[ErpSession]:
        """Open sessions by their keys, with what this process has noted [SES-26]."""
        await self.flush()
        return await self._database.read(
            lambda c: erp_sessions.listing(
                c, self._instance_id, self._clock(), after, limit, process=self.process
            )
        )

    def apply(self, change: Change) -> None:
        """Forget what a committed change of this instance has closed [TOP-13]."""
        if change.kind == "sid":
            self.known.forget(change.subject)
        elif change.kind == "erp_session":
            self.known.forget(change.data["session"])

    async def _ask(self, principal: Principal) -> OpenSession:
        attempt = self.known.begin(principal.session)
        try:
            return await self._certain_async(principal) or await self._open(principal, attempt)
        except DatabaseUnavailable as error:
            return self._when_away(principal, error)
        finally:
            self.known.give_up(attempt)

    async def _open(self, principal: Principal, attempt: Attempt) -> OpenSession:
        for _ in range(TRIES):
            touches = self._untold(principal)
            try:
                opened = await self._database.write(
                    partial(self._work, principal, touches), lane=self._lane
                )
            except BaseException:
                self.known.give_back(touches)
                raise
            if opened.session is not None or opened.refused is not None or opened.is_over:
                if opened.refused is not None:
                    event = self._refusal(principal, opened.refused)
                    await record_refusal(self._database, event)
                return self._outcome(principal, attempt, touches, opened)
            self.known.forget_gone(touches, opened.gone)
            await asyncio.sleep(PAUSE_SECONDS)
        raise StateUnavailable("the session is being closed, and that does not end")

    def _work(self, principal: Principal, touches: list[Touch], tx: Transaction) -> Opened:
        opening = opening_of(principal, self.process, touches)
        return erp_sessions.open_or_join(tx, self._instance_id, opening)

    def _outcome(
        self, principal: Principal, attempt: Attempt, touches: list[Touch], opened: Opened
    ) -> OpenSession:
        self.known.forget_gone(touches, opened.gone)
        session, found = opened.session, opened.refused
        if found is not None:
            raise no_free_slot(principal, cause=told(found))
        if opened.is_over:
            raise NoCredential(SESSION_OVER, cause="the legacy session has ended [LEG-12]")
        if session is None:
            raise StateUnavailable("the session is just being closed")
        return self.known.keep(
            attempt,
            kind_of(principal)[0],
            opened_at=session.started_at,
            last_request=session.last_request_at,
            absolute_end=math.inf if session.absolute_end is None else session.absolute_end,
            client_ids=session.client_ids,
        )

    def _flush(self, tx: Transaction, *, touches: list[Touch]) -> list[str]:
        return erp_sessions.flush(tx, self._instance_id, self.process, touches)

    def _untold(self, principal: Principal) -> list[Touch]:
        """Touches without which a session that is in use could seem idle."""
        long_ago = self._clock() - _LONG_UNTOLD
        return self.known.take_touches(told_before=long_ago, key=principal.session)

    async def _certain_async(self, principal: Principal) -> OpenSession | None:
        """A session that is known, but perhaps closed elsewhere, as the feed cannot be read."""
        session = None if self._is_fresh() else self.known.probable(principal)
        if session is None:
            return None
        if self._is_away():
            return self.known.when_away(principal)
        if await self._database.read(lambda c: self._is_still_open(session, c)):
            return session
        return None

    def _certain(self, principal: Principal) -> OpenSession | None:
        session = None if self._is_fresh() else self.known.probable(principal)
        try:
            if session is not None and self._database.read_now(
                lambda c: self._is_still_open(session, c)
            ):
                return session
        except DatabaseUnavailable:
            pass  # opening it meets the same
        return None

    def _is_still_open(self, session: OpenSession, connection: Connection) -> bool:
        return erp_sessions.is_still_open(
            connection, self._instance_id, session.key, session.opened_at, self._clock()
        )

    def _when_away(self, principal: Principal, error: DatabaseUnavailable) -> OpenSession:
        session = self.known.when_away(principal)
        if session is None:
            raise StateUnavailable(str(error)) from error
        return session

    def _has_opened(self, which: tuple[str, str], task: asyncio.Task[OpenSession]) -> None:
        self._opening.pop(which, None)
        if not task.cancelled():
            task.exception()  # whoever asked may have gone away

    def _refusal(self, principal: Principal, found: Occupancy) -> AuditEvent:
        return refusal_of(principal, found, self._instance_id, self._clock())
