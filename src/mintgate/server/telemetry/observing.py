"""What an operator wants to see, put around an application and on a port."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mintgate.server.application import Application
from mintgate.server.logs import configure_logs
from mintgate.server.telemetry import tracing
from mintgate.server.telemetry.figures import GateFigures, ServerFigures
from mintgate.server.telemetry.requests import MeasuredServer, Observed, ObservedServer, Served
from mintgate.server.telemetry.showing import Wishes, show_metrics
from mintgate.verify.asgi import Application as ASGIApplication

if TYPE_CHECKING:
    from mintgate.gate.assembly import Gate


def observe_server(
    application: Application, wishes: Wishes, environment: Mapping[str, str] = os.environ
) -> Served:
    """`mintgate serve`, with everything around it that is wished for; itself when that is nothing.

    To be called in the process that serves, once.

    Raises:
        MetricsUnavailable: the port cannot be had.
        tracing.TracesUnavailable: traces are asked for, and cannot be made.
    """
    configure_logs(wishes.log_format, access_log=wishes.access_log)
    if wishes.metrics:
        show_metrics(ServerFigures(application), wishes, environment)
    traces = tracing.from_environment(environment)
    if not wishes.access_log and traces is None:
        return MeasuredServer(application) if wishes.metrics else application
    return ObservedServer(application, traces=traces, names_requests=wishes.access_log)


def observe_gate(
    gate: Gate, wishes: Wishes, environment: Mapping[str, str] = os.environ
) -> ASGIApplication:
    """The same for `mintgate gate`."""
    configure_logs(wishes.log_format, access_log=wishes.access_log)
    if wishes.metrics:
        show_metrics(GateFigures(gate), wishes, environment)
    traces = tracing.from_environment(environment)
    if not (wishes.metrics or traces is not None):
        return gate.app
    return Observed(gate.app, traces)
