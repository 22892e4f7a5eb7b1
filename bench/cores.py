"""Which core serves and which core loads."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from bench.problems import Unmeasurable

_TOPOLOGY = "/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"


class Cores(msgspec.Struct, frozen=True, kw_only=True):
    """One core each; `are_siblings` when both are threads of one physical core."""

    server: int
    load: int
    are_siblings: bool


def choose() -> Cores:
    """The first core for the server; for the load the last one that is no sibling of it.

    Raises:
        Unmeasurable: this process may use one core only.
    """
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise Unmeasurable("two cores are needed: one for the server, one for the load")
    server = usable[0]
    siblings = siblings_of(server)
    strangers = [core for core in usable[1:] if core not in siblings]
    load = strangers[-1] if strangers else usable[-1]
    return Cores(server=server, load=load, are_siblings=load in siblings)


def siblings_of(core: int) -> set[int]:
    try:
        return parse_list(Path(_TOPOLOGY.format(core=core)).read_text())
    except OSError:  # not told in some containers
        return {core}


def parse_list(text: str) -> set[int]:
    """The kernel's list format: `0-1,8`."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found
