"""The other end of `Child.ask`: a loop that answers one line of JSON with another."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from bench.problems import Unmeasurable

PROBLEM = "problem"


def answer_questions(answer: Callable[[Any], Any]) -> None:
    """Answer until the harness closes the pipe."""
    # Ctrl-C reaches the whole group; the harness ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        reply: Any
        try:
            reply = answer(msgspec.json.decode(line))
        except Unmeasurable as problem:
            reply = {PROBLEM: str(problem)}
        sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
        sys.stdout.buffer.flush()
