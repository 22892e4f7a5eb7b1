"""Showing the metrics of a process, or of all workers of a parent, on a port.

The parent of workers imports this, and nothing of the server.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mintgate.server.logs import LogFormat
from mintgate.server.telemetry import workers
from mintgate.server.telemetry.families import Figures
from mintgate.server.telemetry.workers import FOLDER_VARIABLE, Publisher


class MetricsUnavailable(Exception):
    """The metrics cannot be shown; the message says what to do."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be seen of a process.

    Args:
        metrics_port: where `/metrics` is answered; None for nowhere.
        worker: the name of this worker, when there are several: it then leaves its metrics in the
            folder that `PROMETHEUS_MULTIPROC_DIR` names, and whoever started it shows them
            (`show_metrics_of_workers`). A number that it keeps when it starts again, or else its
            process id. None for a process that shows its own.
    """

    log_format: LogFormat = "auto"
    access_log: bool = False
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    worker: str | None = None

    @property
    def metrics(self) -> bool:
        return self.metrics_port is not None


def show_metrics(figures: Figures, wishes: Wishes, environment: Mapping[str, str]) -> None:
    """Leave the figures for whoever shows those of all workers, or show them here.

    Raises:
        MetricsUnavailable: the port cannot be had, or something is missing.
    """
    if wishes.worker is not None:
        folder = environment.get(FOLDER_VARIABLE)
        if not folder:
            raise MetricsUnavailable(f"{FOLDER_VARIABLE} must name a folder for several workers")
        Publisher(figures, Path(folder), wishes.worker).start()
    elif wishes.metrics_port is not None:
        listen_for_metrics(figures, wishes.metrics_host, wishes.metrics_port)


def show_metrics_of_workers(
    wishes: Wishes, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """In the parent of several workers: show what each of them leaves.

    To be called once, before the first worker starts.

    Returns:
        What is to be added to the environment of the workers; nothing when there are no metrics.

    Raises:
        MetricsUnavailable: the port cannot be had.
    """
    if wishes.metrics_port is None:
        return {}
    named = environment.get(FOLDER_VARIABLE)
    folder = Path(named or tempfile.mkdtemp(prefix="mintgate-metrics-"))  # for this user only
    if not named:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    workers.empty(folder)
    listen_for_metrics(
        lambda: workers.of_all_workers(folder), wishes.metrics_host, wishes.metrics_port
    )
    return {FOLDER_VARIABLE: str(folder)}


def listen_for_metrics(figures: Figures, host: str, port: int) -> None:
    """Answer at `/metrics`, in a thread.

    Raises:
        MetricsUnavailable: the port cannot be had, or prometheus-client is not installed.
    """
    try:
        from mintgate.server.telemetry import exposition
    except ImportError as error:
        raise MetricsUnavailable(
            "prometheus-client is not installed; pip install 'mintgate[server]'"
        ) from error
    try:
        exposition.listen(figures, host, port)
    except OSError as error:
        raise MetricsUnavailable(
            f"cannot listen for metrics on {host}:{port}: {error.strerror}; "
            "choose another port with --metrics-port"
        ) from error
