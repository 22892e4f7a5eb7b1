"""Serving in several processes: what `mintgate serve` and `mintgate gate` have in common."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mintgate.cli import common
from mintgate.cli.listening import Listening, listen
from mintgate.cli.observing import observed
from mintgate.cli.setting_files import NAMES
from mintgate.server.workers.inherited import Inherited

if TYPE_CHECKING:
    from mintgate.server.telemetry.showing import Wishes
    from mintgate.store.valkey_counters import ValkeyCounters

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        envvar="MINTGATE_WORKERS",
        min=1,
        max=256,
        metavar="N",
        help="Serve by this many processes, kept by a parent: one that dies is replaced, and "
        "SIGHUP starts new ones with fresh code and configuration before the old ones end. "
        "As many as the machine has cores is a good number. Without it one process serves.",
        show_default=False,
    ),
]

Counters = Annotated[
    str | None,
    typer.Option(
        "--counters",
        envvar="MINTGATE_COUNTERS",
        metavar="URL",
        help="Where rate limits are added up for all processes: valkey://HOST or redis://HOST "
        "(valkeys://, rediss:// with TLS). A password belongs in MINTGATE_COUNTERS or in the file "
        "that MINTGATE_COUNTERS_FILE names.",
        show_default=False,
    ),
]


def counters_at(url: str | None) -> ValkeyCounters | None:
    """The Valkey server that is named, or exit code 1."""
    if url is None:
        return None
    from mintgate.store.valkey_counters import ValkeyCounters

    try:
        return ValkeyCounters(url)
    except ValueError as error:
        common.fail(f"--counters (or MINTGATE_COUNTERS) {error}")


def listening(host: str, port: int, given: Inherited | None) -> Listening:
    """The socket that the parent has bound, or else a new one."""
    if given is None:
        return listen(host, port)
    return Listening(given.take_listener(), given.listener_stays)


def supervise(listener: Listening, workers: int, seconds: float, wished: Wishes) -> NoReturn:
    """Run this very command in several processes, until told to end.

    Args:
        seconds: what a worker may need to end.
        wished: what is to be seen of all of them.
    """
    from mintgate.server.logs import configure_logs
    from mintgate.server.telemetry.showing import show_metrics_of_workers
    from mintgate.server.workers.supervisor import Supervisor

    configure_logs(wished.log_format)
    more = observed(lambda: show_metrics_of_workers(wished))
    logging.getLogger("mintgate.workers").setLevel(logging.INFO)
    sys.stdout.flush()
    # Each process reads its files itself, so that a reload finds what is in them then.
    from_files = {name for name in NAMES if os.environ.get(f"{name}_FILE")}
    parent = Supervisor(
        sys.argv[1:],
        listener.socket,
        workers,
        seconds,
        listener_stays=listener.stays,
        environment={**{n: v for n, v in os.environ.items() if n not in from_files}, **more},
    )
    raise typer.Exit(parent.run())
