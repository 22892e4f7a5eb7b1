"""Interleaving: every contender in every round, so that a drift of the machine meets all alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bench.progress import Progress
from bench.samples import Sample

MOST_PATIENCE = 8
NOTABLY = 1.01  # less is noise


class Contender(Protocol):
    """Something that does the work under comparison."""

    @property
    def name(self) -> str: ...

    def measure(self, seconds: float) -> Sample:
        """Do the work for about that long."""
        ...


def interleave(
    contenders: Sequence[Contender],
    rounds: int,
    seconds: float,
    warm_up: float,
    progress: Progress,
) -> dict[str, list[Sample]]:
    """Warm everyone up, then measure round robin; sample i of each is from round i.

    Args:
        seconds: of each measurement.
        warm_up: before the first round each contender runs until it has not become faster for so
            many seconds: see `settle`.
    """
    progress.begin(len(contenders) * (rounds + 1))
    for contender in contenders:
        progress.step(f"warming up {contender.name}")
        settle(contender, min(seconds, warm_up), warm_up)
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        # Each round starts with another one: nobody always runs behind the same neighbour.
        shift = number % len(contenders)
        for contender in [*contenders[shift:], *contenders[:shift]]:
            progress.step(f"round {number + 1} of {rounds}: {contender.name}")
            samples[contender.name].append(contender.measure(seconds))
    progress.end()
    return samples


def settle(contender: Contender, seconds: float, patience: float) -> None:
    """Run a contender until it has stopped becoming faster.

    A fixed time would be a guess: a just-in-time compiler on one core that it shares with its own
    threads goes on improving a server for ten seconds and more.

    Args:
        seconds: of each look at its rate.
        patience: seconds without a new best.
    """
    best, since, spent = 0.0, 0.0, 0.0
    while since < patience and spent < patience * MOST_PATIENCE:
        rate = contender.measure(seconds).rate
        spent += seconds
        since = 0.0 if rate > best * NOTABLY else since + seconds
        best = max(best, rate)
