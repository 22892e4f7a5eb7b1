"""Time is passed in, so that lifetimes can be tested without sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns the current Unix time in seconds."""

system_clock: Clock = time.time

LAST_MOMENT = 253_402_300_799.0
"""The end of the year 9999, for a lock without an end where text or JSON needs a number."""
