"""Serving in several processes: what `mintgate serve` and `mintgate gate` have in common."""

from __future__ import annotations

import logging
import sys
from typing import Annotated, NoReturn

import typer

from mintgate.cli.listening import Listening, listen
from mintgate.server.workers.inherited import Inherited

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


def listening(host: str, port: int, given: Inherited | None) -> Listening:
    """The socket that the parent has bound, or else a new one."""
    if given is None:
        return listen(host, port)
    return Listening(given.take_listener(), given.listener_stays)


def supervise(listener: Listening, workers: int, seconds: float) -> NoReturn:
    """Run this very command in several processes, until told to end.

    Args:
        seconds: what a worker may need to end.
    """
    from mintgate.server.logs import configure_logs
    from mintgate.server.workers.supervisor import Supervisor

    configure_logs()
    logging.getLogger("mintgate.workers").setLevel(logging.INFO)
    sys.stdout.flush()
    parent = Supervisor(
        sys.argv[1:], listener.socket, workers, seconds, listener_stays=listener.stays
    )
    raise typer.Exit(parent.run())
