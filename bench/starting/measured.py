"""A process from its start to its first token, and what memory it has."""

from __future__ import annotations

import time
from pathlib import Path

from bench.growth.traffic import ask_once
from bench.load import BadAnswer, cpu_seconds, family, token_in
from bench.problems import Unmeasurable
from bench.processes import Child

RSS, PSS = "RSS", "PSS"
WALL, CPU = "wall clock", "CPU"
START_SECONDS = 60.0
PAUSE = 0.005


def first_token(server: Child, port: int, request: bytes, began: float) -> dict[str, float]:
    """Seconds until a server that has just been started gives a token, and its seconds of CPU.

    Args:
        began: when it was started, by `time.perf_counter`.

    Raises:
        Unmeasurable: it ended, or gave no token in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not server.is_running():
            raise Unmeasurable(f"{server.name} ended: {server.last_words()}")
        try:
            body = ask_once(port, request)
        except OSError:  # it does not listen yet
            time.sleep(PAUSE)
            continue
        except BadAnswer as bad:
            raise Unmeasurable(f"{server.name} gave no token: {bad}") from None
        token_in(body)
        return {WALL: time.perf_counter() - began, CPU: cpu_seconds(server.pid)}
    raise Unmeasurable(f"{server.name} gave no token: {server.last_words()}")


def memory(pid: int) -> dict[str, float]:
    """Megabytes (of 1,048,576 bytes) of the largest among a process and those it has started.

    RSS counts what a process shares with others in full, PSS its part of that.
    """
    return max((_memory(one) for one in family(pid)), key=lambda found: found[RSS])


def _memory(pid: int) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, kilobytes, *_ = line.split()
        sizes[name.rstrip(":")] = int(kilobytes) / 1024
    return {RSS: sizes["Rss"], PSS: sizes["Pss"]}
