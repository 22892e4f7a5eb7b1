"""Time is passed in, so that lifetimes can be tested without sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns the current Unix time in seconds."""

system_clock: Clock = time.time
