"""What clients saw while each fault lasted, and the report of a run in Markdown."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CALM = "calm"
GOOD = "as it must be"


@dataclass
class Window:
    """One fault, from its beginning until every server was ready again.

    Args:
        start, end: seconds since the run began.
        kinds: what is wrong, for whoever has to know whether a refusal is to be expected.
    """

    name: str
    start: float
    kinds: frozenset[str] = frozenset()
    end: float = float("inf")
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    longest: float = 0.0


class Report:
    """Counts answers by the fault in whose window they came; calm times are one window."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._calm = Window(CALM, 0.0)
        self.windows: list[Window] = []
        self._open: Window | None = None
        self.notes: list[str] = []

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    @contextmanager
    def window(self, name: str, *kinds: str) -> Iterator[None]:
        window = Window(name, self.now, frozenset(kinds))
        with self._lock:
            self.windows.append(window)
            self._open = window
        try:
            yield
        finally:
            with self._lock:
                window.end = self.now
                self._open = None

    def count(self, what: str, outcome: str, started: float) -> Window:
        """Note one answer, or that none came; gives the window that it belongs to.

        Args:
            started: when it was asked for; what began in a fault belongs to it.
        """
        with self._lock:
            window = self._open or self._last_since(started) or self._calm
            window.outcomes[what, outcome] += 1
            window.longest = max(window.longest, self.now - started)
            return window

    def was_kind(self, kind: str, since: float) -> bool:
        """Whether something of this kind was wrong at any time since then."""
        with self._lock:
            return any(kind in window.kinds and window.end >= since for window in self.windows)

    def was_wrong(self, since: float) -> bool:
        with self._lock:
            return self._last_since(since) is not None

    def _last_since(self, since: float) -> Window | None:
        last = self.windows[-1] if self.windows else None
        return last if last is not None and last.end >= since else None

    def markdown(self, totals: Counter[str]) -> str:
        """The report: every fault with what clients saw."""
        lines = [f"# A run of chaos, seed {self.seed}, {self.now:.0f} seconds", ""]
        lines += [f"- {count} {what}" for what, count in sorted(totals.items())]
        lines += [f"- {note}" for note in self.notes]
        lines += ["", "| at | fault | lasted | answers | longest | what else clients saw |"]
        lines += ["|---|---|---|---|---|---|"]
        for window in (self._calm, *self.windows):
            good, others = _sorted(window.outcomes)
            lasted = "" if window is self._calm else f"{window.end - window.start:.1f} s"
            lines.append(
                f"| {window.start:.0f} s | {window.name} | {lasted} | {good} "
                f"| {window.longest:.1f} s | {'; '.join(others) or 'nothing'} |"
            )
        return "\n".join(lines) + "\n"


def _sorted(outcomes: Counter[tuple[str, str]]) -> tuple[int, list[str]]:
    """How many answers were good, and the others by kind."""
    good, others = 0, []
    for (what, outcome), count in sorted(outcomes.items()):
        if outcome == GOOD:
            good += count
        else:
            others.append(f"{what}: {count} × {outcome}")
    return good, others
