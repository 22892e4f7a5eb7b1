"""Geometry of the small charts that pages draw as SVG on the server, without any script."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

WIDTH, HEIGHT = 640, 180
_TOP, _BOTTOM = 22, 154
"""Where the highest value ends and where zero is; texts of the axis are below."""


class Bar(msgspec.Struct, frozen=True):
    """One part of a column; `kind` is the index of its series."""

    x: float
    y: float
    width: float
    height: float
    kind: int


class Chart(msgspec.Struct, frozen=True):
    """What `macros/charts.html` draws.

    Args:
        bars: parts of stacked columns.
        lines: SVG points of each series.
        highest: the value of the upper line of the grid.
        labels: (x, text) below the axis, as many as fit.
        rows: (label, values) for the table that says the same.
        names: of the series.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]
    highest: float
    labels: tuple[tuple[float, str], ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[str, ...] = ()
    width: int = WIDTH
    height: int = HEIGHT
    top: int = _TOP
    bottom: int = _BOTTOM

    @property
    def total(self) -> float:
        return sum(sum(values) for _, values in self.rows)


def stacked_bars(names: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> Chart:
    """A column a row, with a part a series.

    Args:
        names: of the series, in the order of each row's values.
        rows: (label, values), none of them negative.
    """
    highest = round_up(max((sum(values) for _, values in rows), default=0))
    step = WIDTH / max(len(rows), 1)
    width = round(min(step * 0.7, 48), 2)
    bars = []
    for column, (_, values) in enumerate(rows):
        x, y = column * step + (step - width) / 2, float(_BOTTOM)
        for kind, value in enumerate(values):
            height = value / highest * (_BOTTOM - _TOP)
            y -= height
            if value:
                bars.append(Bar(round(x, 2), round(y, 2), width, round(height, 2), kind))
    return Chart(
        names=tuple(names),
        rows=_frozen(rows),
        highest=highest,
        labels=_labels(rows, step),
        bars=tuple(bars),
    )


def lines(names: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> Chart:
    """A line a series, over the rows; as `stacked_bars`."""
    highest = round_up(max((value for _, values in rows for value in values), default=0))
    step = WIDTH / max(len(rows), 1)
    drawn = []
    for kind in range(len(names)):
        points = []
        for column, (_, values) in enumerate(rows):
            y = _BOTTOM - values[kind] / highest * (_BOTTOM - _TOP)
            points.append(f"{column * step + step / 2:.1f},{y:.1f}")
        drawn.append(" ".join(points))
    return Chart(
        names=tuple(names),
        rows=_frozen(rows),
        highest=highest,
        labels=_labels(rows, step),
        lines=tuple(drawn),
    )


def round_up(value: float) -> float:
    """The next number that is good to read, such as 30 or 1500; 1 at least."""
    magnitude = 1.0
    while True:
        for factor in (1, 1.5, 2, 3, 4, 5, 6, 8):
            if factor * magnitude >= value:
                return factor * magnitude
        magnitude *= 10


def _frozen(
    rows: Sequence[tuple[str, Sequence[float]]],
) -> tuple[tuple[str, tuple[float, ...]], ...]:
    return tuple((label, tuple(values)) for label, values in rows)


def _labels(
    rows: Sequence[tuple[str, Sequence[float]]], step: float
) -> tuple[tuple[float, str], ...]:
    every = -(-len(rows) // 8) or 1  # about eight fit on a phone too
    return tuple(
        (round(column * step + step / 2, 1) if column else 0.0, label)
        for column, (label, _) in enumerate(rows)
        if column % every == 0
    )
