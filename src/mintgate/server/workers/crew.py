"""Workers of one generation: started together, each replaced when it dies, ended together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from mintgate.server.workers.worker import Worker, WorkerFailed, told

_log = logging.getLogger("mintgate.workers")
START_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
LONG_LIFE_SECONDS = 60.0
"""Who has lived so long did not die of how it was started: the pauses begin anew."""


class Crew:
    """Keeps a number of workers.

    Args:
        start: starts a process; it need not be ready yet.
        size: how many there are.
    """

    def __init__(self, start: Callable[[], Awaitable[Worker]], size: int) -> None:
        self._start = start
        self._size = size
        self._workers: set[Worker] = set()
        self._keeping: list[asyncio.Task[None]] = []
        self._ending = asyncio.Event()

    async def start(self) -> None:
        """Start all and wait until they serve.

        Raises:
            WorkerFailed: one did not; none is left then.
        """
        starting = [asyncio.create_task(self._started()) for _ in range(self._size)]
        try:
            ready = await asyncio.gather(*starting)
        except BaseException:
            self._ending.set()
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            await self._kill()
            raise
        self._keeping = [asyncio.create_task(self._keep(worker)) for worker in ready]

    async def end(self, command: str, seconds: float) -> bool:
        """Have all end.

        Args:
            command: what they are told.
            seconds: how long they have for it; they are killed then.

        Returns:
            Whether none had to be killed.
        """
        self._ending.set()
        for worker in list(self._workers):
            worker.tell(command)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*self._keeping)
        except TimeoutError:
            left = ", ".join(str(worker.pid) for worker in self._workers)
            _log.error("not ended within %.0f s, and killed now: %s", seconds, left)
            await self._kill()
            return False
        finally:
            for task in self._keeping:
                task.cancel()
        return True

    def hasten(self, command: str) -> None:
        """Tell those that are ending something else."""
        for worker in list(self._workers):
            worker.tell(command)

    async def _started(self) -> Worker:
        worker = await self._start()
        self._workers.add(worker)
        try:
            await worker.ready(START_SECONDS)
        except WorkerFailed:
            self._workers.discard(worker)
            raise
        return worker

    async def _keep(self, worker: Worker) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            code = await worker.ended()
            self._workers.discard(worker)
            if self._ending.is_set():
                return
            if worker.lived_seconds >= LONG_LIFE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            _log.error(
                "worker %d %s after %.1f s; another one is started in %.1f s",
                worker.pid,
                told(code),
                worker.lived_seconds,
                pause,
            )
            while True:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                if self._ending.is_set():
                    return
                try:
                    worker = await self._started()
                except WorkerFailed as failed:
                    _log.error("%s; the next try is in %.1f s", failed, pause)
                else:
                    break
            if self._ending.is_set():  # it was started when the others were told already
                worker.tell("stop")

    async def _kill(self) -> None:
        for worker in list(self._workers):
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            await worker.ended()
            self._workers.discard(worker)
