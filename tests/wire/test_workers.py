"""`mintgate serve --workers`: real processes, real signals, and no request that is cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.wire.steady_load import SteadyLoad, get, post
from tests.wire.test_serve import PROGRAM

TOKEN, METADATA = "/id/connect/token", "/id/.well-known/openid-configuration"


class Running:
    """A parent with workers, and what it has printed."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self._output = folder / "output.txt"
        with self._output.open("wb") as file:
            self.process = subprocess.Popen(
                [*PROGRAM, *arguments],
                cwd=folder,
                env={**os.environ, **environment},
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def port(self) -> int:
        found = re.search(r"http://[^ ]*:(\d+)", self.output)
        assert found is not None, self.output
        return int(found[1])

    def until_told(self, words: str, times: int = 1) -> None:
        self.until(lambda: self.output.count(words) >= times, words)

    def until(self, condition: Callable[[], bool], what: str = "it") -> None:
        deadline = time.monotonic() + 60
        while not condition():
            is_late = time.monotonic() > deadline or self.process.poll() is not None
            assert not is_late or condition(), f"{what} did not happen: {self.output}"
            time.sleep(0.05)

    def workers(self) -> set[int]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return {child.pid for child in psutil.Process(self.process.pid).children()}
        return set()

    def send(self, sent: signal.Signals) -> None:
        self.process.send_signal(sent)


@contextlib.contextmanager
def working(folder: Path, *arguments: str, **environment: str) -> Iterator[Running]:
    running = Running(folder, *arguments, **environment)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.send(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.process.wait(30)
        if running.process.poll() is None:
            for pid in running.workers():
                os.kill(pid, signal.SIGKILL)
            running.process.kill()
            running.process.wait()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Running]:
    arguments = ("serve", "--demo", "--port", "0", "--workers", "2", "--drain-seconds", "2")
    with working(tmp_path, *arguments) as running:
        running.until_told("2 workers serve")
        yield running


def test_a_reload_and_the_end_cut_no_request(demo: Running) -> None:
    """New workers serve before the old ones end; the end says so first, and finishes what runs."""
    before = demo.workers()
    host = f"127.0.0.1:{demo.port}"
    load = SteadyLoad(demo.port, [post(TOKEN, host), get(METADATA, host)])

    async def reload_and_end() -> None:
        async with load.running():
            await asyncio.sleep(0.5)
            demo.send(signal.SIGHUP)
            await asyncio.to_thread(demo.until_told, "the old ones end")
            await asyncio.to_thread(demo.until, lambda: not demo.workers() & before)
            assert load.farewells >= 1
            assert not load.refused
            asked = load.answered
            await asyncio.to_thread(demo.until, lambda: load.answered > asked + 20)
            load.farewells = 0
            demo.send(signal.SIGTERM)
            await asyncio.to_thread(until_not_ready, demo.port)
            assert await asyncio.to_thread(demo.process.wait, 60) == 0

    asyncio.run(reload_and_end())
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert load.refused == load.kept + load.fresh  # nobody listens any more
    assert load.farewells >= load.kept  # each heard it with an answer


def until_not_ready(port: int) -> None:
    """What a balancer that looks now and then sees: the end is told while requests are taken."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        answer = http.get("/readyz")
        while answer.status_code == 200:
            time.sleep(0.02)
            answer = http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "not ready", "failed": ["draining"]}
        assert http.get("/healthz").status_code == 200


def test_a_worker_that_dies_is_replaced(demo: Running) -> None:
    first = demo.workers()
    os.kill(min(first), signal.SIGKILL)
    demo.until_told("was ended by SIGKILL")
    demo.until(lambda: len(demo.workers()) == 2 and demo.workers() != first)
    assert httpx.get(f"http://127.0.0.1:{demo.port}/healthz").status_code == 200
    # Without a parent nobody would end them.
    workers = demo.workers()
    demo.process.kill()
    demo.process.wait()
    psutil.wait_procs([psutil.Process(pid) for pid in workers], timeout=60)
    assert not any(psutil.pid_exists(pid) for pid in workers)
    assert "the parent has gone" in demo.output
