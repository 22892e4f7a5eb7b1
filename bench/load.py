"""The load generator, a worker: keep-alive HTTP/1.1 in a closed loop, the same requests for all."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from bench.problems import Unmeasurable
from bench.samples import Sample, percentile
from bench.workers import answer_questions

SAMPLE_EVERY = 199
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)\r\n", re.IGNORECASE)
_TOKEN = re.compile(rb'"access_token"[ ]?:[ ]?"([A-Za-z0-9_.-]+)"')
_REFRESH = re.compile(rb'"refresh_token"[ ]?:[ ]?"([A-Za-z0-9_.-]+)"')
_PLACE = "{refresh_token}"
_TICKS = os.sysconf("SC_CLK_TCK")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement.

    Args:
        requests: whole requests, head and body; each connection sends them in turn, beginning at
            a place of its own, so that no two send the same at a time when there are many.
        once: each of them is sent once, by whichever connection is free; there must be enough.
        chain: each connection begins with a request of its own, the first, second and so on of
            them; it goes on with this text, in which `{refresh_token}` stands for the refresh
            token of the last answer, which is as long.
        status: of every answer; anything else ends the measurement.
        gives_tokens: each answer must hold an access token, and some are kept.
        lead_in: seconds under load before counting begins.
        server: the server's process id, to read what CPU it and those that it started used.
        others: further processes that do the work, such as the one that it asks.
    """

    port: int
    requests: list[str]
    once: bool = False
    chain: str | None = None
    status: int = 200
    gives_tokens: bool = False
    connections: int
    seconds: float
    lead_in: float
    server: int
    others: list[int] = []


class BadAnswer(Unmeasurable):
    """The server did not answer as it should."""


def split_answer(data: bytes, status: int = 200) -> bytes | None:
    """The body of a complete answer, None while more is to come.

    Raises:
        BadAnswer: another status, or no length.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    if not data.startswith(b"HTTP/1.1 %d " % status):
        raise BadAnswer(data[:300].decode("latin-1"))
    length = _LENGTH.search(data, 0, end + 2)
    if length is None and status == 204:  # which has no body (RFC 9110 §15.3.5)
        return b""
    if length is None:
        raise BadAnswer("an answer without Content-Length")
    size = end + 4 + int(length[1])
    if len(data) > size:
        raise BadAnswer("more bytes than were announced")
    return data[end + 4 :] if len(data) == size else None


def token_in(body: bytes) -> bytes:
    found = _TOKEN.search(body)
    if found is None:
        raise BadAnswer(f"no access_token in: {body[:300].decode('latin-1')}")
    return found[1]


def refresh_token_in(body: bytes) -> bytes:
    found = _REFRESH.search(body)
    if found is None:
        raise BadAnswer(f"no refresh_token in: {body[:300].decode('latin-1')}")
    return found[1]


class Measurement:
    """What all connections of one job have in common."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.requests = [request.encode("latin-1") for request in job.requests]
        self.chain = tuple(job.chain.encode().split(_PLACE.encode())) if job.chain else None
        self._common = iter(self.requests)
        self._begun = 0
        self.finished = asyncio.get_running_loop().create_future()
        self.latencies: list[int] = []
        self.tokens: list[str] = []
        self.counting = False
        self.seen = 0
        self.connections = 0

    def from_next_place(self) -> list[bytes]:
        """The requests as the next connection sends them."""
        at = len(self.requests) * self.connections // self.job.connections
        self.connections += 1
        return self.requests[at:] + self.requests[:at]

    def own_requests(self) -> Iterator[bytes]:
        """What one more connection sends."""
        if self.job.once:
            return self._common
        if self.chain is not None:
            self._begun += 1
            return iter(self.requests[self._begun - 1 : self._begun])
        return cycle(self.from_next_place())

    def done(self, started: int, body: bytes) -> None:
        if self.counting:
            self.latencies.append(time.perf_counter_ns() - started)
        self.seen += 1
        if self.job.gives_tokens:
            token = token_in(body)
            if self.seen % SAMPLE_EVERY == 1:
                self.tokens.append(token.decode())

    def fail(self, error: Exception) -> None:
        if not self.finished.done():
            self.finished.set_exception(error)


class Connection(asyncio.Protocol):
    """One connection: the next request leaves when the answer is in."""

    def __init__(self, measurement: Measurement) -> None:
        self._measurement = measurement
        self._requests = measurement.own_requests()
        self._next: bytes | None = None
        self._status = measurement.job.status
        self._data = b""
        self._started = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is one in all but inheritance.
        self.transport = cast("asyncio.Transport", transport)
        self._send(self.transport)

    def _send(self, transport: asyncio.Transport) -> None:
        request, self._next = self._next or next(self._requests, None), None
        if request is None:
            self._measurement.fail(BadAnswer("there were not enough requests for the time"))
            return
        self._started = time.perf_counter_ns()
        transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data = self._data + data if self._data else data
        try:
            body = split_answer(self._data, self._status)
            if body is None:
                return
            self._measurement.done(self._started, body)
            if (chain := self._measurement.chain) is not None:
                self._next = refresh_token_in(body).join(chain)
        except BadAnswer as error:
            self._measurement.fail(error)
            return
        self._data = b""
        if self.transport is not None and not self._measurement.finished.done():
            self._send(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._measurement.fail(BadAnswer(str(exc or "the server closed a connection")))


async def measure(job: Job) -> Sample:
    """Run one job.

    Raises:
        BadAnswer: the server failed under the load; then there is no figure.
    """
    loop = asyncio.get_running_loop()
    measurement = Measurement(job)
    connections = [
        (await loop.create_connection(lambda: Connection(measurement), "127.0.0.1", job.port))[1]
        for _ in range(job.connections)
    ]
    try:
        await _wait(measurement, job.lead_in)
        measurement.counting = True
        began, used, own = time.perf_counter(), _cpu_of(job), time.process_time()
        await _wait(measurement, job.seconds)
        measurement.counting = False
        ended = time.perf_counter()
        used, own = _cpu_of(job) - used, time.process_time() - own
    except OSError as error:
        raise BadAnswer(str(error)) from None
    finally:
        measurement.finished.cancel()
        for connection in connections:
            if connection.transport is not None:
                connection.transport.abort()
    ordered = sorted(measurement.latencies)
    if not ordered:
        raise BadAnswer(f"no answer in {job.seconds} s")
    return Sample(
        count=len(ordered),
        seconds=ended - began,
        p50_us=percentile(ordered, 0.50) / 1000,
        p99_us=percentile(ordered, 0.99) / 1000,
        server_cpu=used,
        load_cpu=own,
        tokens=measurement.tokens[-5:],
    )


async def _wait(measurement: Measurement, seconds: float) -> None:
    done, _ = await asyncio.wait({measurement.finished}, timeout=seconds)
    for future in done:
        future.result()


def _cpu_of(job: Job) -> float:
    every = {pid for first in (job.server, *job.others) for pid in family(first)}
    return sum(map(cpu_seconds, every))


def family(pid: int) -> list[int]:
    """A process and those that descend from it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").iterdir():
            with contextlib.suppress(OSError):  # the thread has ended
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have used."""
    # The name in the second field may hold spaces; it ends at the last bracket.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> None:
    gc.disable()  # nothing here makes cycles, and a collection would show in the p99
    answer_questions(lambda question: uvloop.run(measure(msgspec.convert(question, Job))))


if __name__ == "__main__":
    main()
