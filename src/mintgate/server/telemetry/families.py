"""Figures as they are handed on: to Prometheus, or from a worker to its parent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]


class Histogram(msgspec.Struct, frozen=True):
    """Counts at each bound and one beyond, not yet summed up; `total` is the sum of all amounts."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


class Sample(msgspec.Struct, frozen=True):
    """One value; a histogram has its counts in `spread`."""

    labels: tuple[str, ...]
    value: float = 0.0
    spread: Histogram | None = None


class Family(msgspec.Struct, frozen=True):
    """A metric with all its samples. The names of counters are without `_total`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    samples: list[Sample]


Figures = Callable[[], list[Family]]


def gauge(name: str, help_text: str, value: float) -> Family:
    return Family(name, "gauge", help_text, (), [Sample((), value)])
