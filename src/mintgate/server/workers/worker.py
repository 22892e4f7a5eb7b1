"""A worker process as its parent sees it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence

import msgspec

from mintgate.server.workers.inherited import VARIABLE, Inherited, Part

READY_WORD = b"ready\n"
END_SECONDS = 5.0
"""A process that has closed its channel, or was killed, is gone within this."""


class WorkerFailed(Exception):
    """A worker ended, or hung, before it could serve.

    Args:
        code: the exit code that the parent should end with.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Worker:
    """A running process and the channel to it.

    Commands go through the channel; its end tells each side that the other one has gone, even
    when that was killed.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self.started_at = time.monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def lived_seconds(self) -> float:
        return time.monotonic() - self.started_at

    def tell(self, command: str) -> None:
        """Send a command; one that has gone hears nothing."""
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write(command.encode() + b"\n")

    def kill(self) -> None:
        self._process.kill()

    async def ready(self, seconds: float) -> None:
        """Wait until it serves.

        Raises:
            WorkerFailed: it ended instead, or needs longer than that; it is gone then.
        """
        try:
            async with asyncio.timeout(seconds):
                word = await self._reader.readline()
        except TimeoutError:
            self.kill()
            await self.ended()
            message = f"worker {self.pid} was not ready within {seconds:.0f} s"
            raise WorkerFailed(message) from None
        except OSError:  # it ended while it was told something
            word = b""
        if word != READY_WORD:
            code = await self.ended()
            raise WorkerFailed(
                f"worker {self.pid} {told(code)} before it served", code if code > 0 else 1
            )

    async def ended(self) -> int:
        """Wait until the process has ended; its exit code, or minus the number of a signal."""
        with contextlib.suppress(OSError):
            while await self._reader.read(1024):
                pass
        self._writer.close()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(None, self._process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return await loop.run_in_executor(None, self._process.wait)


async def start_worker(
    command: Sequence[str],
    environment: Mapping[str, str],
    given: Inherited,
) -> Worker:
    """Start a process: a new interpreter, which reads code and configuration afresh.

    Args:
        given: to every worker; its own channel is added.

    Raises:
        WorkerFailed: the program cannot be run.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        given = msgspec.structs.replace(given, part=Part.WORK, channel=theirs.fileno())
        try:
            process = subprocess.Popen(  # noqa: S603 - this very program
                command,
                env={**environment, VARIABLE: given.variable()},
                pass_fds=(given.listener, theirs.fileno()),
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            ours.close()
            raise WorkerFailed(f"a worker cannot be started: {error}") from error
    ours.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=ours)
    return Worker(process, reader, writer)


def told(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"
