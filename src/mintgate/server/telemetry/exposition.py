"""Figures as Prometheus reads them, on a listener of their own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from mintgate.server.telemetry.families import Family, Figures, Histogram

if TYPE_CHECKING:
    from prometheus_client.registry import Collector


class FiguresCollector:
    """Asks for figures when Prometheus does, and keeps none of its own."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def describe(self) -> list[Metric]:
        return []  # names are known when they are asked for

    def collect(self) -> Iterator[Metric]:
        for family in self._figures():
            yield _metric(family)


def registry_of(figures: Figures) -> CollectorRegistry:
    """A registry with the figures, and memory, CPU time and open files of the process."""
    registry = CollectorRegistry()
    registry.register(cast("Collector", FiguresCollector(figures)))
    ProcessCollector(registry=registry)
    return registry


def listen(figures: Figures, host: str, port: int) -> None:
    """Answer at `/metrics` in a thread of its own, until the process ends.

    Raises:
        OSError: the port cannot be had.
    """
    start_http_server(port, host, registry_of(figures))


def _metric(family: Family) -> Metric:
    if family.kind == "histogram":
        made = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for sample in family.samples:
            if sample.spread is not None:
                made.add_metric(sample.labels, _buckets(sample.spread), sample.spread.total)
        return made
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    simple = kind(family.name, family.help, labels=family.labels)
    for sample in family.samples:
        simple.add_metric(sample.labels, sample.value)
    return simple


def _buckets(spread: Histogram) -> list[tuple[str, float]]:
    """Each with everything up to its bound, as Prometheus wants them."""
    bounds = [*(format(bound, "g") for bound in spread.bounds), "+Inf"]
    sums = itertools.accumulate(spread.counts)
    return [(bound, float(count)) for bound, count in zip(bounds, sums, strict=True)]
