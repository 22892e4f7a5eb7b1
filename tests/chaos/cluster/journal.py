"""What clients know for certain: nothing is noted before it was acknowledged."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ended:
    """A token that was revoked.

    Args:
        at: when the answer to the revocation came: seconds since the run began.
    """

    token: str
    at: float


@dataclass
class Journal:
    """Filled by many threads."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    events: list[tuple[str, str]] = field(default_factory=list)
    """(event, jti): each must be in the audit table."""
    ended: list[Ended] = field(default_factory=list)
    """Access tokens and reference tokens that must be refused."""
    alive: list[str] = field(default_factory=list)
    """The same that nobody has ended."""
    uses: Counter[str] = field(default_factory=Counter)
    """How often each code and each refresh token was answered with tokens: once at most."""
    tried: set[str] = field(default_factory=set)
    """Codes and refresh tokens that were sent at least once."""
    refreshable: list[str] = field(default_factory=list)
    """The last refresh token of each grant of which every answer came."""
    dead: list[str] = field(default_factory=list)
    """Refresh tokens whose grant was ended: revoked, replayed or signed out."""
    open: set[str] = field(default_factory=set)
    """Keys of ERP sessions that a request was answered in: each must be stored."""
    perhaps: set[str] = field(default_factory=set)
    """Of ERP sessions that were asked for, or that were being closed: stored or not."""
    over: set[str] = field(default_factory=set)
    """Of ERP sessions that nobody uses any more, for the administrator to close."""
    untimely: set[str] = field(default_factory=set)
    """Of those that were open while a clock was wrong: a server may have taken them for idle."""
    is_untimely: bool = False
    """Whether a clock is wrong now."""
    totals: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def issued(self, event: str, jti: str) -> None:
        with self.lock:
            self.events.append((event, jti))
            self.totals[f"acknowledged {event}"] += 1

    def used(self, value: str, what: str) -> None:
        """A code or refresh token was answered with tokens."""
        with self.lock:
            self.uses[value] += 1
            self.totals[what] += 1
            if self.uses[value] > 1:
                self.problem(f"used twice: {what}")

    def end(self, token: str, at: float, what: str) -> None:
        with self.lock:
            self.ended.append(Ended(token, at))
            self.totals[what] += 1

    def opening(self, key: str) -> None:
        """A request is about to be sent that may open a session."""
        with self.lock:
            if key not in self.open:
                self.perhaps.add(key)

    def opened(self, key: str) -> None:
        """A request was answered in a session."""
        with self.lock:
            if self.is_untimely:
                self.untimely.add(key)
            if key not in self.untimely:
                self.open.add(key)

    def closing(self, key: str) -> None:
        with self.lock:
            self.open.discard(key)
            self.perhaps.add(key)

    def leave(self, key: str) -> None:
        """Nobody sends a request in this session any more; one may be on its way."""
        with self.lock:
            self.open.discard(key)
            self.over.add(key)

    def clock_jumps(self, is_wrong: bool) -> None:
        """A server whose clock is wrong may close what seems idle to it."""
        with self.lock:
            self.is_untimely = is_wrong
            self.untimely |= self.open | self.perhaps
            self.perhaps |= self.open
            self.open.clear()

    def count(self, what: str) -> None:
        with self.lock:
            self.totals[what] += 1

    def problem(self, text: str) -> None:
        with self.lock:
            self.problems.append(text)
