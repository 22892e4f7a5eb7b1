"""Workers that die, hang or do not listen: real processes, which do nothing else."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mintgate.server.workers import crew as crews
from mintgate.server.workers.crew import Crew
from mintgate.server.workers.inherited import Inherited, Part
from mintgate.server.workers.notify import notify
from mintgate.server.workers.worker import Worker, WorkerFailed, start_worker

# What each program below begins with: the channel to the parent.
BEGIN = (
    "import json, os, socket, sys, time\n"
    "given = json.loads(os.environ['MINTGATE_INHERITED'])\n"
    "channel = socket.socket(fileno=given['channel'])\n"
)
SERVES = "channel.sendall(b'ready\\n')\n"
UNTIL_TOLD = "while b'\\n' not in channel.recv(99): pass\n"


def starting(program: str) -> Callable[[], Awaitable[Worker]]:
    given = Inherited(Part.WORK, "group", 1, 0, listener_stays=False)
    return lambda: start_worker([sys.executable, "-S", "-c", BEGIN + program], os.environ, given)


def test_they_serve_until_told() -> None:
    async def end() -> None:
        crew = Crew(starting(SERVES + UNTIL_TOLD), 2)
        await crew.start()
        assert await crew.end("stop", 30)

    asyncio.run(end())


def test_one_that_dies_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each pause is twice as long as the one before, up to a limit."""
    monkeypatch.setattr(crews, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(crews, "LONGEST_PAUSE_SECONDS", 0.02)
    lives = tmp_path / "lives"
    dies = f"open({str(lives)!r}, 'a').write('x')\nsys.exit(3)\n"

    async def watch() -> None:
        crew = Crew(starting(SERVES + dies), 1)
        await crew.start()
        while not lives.exists() or len(lives.read_text()) < 4:
            await asyncio.sleep(0.01)
        assert await crew.end("stop", 30)

    with caplog.at_level(logging.ERROR):
        asyncio.run(watch())
    told = [record.getMessage() for record in caplog.records]
    assert "ended with exit code 3" in told[0]
    assert told[0].endswith("another one is started in 0.0 s")
    assert len(told) >= 3


def test_one_that_ends_while_it_is_told_something() -> None:
    """It failed, as any that ends before it serves; its parent does not fail with it."""

    async def tell() -> None:
        worker = await starting("sys.exit(5)\n")()
        waiting = asyncio.create_task(worker.ready(60))
        worker._process.wait(30)  # no turn of the loop, so nothing has been read yet
        worker.tell("stop")
        with pytest.raises(WorkerFailed, match="ended with exit code 5 before it served"):
            await waiting

    asyncio.run(tell())


def test_one_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "START_SECONDS", 0.3)

    async def start() -> None:
        with pytest.raises(WorkerFailed, match="was not ready within"):
            await Crew(starting("time.sleep(60)\n"), 2).start()
        monkeypatch.setattr(crews, "START_SECONDS", 60)
        with pytest.raises(WorkerFailed, match="ended with exit code 5 before it served") as failed:
            await Crew(starting("sys.exit(5)\n"), 2).start()
        assert failed.value.code == 5

    asyncio.run(start())


def test_one_that_does_not_end() -> None:
    async def end() -> None:
        crew = Crew(starting(SERVES + "time.sleep(60)\n"), 1)
        await crew.start()
        assert not await crew.end("stop", 0.2)

    asyncio.run(end())


def test_without_systemd_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("", "relative", "/nowhere/notify"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify("READY=1")
