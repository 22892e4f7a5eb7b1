"""ERP sessions of a guard that is not in the issuer's process: session leases [API-16].

One call opens or joins a session; after that a request costs a look into a dictionary. A thread
tells the issuer in batches what was noted [SES-27], and the state feed tells what has ended.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from mintgate.contract.clock import Clock, system_clock
from mintgate.contract.errors import NoFreeSlot
from mintgate.contract.feed import ClosedSession, EndedSession, Entry
from mintgate.contract.session_leases import LeaseOfNoToken, SeeSessionOf, SessionSeen
from mintgate.verify.checks import CheckOutcome
from mintgate.verify.issuer_client import IssuerClient
from mintgate.verify.lessee_process import LesseeProcess
from mintgate.verify.principal import Principal
from mintgate.verify.session_lessee import Lessee
from mintgate.verify.sessions import OpenSession
from mintgate.verify.state import StateUnavailable

_log = logging.getLogger(__name__)
FLUSH_SECONDS = 10.0
"""Less than the 15 that touches may wait, as a call takes its time [SES-27]."""


class RemoteSessions:
    """A session source that asks the issuer. Safe for threads, event loops and forked workers.

    Args:
        issuer: asks as this API, whose secret it has.
        is_fresh: whether the issuer's state feed is followed up to a second ago.
        clock: Unix seconds; it may differ from the issuer's. `monotonic` paces calls.
        flush_seconds: how often touches are told, at most 15 [SES-27].

    Raises:
        ValueError: `flush_seconds` out of range.
    """

    def __init__(
        self,
        issuer: IssuerClient,
        is_fresh: Callable[[], bool],
        *,
        clock: Clock = system_clock,
        monotonic: Clock = time.monotonic,
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        if not 0 < flush_seconds <= FLUSH_SECONDS:
            raise ValueError(f"touches wait for at most {FLUSH_SECONDS:.0f} seconds")
        self._issuer = issuer
        self._is_fresh = is_fresh
        self._clock, self._monotonic = clock, monotonic
        self._flush_seconds = flush_seconds
        self._renewing = threading.Lock()
        self._own = self._new()

    def _new(self) -> LesseeProcess:
        return LesseeProcess(Lessee(self._issuer, self._is_fresh, self._clock))

    def _mine(self) -> LesseeProcess:
        own = self._own
        if own.pid != os.getpid():
            # A forked worker is a process of its own: what its parent has noted, its parent tells.
            with self._renewing:
                own = self._own
                if own.pid != os.getpid():
                    own = self._own = self._new()
        return own

    # The session source.

    def touch(self, principal: Principal) -> OpenSession | None:
        return self._mine().lessee.known.touch(principal)

    def open(self, principal: Principal, credential: str = "") -> OpenSession:
        """Open or join the session of a token, and note one request of it.

        Requests that come at once with the same token wait for the same answer [SES-13].

        Raises:
            NoFreeSlot: all licence slots are taken [SES-33].
            InvalidToken, Forbidden: the issuer does not accept the token, or not any more.
            StateUnavailable: the issuer is away, and the session is not known for certain.
        """
        own = self._mine()
        future, is_first = own.join(principal, credential)
        if is_first:
            self._ask_for(own, principal, credential, future)
        return own.lessee.known.note_request(future.result())

    async def open_async(self, principal: Principal, credential: str = "") -> OpenSession:
        """The same, waiting in the event loop."""
        own = self._mine()
        future, is_first = own.join(principal, credential)
        if is_first:
            # In a thread to its end, whoever of those that wait for it goes away.
            try:
                own.threads.submit(self._ask_for, own, principal, credential, future)
            except RuntimeError as error:  # the interpreter is ending
                own.leave(principal, credential)
                future.set_exception(StateUnavailable(str(error)))
        session = await asyncio.shield(asyncio.wrap_future(future))
        return own.lessee.known.note_request(session)

    def flush(self) -> None:
        """Tell the issuer what was noted since the last time [SES-27].

        Raises:
            StateUnavailable: it does not answer; what was not told is kept for the next time.
        """
        self._mine().lessee.flush()

    def close(self) -> None:
        """Tell the issuer what is left, and end the thread. The sessions stay open.

        A request that comes later starts it again.
        """
        own = self._mine()
        own.stop()
        atexit.unregister(self.close)
        try:
            own.lessee.flush()
        except StateUnavailable as error:
            _log.warning("the last requests of ERP sessions could not be told: %s", error)

    def on_entry(self, entry: Entry) -> None:
        """Forget what has ended; called by the follower of the feed [TOP-13]."""
        match entry:
            case EndedSession(sid=key) | ClosedSession(session=key):
                self._mine().lessee.known.forget(key)
            case _:
                pass

    def on_gap(self) -> None:
        """Something may have ended without a word: every session is asked for anew."""
        self._mine().lessee.known.doubt()

    def peek(self, credential: str) -> CheckOutcome:
        """Check API-16 without opening a session, for an explanation.

        Raises:
            StateUnavailable: the issuer does not answer.
        """
        name = "session open or a slot free"
        seen = self._issuer.session_lease(SeeSessionOf(token=credential))
        if isinstance(seen, LeaseOfNoToken):
            detail = "the issuer does not accept the token"
            return CheckOutcome("API-16", name, "not checked", detail)
        if not isinstance(seen, SessionSeen):
            raise StateUnavailable("the issuer answers something else than it was asked")
        if seen.opened_at is not None:
            return CheckOutcome("API-16", name, "passed", "its session is open")
        if seen.slot_is_free:
            return CheckOutcome("API-16", name, "passed", "a slot is free")
        return CheckOutcome(
            "API-16",
            name,
            "failed",
            "all licence slots are taken",
            seen="no free slot",
            expected="its session open, or a free slot",
            mend="Wait until a session has ended; an administrator sees them by `mintgate session "
            "list` and ends one by `mintgate session close`.",
        )

    # Behind it.

    def _ask_for(
        self, own: LesseeProcess, principal: Principal, credential: str, future: Future[OpenSession]
    ) -> None:
        try:
            if own.start(self._flush_for_ever):
                atexit.register(self.close)
            session = self._session(own, principal, credential)
        except BaseException as error:  # noqa: BLE001 - handed to everybody who waits
            own.leave(principal, credential)
            future.set_exception(error)
        else:
            own.leave(principal, credential)
            future.set_result(session)

    def _session(self, own: LesseeProcess, principal: Principal, credential: str) -> OpenSession:
        lessee = own.lessee
        if not credential:
            raise StateUnavailable("without a token no session can be asked for")
        attempt = lessee.known.begin(principal.session)
        try:
            if not (self._is_fresh() or own.may_ask(self._monotonic())):
                raise StateUnavailable("the issuer has not answered a moment ago")
            try:
                known = None if self._is_fresh() else lessee.certain(principal, credential)
                found = known or lessee.open(attempt, principal, credential)
            except StateUnavailable:
                own.note_failure(self._monotonic())
                raise
            except NoFreeSlot:
                own.note_answer()
                raise
        except StateUnavailable:
            away = lessee.known.when_away(principal)
            if away is None:
                raise
            return away
        finally:
            lessee.known.give_up(attempt)
        own.note_answer()
        if isinstance(found, LeaseOfNoToken):
            # It was good here a moment ago: revoked since, or this clock is behind.
            raise found.refusal
        return found

    def _flush_for_ever(self, stopping: threading.Event) -> None:
        failing = False
        while not stopping.wait(1.0 if failing else self._flush_seconds):
            try:
                self.flush()
                failing = False
            except StateUnavailable as error:
                if not failing:
                    _log.warning("requests of ERP sessions cannot be told yet: %s", error)
                failing = True
            except Exception:  # noqa: BLE001 - logged, and told again
                _log.exception("requests of ERP sessions could not be told")
                failing = True
