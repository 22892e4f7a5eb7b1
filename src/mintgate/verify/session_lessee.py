"""What one process says to the issuer about its ERP sessions, and in which order."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from mintgate.contract.clock import Clock
from mintgate.contract.errors import NoFreeSlot
from mintgate.contract.identifiers import new_hex128
from mintgate.contract.licences import IDLE_SECONDS, Touch
from mintgate.contract.session_leases import (
    MAX_TOLD,
    LeaseAnswer,
    LeasedTouch,
    LeaseOfNoToken,
    LeaseOpened,
    LeaseRefused,
    OpenSessionOf,
    SeeSessionOf,
    SessionSeen,
    TellTouches,
    TouchesTold,
    told,
)
from mintgate.verify.issuer_client import IssuerClient
from mintgate.verify.known_sessions import Attempt, KnownSessions, kind_of
from mintgate.verify.principal import Principal
from mintgate.verify.sessions import OpenSession
from mintgate.verify.state import StateUnavailable

_LONG_UNTOLD = IDLE_SECONDS / 2
"""A session that was told of since cannot seem idle, so that its touches can wait."""


class Lessee:
    """The sessions of this process, and its name at the issuer.

    The issuer takes this process at its word that what it has not told of is idle [SES-14]. So no
    opening, which makes the issuer count, may overtake touches that are on their way: whoever
    tells touches holds a lock, for which every opening waits. An answer takes less than the 15
    seconds in which touches may be late [SES-27].
    """

    def __init__(self, issuer: IssuerClient, is_fresh: Callable[[], bool], clock: Clock) -> None:
        self.process = new_hex128()
        self.known = KnownSessions(is_fresh, clock)
        self._issuer = issuer
        self._clock = clock
        self._telling = threading.Lock()

    def open(
        self, attempt: Attempt, principal: Principal, credential: str
    ) -> OpenSession | LeaseOfNoToken:
        """Open or join a session at the issuer.

        Raises:
            NoFreeSlot: all licence slots are taken.
            StateUnavailable: the issuer does not answer.
        """
        with self._telling:
            long_ago = self._clock() - _LONG_UNTOLD
            touches = self.known.take_touches(told_before=long_ago, key=principal.session)
            if touches:
                sent_at, answer = self._ask(principal, credential, touches)
        if not touches:  # the usual case: many may open at once
            sent_at, answer = self._ask(principal, credential, [])
        if isinstance(answer, LeaseRefused):
            cause = "the issuer has no free licence slot; its audit log tells more"
            raise NoFreeSlot(answer.description, cause=cause)
        if isinstance(answer, LeaseOfNoToken):
            return answer
        if not isinstance(answer, LeaseOpened):
            raise StateUnavailable("the issuer answers something else than it was asked")
        return self._keep(attempt, principal, answer, sent_at)

    def certain(self, principal: Principal, credential: str) -> OpenSession | LeaseOfNoToken | None:
        """A known session that the issuer says is still open; None: it has to be opened.

        For as long as the state feed does not tell what ends; nothing is written by it.

        Raises:
            StateUnavailable: the issuer does not answer.
        """
        session = self.known.probable(principal)
        if session is None:
            return None
        seen = self._issuer.session_lease(SeeSessionOf(token=credential))
        if isinstance(seen, LeaseOfNoToken):
            return seen
        is_open = isinstance(seen, SessionSeen) and seen.opened_at == session.opened_at
        return session if is_open else None

    def flush(self) -> None:
        """Tell what was noted since the last time.

        Raises:
            StateUnavailable: the issuer does not answer; what it was not told is kept.
        """
        self.known.note_freshness()
        while True:
            with self._telling:
                touches = self.known.take_touches(MAX_TOLD)
                if touches:
                    self._tell(touches)
            if len(touches) < MAX_TOLD:
                return  # what has come since is for the next time

    def _ask(
        self, principal: Principal, credential: str, touches: list[Touch]
    ) -> tuple[float, LeaseAnswer]:
        while len(touches) > MAX_TOLD:
            some, touches = touches[:MAX_TOLD], touches[MAX_TOLD:]
            try:
                self._tell(some)
            except BaseException:
                self.known.give_back(touches)
                raise
        sent_at = self._clock()
        try:
            answer = self._issuer.session_lease(
                OpenSessionOf(process=self.process, token=credential, touches=self._told(touches))
            )
        except BaseException:
            self.known.give_back(touches)
            raise
        if isinstance(answer, LeaseOfNoToken):
            self.known.give_back(touches)  # it did not come to them
        elif isinstance(answer, LeaseOpened | LeaseRefused):
            self.known.forget_gone(touches, answer.gone)
        return sent_at, answer

    def _tell(self, touches: list[Touch]) -> None:
        try:
            answer = self._issuer.session_lease(
                TellTouches(process=self.process, touches=self._told(touches))
            )
        except BaseException:
            self.known.give_back(touches)
            raise
        if isinstance(answer, TouchesTold):
            self.known.forget_gone(touches, answer.gone)

    def _told(self, touches: list[Touch]) -> list[LeasedTouch]:
        now = self._clock()
        return [told(touch, now) for touch in touches]

    def _keep(
        self, attempt: Attempt, principal: Principal, opened: LeaseOpened, sent_at: float
    ) -> OpenSession:
        end = opened.absolute_end
        self.known.note_freshness()
        return self.known.keep(
            attempt,
            kind_of(principal)[0],
            opened_at=opened.opened_at,
            # On this process's clock; what the call took is counted as passed.
            last_request=sent_at - max(0.0, opened.now - opened.last_request),
            absolute_end=math.inf if end is None else sent_at + (end - opened.now),
            client_ids=opened.client_ids,
        )
