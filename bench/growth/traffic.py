"""Requests on keep-alive connections, and how long each waited for its answer."""

from __future__ import annotations

import asyncio
import gc
import http.client
import random
import time
from collections.abc import Iterator

import msgspec
import uvloop

from bench.load import BadAnswer, split_answer
from bench.problems import Unmeasurable
from bench.processes import Child

READY_SECONDS = 120.0
ANSWER_SECONDS = 30.0


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one kind.

    Args:
        requests: each is sent once, by whichever connection is free.
        must_hold: bytes without which an answer is a failure.
        every: seconds from one request to the next on each connection. A late answer does not
            put off the requests after it: each waits from the moment when it was due. 0 sends
            the next one when the answer is in.
    """

    name: str
    requests: Iterator[bytes]
    must_hold: bytes
    connections: int = 1
    every: float = 0.0


def drive(port: int, streams: list[Stream], seconds: float) -> dict[str, list[float]]:
    """Milliseconds of each answer, by stream; ends with the time or with the requests.

    Raises:
        BadAnswer: a request failed, or was not answered for half a minute.
    """
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(_drive(port, streams, seconds))
    finally:
        gc.enable()


async def _drive(port: int, streams: list[Stream], seconds: float) -> dict[str, list[float]]:
    deadline = time.perf_counter() + seconds
    latencies: dict[str, list[float]] = {stream.name: [] for stream in streams}
    await asyncio.gather(
        *(
            _loop(port, stream, deadline, latencies[stream.name])
            for stream in streams
            for _ in range(stream.connections)
        )
    )
    return latencies


async def _loop(port: int, stream: Stream, deadline: float, latencies: list[float]) -> None:
    loop = asyncio.get_running_loop()
    transport, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
    due = time.perf_counter() + random.random() * stream.every  # noqa: S311 - not all at once
    try:
        for request in stream.requests:
            began = due if stream.every else time.perf_counter()
            if began >= deadline:
                return
            if (early := began - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            due += stream.every
            connection.answer = loop.create_future()
            transport.write(request)
            async with asyncio.timeout(ANSWER_SECONDS):
                body = await connection.answer
            latencies.append((time.perf_counter() - began) * 1e3)
            if stream.must_hold not in body:
                raise BadAnswer(f"{stream.name}: {body[:300].decode(errors='replace')}")
    except TimeoutError:
        raise BadAnswer(f"{stream.name}: no answer in {ANSWER_SECONDS:g} s") from None
    finally:
        transport.abort()


class _Connection(asyncio.Protocol):
    """Gives the body of one answer at a time."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] | None = None
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        try:
            body = split_answer(self._data)
        except BadAnswer as error:
            self._fail(error)
            return
        if body is not None and self.answer is not None and not self.answer.done():
            self._data = b""
            self.answer.set_result(body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(BadAnswer(str(exc or "the server closed a connection")))

    def _fail(self, error: Exception) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)


def ask_once(port: int, request: bytes) -> bytes:
    """One answer's body."""

    async def once() -> bytes:
        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
        connection.answer = loop.create_future()
        transport.write(request)
        async with asyncio.timeout(ANSWER_SECONDS):
            body = await connection.answer
        transport.abort()
        return body

    return uvloop.run(once())


def wait_until_ready(child: Child, port: int) -> None:
    """Until /readyz says so.

    Raises:
        Unmeasurable: the server ended, or was not ready in two minutes.
    """
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if not child.is_running():
            raise Unmeasurable(f"{child.name} ended: {child.last_words()}")
        if _is_ready(port):
            return
        time.sleep(0.002)
    raise Unmeasurable(f"{child.name} was not ready in {READY_SECONDS:g} s: {child.last_words()}")


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:  # it does not listen yet
        return False
    finally:
        connection.close()
