"""`mintgate db copy|backup`: all rows of a database, elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mintgate.cli import common, progress
from mintgate.cli.common import DEFAULT_DATABASE, DatabaseUrl
from mintgate.cli.databases import db_commands, opened

if TYPE_CHECKING:
    from mintgate.store import Database

Restart = Annotated[
    bool,
    typer.Option("--restart", help="Empty what an interrupted run has left, and begin anew."),
]
KEEP_KEY = (
    "The key-encryption key (mintgate.key or MINTGATE_KEY_ENCRYPTION_KEY) is not in it. "
    "Keep it too, somewhere else: without it the signing keys are lost, and with it the file "
    "is all that a thief needs."
)


@contextlib.contextmanager
def problems() -> Iterator[None]:
    """Turn what is in the way of a copy into a message and exit code 1."""
    from mintgate.store.portable import CopyProblem

    try:
        with common.refusals():
            yield
    except CopyProblem as problem:
        common.fail(str(problem))


@db_commands.command("copy")
def copy(
    source_url: Annotated[
        str,
        typer.Option(
            "--from",
            envvar="MINTGATE_DATABASE",
            metavar="URL",
            help="The database to copy. What is written to it afterwards is not copied: stop "
            "its servers first.",
        ),
    ],
    target_url: Annotated[
        str,
        typer.Option(
            "--to",
            envvar="MINTGATE_DATABASE_TO",
            metavar="URL",
            help="An empty database, of either engine.",
        ),
    ],
    restart: Restart = False,
) -> None:
    """Copy a database into an empty one, and compare every row afterwards."""
    from mintgate.store import portable

    common.require_existing(source_url)
    source, target = opened(source_url), opened(target_url)
    began = _time(source)
    with problems(), progress.told() as told:
        copied = portable.copy(source, target, restart=restart, progress=told)
    rows = sum(copied.rows.values())
    typer.echo(f"Copied {rows:,} rows of {len(copied.rows)} tables; every row was compared.")
    if copied.written_meanwhile:
        typer.echo(
            f"mintgate: somebody has written to the source since {began}, and that is NOT in the "
            "copy. Stop the servers and copy again into another empty database",
            err=True,
        )
    else:
        typer.echo(f"It holds what was written until {began}.")
    typer.echo(
        "The key-encryption key is not in a database: start servers on the copy with the same one "
        "(--key-file or MINTGATE_KEY_ENCRYPTION_KEY)."
    )


@db_commands.command("backup")
def backup(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A new file; it restores into either engine.")
    ],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Write everything into one file while servers run; `restore` reads it."""
    from mintgate.store import portable

    common.require_existing(database_url)
    with problems(), progress.told() as told:
        made = portable.back_up(opened(database_url), file, told)
    typer.echo(f"Wrote {file} ({made.bytes:,} bytes), as of {time_text(made.at)}.")
    typer.echo(KEEP_KEY)


def time_text(at: float) -> str:
    """A moment (Unix seconds) as messages have it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}Z"


def _time(database: Database) -> str:
    return time_text(database.clock())
