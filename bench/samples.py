"""What one measurement yields, and what several of them say together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

import msgspec


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One contender, measured once.

    Args:
        count: how often the work was done, and verified, in `seconds`.
        p50_us, p99_us: latencies as the load generator saw them; None for work in a loop.
        server_cpu: seconds of CPU that the server process used meanwhile.
        load_cpu: the same of the load generator; near `seconds` it is what was measured.
        tokens: some of the tokens that came back.
    """

    count: int
    seconds: float
    p50_us: float | None = None
    p99_us: float | None = None
    server_cpu: float | None = None
    load_cpu: float | None = None
    tokens: list[str] = []

    @property
    def rate(self) -> float:
        return self.count / self.seconds


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A contender over all rounds: medians, and the range that they come from.

    Args:
        rate: per second.
        added_us: microseconds on top of the floor, the median of the differences within each
            round, so that a slow moment of the machine weighs on both sides. None for the floor.
    """

    rate: float
    rate_min: float
    rate_max: float
    rates: list[float]
    added_us: float | None = None
    added_us_min: float | None = None
    added_us_max: float | None = None
    p50_us: float | None = None
    p99_us: float | None = None
    cpu_us: float | None = None
    load_busy: float | None = None


def summarize(samples: Sequence[Sample], floor: Sequence[Sample] | None) -> Summary:
    """Medians over the rounds.

    Args:
        floor: the floor's samples of the same rounds, in the same order; None for itself.
    """
    rates = [sample.rate for sample in samples]
    added = [] if floor is None else added_us(samples, floor)
    return Summary(
        rate=median(rates),
        rate_min=min(rates),
        rate_max=max(rates),
        rates=[round(rate, 1) for rate in rates],
        added_us=median(added) if added else None,
        added_us_min=min(added, default=None),
        added_us_max=max(added, default=None),
        p50_us=_median(sample.p50_us for sample in samples),
        p99_us=_median(sample.p99_us for sample in samples),
        cpu_us=_median(
            None if sample.server_cpu is None else sample.server_cpu / sample.count * 1e6
            for sample in samples
        ),
        load_busy=_median(
            None if sample.load_cpu is None else sample.load_cpu / sample.seconds
            for sample in samples
        ),
    )


def added_us(samples: Sequence[Sample], floor: Sequence[Sample]) -> list[float]:
    """1/rate(x) - 1/rate(floor) of each round, in microseconds."""
    return [1e6 / mine.rate - 1e6 / base.rate for mine, base in zip(samples, floor, strict=True)]


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the sorted values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
