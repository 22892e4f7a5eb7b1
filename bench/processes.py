"""Child processes, each on its core, none of which outlives the run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from bench.problems import Unmeasurable
from bench.workers import PROBLEM

ROOT = Path(__file__).parent.parent
STOP_SECONDS = 15.0


class Child:
    """A running child process and where its output goes."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self.process.pid  # exec keeps it

    def is_running(self) -> bool:
        return self.process.poll() is None

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:].strip() or "(it printed nothing)"

    def ask(self, question: Any) -> Any:
        """One line of JSON in, one line of JSON out: see `bench.workers`.

        Raises:
            Unmeasurable: the child ended, or answered with a problem.
        """
        pipe_in, pipe_out = self.process.stdin, self.process.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        try:
            pipe_in.write(msgspec.json.encode(question) + b"\n")
            pipe_in.flush()
            line = pipe_out.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            raise Unmeasurable(f"{self.name} ended: {self.last_words()}")
        answer = msgspec.json.decode(line)
        if PROBLEM in answer:
            raise Unmeasurable(answer[PROBLEM])
        return answer

    def stop(self) -> None:
        if self.is_running():
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Children:
    """Starts children; leaving the `with` block stops every one.

    Args:
        folder: where their logs go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Child] = []

    def start(
        self,
        name: str,
        core: int | tuple[int, ...],
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        asked: bool = False,
    ) -> Child:
        """Start a command on a core, or on several.

        Args:
            asked: it is a worker that reads questions and prints answers.
        """
        cores = core if isinstance(core, tuple) else (core,)
        log = self._folder / f"{name}.log"
        pipe = subprocess.PIPE if asked else None
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.pinned", ",".join(map(str, cores)), *command],
                cwd=ROOT,
                env=env,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or output,
                stderr=output,
            )
        child = Child(name, process, log)
        self._started.append(child)
        return child

    def worker(self, name: str, core: int, module: str, *arguments: str) -> Child:
        """Start `python -m module`, a worker."""
        return self.start(name, core, [sys.executable, "-m", module, *arguments], asked=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._started:
            self._started.pop().stop()
