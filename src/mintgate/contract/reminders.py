"""When an owner is told that a token or a secret ends soon."""

from __future__ import annotations

DAY = 24 * 3600.0
DAYS_BEFORE = (30, 7, 1)
"""Once each."""
SOON = DAYS_BEFORE[0] * DAY


def next_reminder(ends_at: float | None, now: float) -> float | None:
    """The first moment after `now` to tell of an end; None when none is left. Unix seconds."""
    if ends_at is None:
        return None
    moments = (ends_at - days * DAY for days in DAYS_BEFORE)
    return next((moment for moment in moments if moment > now), None)


def days_left(ends_at: float, now: float) -> int:
    """Whole days until the end, at least 0."""
    return max(int((ends_at - now) // DAY), 0)
