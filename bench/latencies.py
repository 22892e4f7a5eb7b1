"""Latencies of the same work in several cases, each against a floor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Self

import msgspec

from bench.samples import percentile

COLUMNS = ("", "answers", "p50 ms", "range", "of the floor", "p99 ms", "range", "of the floor",
           "max ms")  # fmt: skip


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement of one case, in milliseconds."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, latencies: Sequence[float]) -> Self:
        """Of at least one latency in milliseconds."""
        ordered = sorted(latencies)
        return cls(
            count=len(ordered),
            p50_ms=percentile(ordered, 0.50),
            p99_ms=percentile(ordered, 0.99),
            max_ms=ordered[-1],
        )


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A case over all rounds.

    Args:
        p50_ms, p99_ms: medians over the rounds; max_ms: the longest of all.
        p50_ratio, p99_ratio: to the floor, the median of the ratios within each round. None for
            the floor.
    """

    rounds: list[Round]
    p50_ms: float
    p99_ms: float
    max_ms: float
    p50_ratio: float | None = None
    p99_ratio: float | None = None


class RatioBound(msgspec.Struct, frozen=True, kw_only=True):
    """How many times the floor's p99 that of a case may be at most.

    Args:
        ratio, met: known after the run.
    """

    text: str
    case: str
    limit: float
    ratio: float | None = None
    met: bool | None = None

    def judged(self, cases: Mapping[str, Case]) -> RatioBound:
        case = cases.get(self.case)
        if case is None or case.p99_ratio is None:
            return self
        met = case.p99_ratio <= self.limit
        return msgspec.structs.replace(self, ratio=case.p99_ratio, met=met)

    def verdict(self) -> str:
        if self.ratio is None:
            return f"not measured: {self.text}"
        state = "met" if self.met else "NOT MET"
        return f"{state}: {self.text} ({self.ratio:.2f} times, at most {self.limit:g})"


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """One group of cases that do the same work."""

    name: str
    title: str
    floor: str
    cases: dict[str, Case]
    notes: dict[str, Any] = {}
    bounds: list[RatioBound] = []

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        measured: Mapping[str, Sequence[Round]],
        *,
        floor: str,
        notes: dict[str, Any],
        bounds: Sequence[RatioBound] = (),
    ) -> Self:
        """Args: measured: the rounds of each case, in the same order."""
        base = measured[floor]
        cases = {
            case: _case(rounds, None if case == floor else base)
            for case, rounds in measured.items()
        }
        judged = [bound.judged(cases) for bound in bounds]
        return cls(name=name, title=title, floor=floor, cases=cases, notes=notes, bounds=judged)


def rows(latencies: Latencies) -> Iterator[tuple[str, ...]]:
    """What `COLUMNS` names, the floor first."""
    for name, case in latencies.cases.items():
        yield (
            f"{name} (the floor)" if name == latencies.floor else name,
            f"{sum(one.count for one in case.rounds):,}",
            _shown(case.p50_ms),
            _range([one.p50_ms for one in case.rounds]),
            _times(case.p50_ratio),
            _shown(case.p99_ms),
            _range([one.p99_ms for one in case.rounds]),
            _times(case.p99_ratio),
            _shown(case.max_ms),
        )


def _case(rounds: Sequence[Round], floor: Sequence[Round] | None) -> Case:
    pairs = list(zip(rounds, floor, strict=True)) if floor is not None else []
    return Case(
        rounds=list(rounds),
        p50_ms=median(one.p50_ms for one in rounds),
        p99_ms=median(one.p99_ms for one in rounds),
        max_ms=max(one.max_ms for one in rounds),
        p50_ratio=median(mine.p50_ms / base.p50_ms for mine, base in pairs) if pairs else None,
        p99_ratio=median(mine.p99_ms / base.p99_ms for mine, base in pairs) if pairs else None,
    )


def _range(values: Sequence[float]) -> str:
    return f"{_shown(min(values))} to {_shown(max(values))}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} times"


def _shown(milliseconds: float) -> str:
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.2f}"
