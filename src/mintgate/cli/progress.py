"""How far a long command is: a bar for people, a line a table for files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mintgate.store.portable import Progress
    from mintgate.store.portable.copying import Step

VERBS: dict[Step, str] = {"copy": "Copying", "compare": "Comparing"}
_PAST: dict[Step, str] = {"copy": "copied", "compare": "compared"}


@contextlib.contextmanager
def told(*, quiet: bool = False) -> Iterator[Progress]:
    """What to call while the work goes on; the output is on standard error.

    Args:
        quiet: tell nothing, for programs.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if quiet:
        yield lambda step, table, done, total: None
    elif console.is_terminal:
        with _bar(console) as progress:
            yield progress
    else:
        yield _line


def _line(step: Step, table: str, done: int, total: int) -> None:
    if total and done == total:
        typer.echo(f"{_PAST[step]:9}{table:28}{total:>12,} rows", err=True)


@contextlib.contextmanager
def _bar(console: object) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    assert isinstance(console, Console)  # noqa: S101 - told to the type checker
    columns = (
        TextColumn("{task.description:38}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        tasks: dict[tuple[Step, str], TaskID] = {}

        def show(step: Step, table: str, done: int, total: int) -> None:
            key = (step, table)
            if key not in tasks:
                for task in tasks.values():
                    bar.remove_task(task)
                tasks.clear()
                tasks[key] = bar.add_task(f"{VERBS[step]} {table}", total=max(total, 1))
            bar.update(tasks[key], completed=done)

        yield show
