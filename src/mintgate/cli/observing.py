"""The options by which a running server can be watched, the same for every command that serves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from mintgate.cli import common
from mintgate.cli.listening import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from mintgate.server.telemetry.showing import Wishes
    from mintgate.server.workers.inherited import Inherited

T = TypeVar("T")
MetricsHost = Annotated[
    str,
    typer.Option(envvar="MINTGATE_METRICS_HOST", help="The address to answer /metrics on."),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        envvar="MINTGATE_METRICS_PORT",
        min=1,
        max=65535,
        help="Answer /metrics for Prometheus, on this port; without it there is none.",
        show_default=False,
    ),
]
LogFormat = Annotated[
    Literal["auto", "json", "console"],
    typer.Option(
        envvar="MINTGATE_LOG_FORMAT",
        help="Logs as JSON lines or for people; by itself for people on a terminal.",
    ),
]


def wishes(
    host: str,
    port: int | None,
    log_format: Literal["auto", "json", "console"],
    given: Inherited | None = None,
    *,
    access_log: bool,
) -> Wishes:
    """What is wished for; warns when others can read the metrics.

    Args:
        given: by the parent, who shows the metrics of all its workers.
    """
    from mintgate.server.telemetry.showing import Wishes

    if given is not None and given.part.prepares:
        port = None
    if port is not None and given is None:
        typer.echo(f"metrics: http://{host}:{port}/metrics")
        if not is_loopback(host):
            typer.echo(
                f"mintgate: whoever reaches {host}:{port} can read the metrics; they have no "
                "secrets, and tell how much you are used",
                err=True,
            )
    return Wishes(
        log_format=log_format,
        access_log=access_log,
        metrics_host=host,
        metrics_port=port,
        worker=None if given is None else str(os.getpid()),
    )


def observed(observe: Callable[[], T]) -> T:
    """What `observe` gives; ends the program with a clear sentence when it cannot be watched."""
    from mintgate.server.telemetry.showing import MetricsUnavailable
    from mintgate.server.telemetry.tracing import TracesUnavailable

    try:
        return observe()
    except (MetricsUnavailable, TracesUnavailable) as problem:
        common.fail(str(problem))
