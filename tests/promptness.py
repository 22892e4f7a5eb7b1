"""How soon a server acts on a change that it hears of by itself.

The promise is a second from the commit [TOP-13], and chaos measures it. Among the tests of a whole
suite a process may get no time for longer than that, so these wait until nobody could call it soon
any more: many polls (0.25 s each), and far shorter than what is kept without being heard of.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PROMPT_SECONDS = 6.0


def promptly(happened: Callable[[], bool]) -> None:
    """Wait until it has happened; fail when it does not come about soon."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < PROMPT_SECONDS, "it did not come about soon"
        time.sleep(0.02)
