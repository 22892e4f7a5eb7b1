"""Counting what happens, so cheaply that it can be done at every request.

Rooms count here in plain integers; whoever shows the numbers (`server.telemetry`) reads them when
it is asked. Nothing is known here of any monitoring system.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

MAX_CELLS = 2000
"""How many combinations of labels a tally tells apart; what comes later is counted together."""
OVERFLOW = "(other)"


class Tally:
    """How often something happened, by labels that have few values.

    A label must never be something that a caller chooses, such as a client or a path: memory here
    and in the monitoring system would grow with every new one.

    Args:
        labels: their names.
    """

    __slots__ = ("_cells", "labels")

    def __init__(self, *labels: str) -> None:
        self.labels = labels
        self._cells: dict[tuple[str, ...], list[int]] = {}

    def cell(self, *values: str) -> list[int]:
        """The count itself, one number in a list: `cell[0] += 1` counts, and costs next to nothing.

        It is to be fetched once, where the labels are known beforehand. Counts of several threads
        that meet may be lost; each cell should belong to one.
        """
        found = self._cells.get(values)
        if found is None:
            if len(self._cells) >= MAX_CELLS:
                values = (OVERFLOW,) * len(self.labels)
            found = self._cells.setdefault(values, [0])
        return found

    def add(self, *values: str) -> None:
        """Count one more."""
        self.cell(*values)[0] += 1

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """Every combination of labels so far with its count."""
        return iter([(values, cell[0]) for values, cell in list(self._cells.items())])


class Spread:
    """How a measured amount is spread: a histogram.

    Args:
        bounds: ascending; an amount is counted at the first bound that it does not exceed.
    """

    __slots__ = ("_counts", "_total", "bounds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(self.bounds) + 1)
        self._total = 0.0

    def note(self, amount: float) -> None:
        self._counts[bisect_left(self.bounds, amount)] += 1
        self._total += amount

    def read(self) -> tuple[list[int], float]:
        """The count of each bound, then that of all beyond; and the sum of all amounts."""
        return list(self._counts), self._total


class Spreads:
    """Histograms by labels; see `Tally` for what may be one."""

    __slots__ = ("_spreads", "bounds", "labels")

    def __init__(self, bounds: Sequence[float], *labels: str) -> None:
        self.bounds = tuple(bounds)
        self.labels = labels
        self._spreads: dict[tuple[str, ...], Spread] = {}

    def of(self, *values: str) -> Spread:
        found = self._spreads.get(values)
        if found is None:
            if len(self._spreads) >= MAX_CELLS:
                values = (OVERFLOW,) * len(self.labels)
            found = self._spreads.setdefault(values, Spread(self.bounds))
        return found

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], Spread]]:
        return iter(list(self._spreads.items()))
