"""What is going on, on stderr: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

LINE_SECONDS = 5.0
FEW_STEPS = 3
"""So many say nothing of how long the others will take."""


class Progress:
    """Shows one group of measurements at a time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._said_at = float("-inf")
        self._steps, self._done, self._began_at = 0, 0, 0.0

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def warn(self, text: str) -> None:
        self._console.print(f"[bold red]LEFT OUT:[/] {text}", highlight=False, soft_wrap=True)

    def begin(self, steps: int) -> None:
        self._steps, self._done, self._began_at = steps, 0, time.monotonic()
        if not self._console.is_terminal:
            return
        columns = (
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
        )
        # Drawn seldom: the bar shares a core with the load generator.
        self._bar = Bar(*columns, console=self._console, transient=True, refresh_per_second=2)
        self._task = self._bar.add_task("", total=steps)
        self._bar.start()

    def step(self, text: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=text, advance=1)
        elif time.monotonic() - self._said_at >= LINE_SECONDS:
            self._said_at = time.monotonic()
            self.say(f"  {text}{self._estimate()}")
        self._done += 1

    def _estimate(self) -> str:
        if self._done < FEW_STEPS:
            return ""
        each = (time.monotonic() - self._began_at) / self._done
        left = each * (self._steps - self._done)
        return f" (about {left / 60:.0f} min left)" if left >= 90 else f" (about {left:.0f} s left)"

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
