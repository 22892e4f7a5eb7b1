"""What the load of a chaos run was told, so that it can be held against what is stored."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class Journal:
    """Filled by many threads; every entry is one acknowledged answer, or one that never came."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    live_codes: list[str] = field(default_factory=list)
    used_codes: list[str] = field(default_factory=list)
    live_refresh_tokens: list[str] = field(default_factory=list)
    used_refresh_tokens: list[str] = field(default_factory=list)
    live_access_tokens: list[str] = field(default_factory=list)
    revoked_access_tokens: list[str] = field(default_factory=list)
    revoked_refresh_tokens: list[str] = field(default_factory=list)
    unanswered_codes: list[str] = field(default_factory=list)
    """Sent, and the server died before it answered: used or not, but never twice."""
    unanswered_refresh_tokens: list[str] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    """(event, jti) of what was acknowledged: each must be in the audit table."""
    operations: int = 0

    def take(self, values: list[str]) -> str | None:
        """The oldest value, which nobody else gets."""
        with self.lock:
            return values.pop(0) if values else None

    def put(self, values: list[str], value: str) -> None:
        with self.lock:
            values.append(value)

    def acknowledged(self, event: str, jti: str) -> None:
        with self.lock:
            self.events.append((event, jti))

    def count(self) -> None:
        with self.lock:
            self.operations += 1
