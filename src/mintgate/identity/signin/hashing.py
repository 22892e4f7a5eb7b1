"""Threads that hash passwords and give way to everything else (ADR 12)."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

MOST_THREADS = 2
"""Each needs 64 MiB while it hashes."""
NICENESS = 5
"""Added to the process's own. A thread then gets a third of what the event loop gets when both want
the same core. More would hold sign-ins up for half a minute on a machine that others keep busy."""


def hashing_threads(count: int | None = None) -> ThreadPoolExecutor:
    """A pool whose threads the scheduler puts behind those of the event loop, on Linux.

    Args:
        count: of its threads; by itself no more than there are cores for this process. Two on one
            core check no more passwords than one, and the event loop waits for both.
    """
    count = min(MOST_THREADS, _cores()) if count is None else count
    return ThreadPoolExecutor(count, "mintgate-password", initializer=_give_way)


def _cores() -> int:
    """How many this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux tells
        return os.cpu_count() or 1


def _give_way() -> None:
    if sys.platform != "linux":
        return  # elsewhere a priority belongs to the process
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):  # forbidden in some sandboxes; then it is as before
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(own + NICENESS, 19))
