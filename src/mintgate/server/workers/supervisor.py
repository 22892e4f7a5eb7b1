"""The parent: starts the workers on one socket, replaces them, ends them.

The socket is bound once and stays open as long as the parent lives, so that no connection is
refused while workers come and go.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from mintgate.server.workers.crew import Crew
from mintgate.server.workers.inherited import VARIABLE, Inherited, Part
from mintgate.server.workers.notify import READY, STOPPING, notify, reloading
from mintgate.server.workers.notify import VARIABLE as NOTIFY_VARIABLE
from mintgate.server.workers.worker import Worker, WorkerFailed, start_worker, told

_log = logging.getLogger("mintgate.workers")
RESERVE_SECONDS = 10.0
"""What a worker has for its last writes, after its connections have ended."""
_END_OF = {signal.SIGTERM: "drain", signal.SIGINT: "stop"}


class Supervisor:
    """Runs a command of this program in several processes.

    Args:
        arguments: of the command; each process is started with the same.
        listener: the socket on which all listen.
        workers: how many processes.
        seconds: what a worker may need from being told until its connections have ended.
        listener_stays: the socket outlives this program, as when systemd listens.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        listener: socket.socket,
        workers: int,
        seconds: float,
        *,
        listener_stays: bool = False,
    ) -> None:
        self._command = [sys.executable, *_interpreter_flags(), "-m", "mintgate.cli", *arguments]
        self._listener = listener
        self._size = workers
        self._given = Inherited(
            Part.PREPARE, secrets.token_hex(8), workers, listener.fileno(), listener_stays
        )
        self._end_seconds = seconds + RESERVE_SECONDS
        self._environment = dict(os.environ)
        self._environment.pop(NOTIFY_VARIABLE, None)  # this process speaks for all
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._retiring: set[asyncio.Task[bool]] = set()

    def run(self) -> int:
        """Run until told to end.

        Returns:
            The exit code: 0 after a signal, or that of a worker that could not be started.
        """
        return asyncio.run(self._run())

    async def _run(self) -> int:
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(one, self._signals.put_nowait, one)
        try:
            crew = await self._begin()
        except WorkerFailed as failed:
            _log.error("%s", failed)
            return failed.code
        if crew is None:
            return 0
        _log.info("%d workers serve", self._size)
        notify(READY)
        while True:
            told_by = await self._signals.get()
            if told_by is signal.SIGHUP:
                crew, told_by = await self._reload(crew)
            if told_by is not signal.SIGHUP:
                return await self._end(crew, told_by)

    async def _begin(self) -> Crew | None:
        """The first workers; None when the end was wanted before they were ready."""
        starting = asyncio.create_task(self._start(Part.PREPARE))
        if await self._end_wanted_before(starting) is not None:
            return None
        return starting.result()

    async def _start(self, prepare: Part) -> Crew:
        """Raises: WorkerFailed."""
        code = await self._prepare(prepare)
        if code:
            raise WorkerFailed(f"nothing is started: what was looked at before {told(code)}", code)
        crew = Crew(self._start_worker, self._size)
        await crew.start()
        return crew

    async def _reload(self, crew: Crew) -> tuple[Crew, signal.Signals]:
        """Start new workers, and let the old ones go once those serve.

        Returns:
            Whoever serves now, and SIGHUP, or the signal by which to end.
        """
        notify(*reloading())
        _log.info("new workers are started")
        starting = asyncio.create_task(self._start(Part.PREPARE_AGAIN))
        ending = await self._end_wanted_before(starting)
        if ending is not None:
            return crew, ending
        notify(READY)
        try:
            fresh = starting.result()
        except WorkerFailed as failed:
            _log.error("%s; the workers that there are go on", failed)
            return crew, signal.SIGHUP
        _log.info("new workers serve, and the old ones end")
        retiring = asyncio.create_task(crew.end("retire", self._end_seconds))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)
        return fresh, signal.SIGHUP

    async def _end_wanted_before(self, starting: asyncio.Task[Crew]) -> signal.Signals | None:
        """Wait for new workers; a signal that ends everything comes first, and undoes them."""
        once_more = False
        while True:
            waiting = asyncio.create_task(self._signals.get())
            await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                waiting.cancel()
                if once_more:
                    self._signals.put_nowait(signal.SIGHUP)
                return None
            once_more = waiting.result() is signal.SIGHUP  # these may have read what was before
            if not once_more:
                starting.cancel()
                with contextlib.suppress(asyncio.CancelledError, WorkerFailed):
                    crew = await starting
                    await crew.end("stop", self._end_seconds)
                return waiting.result()

    async def _end(self, crew: Crew, by: signal.Signals) -> int:
        notify(STOPPING)
        self._listener.close()  # the workers have theirs, and close it last
        ending = asyncio.create_task(crew.end(_END_OF[by], self._end_seconds))
        while not ending.done():
            waiting = asyncio.create_task(self._signals.get())
            await asyncio.wait([ending, waiting], return_when=asyncio.FIRST_COMPLETED)
            if waiting.done() and waiting.result() is not signal.SIGHUP:
                crew.hasten("stop")  # said again: do not wait for balancers any more
            waiting.cancel()
        return 0 if all([ending.result(), *await asyncio.gather(*self._retiring)]) else 1

    async def _prepare(self, part: Part) -> int:
        """Run the command up to where it would serve; it tells what is wrong, or what it found."""
        given = msgspec.structs.replace(self._given, part=part)
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env={**self._environment, VARIABLE: given.variable()},
            pass_fds=(self._listener.fileno(),),
        )
        try:
            return await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise

    async def _start_worker(self) -> Worker:
        return await start_worker(self._command, self._environment, self._given)


def _interpreter_flags() -> list[str]:
    """How this interpreter was started: `-I`, `-X …` and such, as `subprocess` knows them."""
    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,no-any-return]
