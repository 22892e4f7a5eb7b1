"""What is going on, on stderr: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

LINE_SECONDS = 5.0


class Progress:
    """Shows one group of measurements at a time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._said_at = float("-inf")

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def warn(self, text: str) -> None:
        self._console.print(f"[bold red]LEFT OUT:[/] {text}", highlight=False, soft_wrap=True)

    def begin(self, steps: int) -> None:
        if not self._console.is_terminal:
            return
        columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        # Drawn seldom: the bar shares a core with the load generator.
        self._bar = Bar(*columns, console=self._console, transient=True, refresh_per_second=2)
        self._task = self._bar.add_task("", total=steps)
        self._bar.start()

    def step(self, text: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=text, advance=1)
        elif time.monotonic() - self._said_at >= LINE_SECONDS:
            self._said_at = time.monotonic()
            self.say(f"  {text}")

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
