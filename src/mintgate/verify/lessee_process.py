"""What a session source of one operating-system process has besides its sessions."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from mintgate.verify.principal import Principal
from mintgate.verify.session_lessee import Lessee
from mintgate.verify.sessions import OpenSession

PROBE_SECONDS = 5.0
"""When the issuer is away, one request in so long finds out whether it still is."""
THREADS = 8
"""So many sessions are opened at once for event loops; nobody in these waits for another one."""
Which = tuple[str, str, str]


class LesseeProcess:
    """Threads, openings on their way, whether the issuer answers; nothing survives a fork."""

    def __init__(self, lessee: Lessee) -> None:
        self.pid = os.getpid()
        self.lessee = lessee
        self.threads = ThreadPoolExecutor(THREADS, "mintgate-sessions")
        self._opening: dict[Which, Future[OpenSession]] = {}
        self._lock = threading.Lock()
        self._failed_at: float | None = None
        self._flusher: threading.Thread | None = None
        self._stopping = threading.Event()

    def join(self, principal: Principal, credential: str) -> tuple[Future[OpenSession], bool]:
        """The opening of a session with this token; True: the caller has to do it."""
        # Not of the session alone: the issuer may refuse one token of it and take another.
        which = (principal.session, principal.client_id, credential)
        with self._lock:
            known = self._opening.get(which)
            if known is not None:
                return known, False
            future: Future[OpenSession] = Future()
            self._opening[which] = future
            return future, True

    def leave(self, principal: Principal, credential: str) -> None:
        """Somebody who comes from now on begins anew."""
        with self._lock:
            self._opening.pop((principal.session, principal.client_id, credential), None)

    def may_ask(self, now: float) -> bool:
        """Whether it makes sense to ask; if not, the issuer did not answer a moment ago.

        Args:
            now: monotonic seconds.
        """
        with self._lock:
            if self._failed_at is None:
                return True
            if now - self._failed_at < PROBE_SECONDS:
                return False
            self._failed_at = now  # this one finds out; the others do not wait for it
            return True

    def note_failure(self, now: float) -> None:
        self._failed_at = now

    def note_answer(self) -> None:
        self._failed_at = None

    def start(self, work: Callable[[threading.Event], None]) -> bool:
        """Run the thread that tells of touches; whether it did not run before."""
        with self._lock:
            if self._flusher is not None:
                return False
            self._stopping = threading.Event()
            self._flusher = threading.Thread(
                target=work, args=(self._stopping,), name="mintgate-sessions-flush", daemon=True
            )
            self._flusher.start()
            return True

    def stop(self) -> None:
        with self._lock:
            flusher, self._flusher = self._flusher, None
            self._stopping.set()
        if flusher is not None:
            flusher.join(10)
