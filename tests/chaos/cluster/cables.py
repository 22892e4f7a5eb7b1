"""TCP proxies between processes and what they talk to: cables that can be stalled and cut."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, Self

PIECE = 65536


class Cable:
    """One way to one port; made by a `Patchbay`, whose thread moves the bytes.

    Args:
        target: the port at its end.
        port: where it begins.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, target: int) -> None:
        self._loop = loop
        self._target = target
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_plugged = True
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def listen(self) -> None:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    def stall(self) -> None:
        """Nothing passes any more, and nobody is told: what a dead router looks like."""
        self._do(self._flowing.clear)

    def flow(self) -> None:
        """What was held back passes, and what comes."""
        self._do(self._flowing.set)

    def cut(self) -> None:
        """End every connection; new ones are made."""
        self._do(self._abort)

    def unplug(self) -> None:
        """End every connection, and every new one at once."""

        def work() -> None:
            self._is_plugged = False
            self._abort()

        self._do(work)

    def plug(self) -> None:
        """Connections can be made again."""

        def work() -> None:
            self._is_plugged = True

        self._do(work)

    def _do(self, work: Callable[[], Any]) -> None:
        done = threading.Event()

        def run() -> None:
            work()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10), "the patchbay does not answer"

    def _abort(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            await self._flowing.wait()
            if not self._is_plugged:
                return
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(far)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, far))
                tasks.create_task(self._pump(far_reader, writer))
        except* OSError:
            pass
        finally:
            for end in (writer, far):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(PIECE):
            await self._flowing.wait()
            sink.write(piece)
            await sink.drain()
        await self._flowing.wait()
        with contextlib.suppress(OSError):
            sink.write_eof()


class Patchbay:
    """The thread in which every cable lies."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def cable(self, target: int) -> Cable:
        cable = Cable(self._loop, target)
        asyncio.run_coroutine_threadsafe(cable.listen(), self._loop).result(10)
        return cable

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
