"""Figures that are no rates: seconds of a start, megabytes of a process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Self

import msgspec

COLUMNS = ("", "", "median", "range")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was measured of one contender, once a round."""

    of: str
    what: str
    median: float
    values: list[float]


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What `what` of `of` may be at most; `value` and `met` are known after the run."""

    text: str
    of: str
    what: str
    limit: float
    value: float | None = None
    met: bool | None = None

    def judged(self, figures: Sequence[Figure]) -> Bound:
        for figure in figures:
            if (figure.of, figure.what) == (self.of, self.what):
                met = figure.median <= self.limit
                return msgspec.structs.replace(self, value=figure.median, met=met)
        return self


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One group. `unit` is that of every figure and bound."""

    name: str
    title: str
    unit: str
    figures: list[Figure]
    bounds: list[Bound] = []
    left_out: dict[str, str] = {}
    versions: dict[str, str] = {}
    notes: dict[str, Any] = {}

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        unit: str,
        measured: Mapping[str, Sequence[Mapping[str, float]]],
        *,
        bounds: Sequence[Bound],
        left_out: dict[str, str],
        versions: dict[str, str],
        notes: dict[str, Any],
    ) -> Self:
        """Args: measured: by contender, a mapping from what was measured to its value a round."""
        figures = [
            Figure(
                of=contender,
                what=what,
                median=median(values),
                values=[round(value, 3) for value in values],
            )
            for contender, rounds in measured.items()
            for what in rounds[0]
            for values in [[one[what] for one in rounds]]
        ]
        return cls(
            name=name,
            title=title,
            unit=unit,
            figures=figures,
            bounds=[bound.judged(figures) for bound in bounds],
            left_out=left_out,
            versions=versions,
            notes=notes,
        )


def rows(group: Figures) -> Iterator[tuple[str, ...]]:
    """What `COLUMNS` names."""
    for figure in group.figures:
        values = figure.values
        yield (
            figure.of,
            figure.what,
            f"{_shown(figure.median)} {group.unit}",
            f"{_shown(min(values))} to {_shown(max(values))}",
        )


def verdict(bound: Bound, unit: str) -> str:
    """Whether it holds, in a sentence."""
    if bound.value is None:
        return f"not measured: {bound.text}"
    state = "met" if bound.met else "NOT MET"
    return f"{state}: {bound.text} ({_shown(bound.value)} {unit}, at most {bound.limit:g})"


def remarks(group: Figures) -> Iterator[str]:
    """Verdicts, and who could not take part."""
    yield from (verdict(bound, group.unit) for bound in group.bounds)
    yield from (f"left out: {name}: {why}" for name, why in group.left_out.items())


def _shown(value: float) -> str:
    return f"{value:,.1f}" if value >= 10 else f"{value:.2f}"
