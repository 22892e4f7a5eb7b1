"""What the people and services of a soak know: which ERP sessions must be open, and why not."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Journal:
    """Filled by many threads; nothing is noted before it was acknowledged."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    open: set[str] = field(default_factory=set)
    """Keys of sessions that a request was answered in, and that nobody has closed since."""
    left: list[str] = field(default_factory=list)
    """Of these, what their owners do not use any more: the administrator may close them."""
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def opened(self, key: str) -> None:
        with self.lock:
            self.open.add(key)

    def closed(self, key: str) -> None:
        with self.lock:
            self.open.discard(key)

    def leave(self, key: str) -> None:
        with self.lock:
            if key in self.open:
                self.left.append(key)

    def take_left(self) -> str | None:
        """The session that was left first, for the administrator alone."""
        with self.lock:
            return self.left.pop(0) if self.left else None

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def problem(self, text: str) -> None:
        with self.lock:
            self.problems.append(text)
