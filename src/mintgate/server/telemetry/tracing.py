"""Traces, when the standard `OTEL_*` variables ask for them. Without that nothing is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from mintgate.gate.access_log import Record

Ended = Callable[[Record | None], None]
"""Told how a request ended."""


class Traces(Protocol):
    """What a server tells of its requests."""

    def of_request(self, scope: Mapping[str, Any]) -> AbstractContextManager[Ended]:
        """A span around a request, a child of the one that its `traceparent` names."""

    def stop(self) -> None:
        """Send what has not been sent; it may wait for the collector."""


class TracesUnavailable(Exception):
    """Traces are asked for and cannot be made; the message says what to do."""


def are_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the OpenTelemetry variables name a place that traces go to."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter:
        return exporter != "none"
    places = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return any(environment.get(name, "").strip() for name in places)


def from_environment(environment: Mapping[str, str]) -> Traces | None:
    """Begin to trace this process; None when nobody wants that.

    Raises:
        TracesUnavailable: OpenTelemetry is not installed, or the exporter is not known here.
    """
    if not are_wanted(environment):
        return None
    try:
        from mintgate.server.telemetry.opentelemetry_traces import OpenTelemetryTraces
    except ImportError as error:
        raise TracesUnavailable(
            "an OTEL_… variable asks for traces, and OpenTelemetry is not installed; "
            "pip install 'mintgate[otel]', or set OTEL_TRACES_EXPORTER=none"
        ) from error
    return OpenTelemetryTraces.from_environment(environment)
