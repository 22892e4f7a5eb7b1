"""Threads that hash passwords and give way to everything else (ADR 12)."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

THREADS = 2
"""Each needs 64 MiB while it hashes."""
NICENESS = 5
"""Added to the process's own. A thread then gets a third of what the event loop gets when both want
the same core. More would hold sign-ins up for half a minute on a machine that others keep busy."""


def hashing_threads(count: int = THREADS) -> ThreadPoolExecutor:
    """A pool whose threads the scheduler puts behind those of the event loop, on Linux."""
    return ThreadPoolExecutor(count, "mintgate-password", initializer=_give_way)


def _give_way() -> None:
    if sys.platform != "linux":
        return  # elsewhere a priority belongs to the process
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):  # forbidden in some sandboxes; then it is as before
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(own + NICENESS, 19))
