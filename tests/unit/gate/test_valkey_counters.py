"""Limits of several processes over a real Valkey or Redis, which may go away [API-17]."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import subprocess
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from mintgate.contract.declared_apis import Limits
from mintgate.contract.errors import TooManyRequests
from mintgate.contract.instance import Instance
from mintgate.gate.shared_counters import SharedCounters
from mintgate.gate.sums import DatabaseSums, Sums, ValkeySums
from mintgate.store import Database, instances, schema
from mintgate.store.valkey_counters import CountersUnavailable, ValkeyCounters
from mintgate.verify.rate_limits import RateLimits
from tests.unit.store.session_office import HERE
from tests.unit.verify.test_rate_limits import Clock, a_principal
from tests.world import sqlite_url

pytest.importorskip("valkey", reason="the extra valkey is not installed")
PROGRAM = shutil.which("valkey-server") or shutil.which("redis-server")
LIMIT = 10
PASSWORD = "pass-word-of-the-counters"


class Server:
    """A real server that can be ended and started again, empty."""

    def __init__(self, folder: Path) -> None:
        if PROGRAM is None:
            pytest.skip("neither valkey-server nor redis-server is installed: run `make edge`")
        self.program = PROGRAM
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/1"
        self.start()

    def start(self) -> None:
        options = f"--port {self.port} --bind 127.0.0.1 --save '' --appendonly no".split(" ")
        options[options.index("''")] = ""
        self.process = subprocess.Popen(
            [self.program, *options, "--requirepass", PASSWORD],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.02)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path), clock)
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(
            tx, Instance(id=HERE, name="o", database="O", base_url="https://orion.example")
        )
    yield database
    database.close()


class Process:
    """What one process knows, without being one."""

    def __init__(self, url: str, clock: Clock, elsewhere: Sums | None, space: str) -> None:
        self.valkey = ValkeyCounters(url)
        self.sums = ValkeySums(self.valkey, space, elsewhere)
        self.counters = SharedCounters(self.sums, bytes(32), clock)
        self.limits = RateLimits(Limits(per_session=LIMIT), self.counters, api="DomainAPI")

    def passes(self, session: str = "s1") -> bool:
        try:
            self.limits.hit(a_principal(session=session), None, "")
        except TooManyRequests:
            return False
        return True

    def how_many_pass(self, wanted: int) -> int:
        return sum(self.passes() for _ in range(wanted))


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_two_count_together(server: Server, clock: Clock) -> None:
    async def count() -> None:
        one, other = (Process(server.url, clock, None, "together") for _ in range(2))
        assert one.how_many_pass(LIMIT) == LIMIT
        await one.counters.exchange()
        assert other.passes()  # it has not heard of this session yet
        await other.counters.exchange()
        assert not other.passes()
        clock.now += 60  # the minute before is told, too
        assert other.passes("s2")
        third = Process(server.url, clock, None, "together")
        assert third.passes()
        await third.counters.exchange()
        assert third.how_many_pass(LIMIT) < LIMIT
        for process in (one, other, third):
            await process.valkey.close()

    run(count())


def test_nothing_of_callers_is_kept_and_all_of_it_ends(server: Server, clock: Clock) -> None:
    async def look() -> None:
        process = Process(server.url, clock, None, "kept")
        process.passes()
        await process.counters.exchange()
        keys = await process.valkey._client.keys("mintgate:{kept}:*")
        assert len(keys) == 1
        assert b"s1" not in keys[0]
        assert b"DomainAPI" not in keys[0]
        assert 60 <= await process.valkey._client.ttl(keys[0]) <= 300
        await process.valkey.close()

    run(look())


def test_while_it_is_away_the_database_counts(
    server: Server, clock: Clock, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is let through unlimited, nobody is refused for it, and the log tells."""

    async def lose_it() -> None:
        elsewhere = DatabaseSums(database, HERE)
        one, other = (Process(server.url, clock, elsewhere, HERE) for _ in range(2))
        assert one.how_many_pass(4) == 4
        for process in (one, other):
            process.passes("another")
            await process.counters.exchange()
        server.stop()
        assert one.passes()
        await one.counters.exchange()
        assert one.sums.is_away
        assert one.sums.failures == 1
        # What was told to the server that is gone still counts here: 4 + 1.
        assert one.how_many_pass(LIMIT) == LIMIT - 5
        await one.counters.exchange()
        assert other.passes()
        await other.counters.exchange()
        # The other one learns by the database what was let pass since: 6, and its own.
        assert other.how_many_pass(LIMIT) == LIMIT - 7
        server.start()
        clock.now += 120
        assert one.how_many_pass(LIMIT) == LIMIT
        await one.counters.exchange()
        assert not one.sums.is_away
        other.passes()
        await other.counters.exchange()
        assert not other.passes()
        for process in (one, other):
            await process.valkey.close()

    with caplog.at_level(logging.WARNING):
        run(lose_it())
    told = [record.getMessage() for record in caplog.records]
    assert sum("through the database until it does" in line for line in told) == 2  # one each
    assert any("in Valkey" in line and "again" in line for line in told)
    assert PASSWORD not in caplog.text


def test_a_server_that_hangs_is_not_waited_for(clock: Clock) -> None:
    async def ask() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"valkey://127.0.0.1:{silent.getsockname()[1]}"
            process = Process(url, clock, None, "hangs")
            process.passes()
            began = time.monotonic()
            with pytest.raises(CountersUnavailable):
                await process.counters.exchange()
            assert time.monotonic() - began < 5
            assert process.how_many_pass(LIMIT) == LIMIT - 1  # it counts by itself
            await process.valkey.close()

    run(ask())


def test_a_wrong_password_is_an_outage(server: Server, clock: Clock) -> None:
    async def ask() -> None:
        process = Process(server.url.replace(PASSWORD, "wrong"), clock, None, "wrong")
        process.passes()
        with pytest.raises(CountersUnavailable):
            await process.counters.exchange()
        await process.valkey.close()

    run(ask())


@pytest.mark.parametrize("url", ["http://x", "valkey://", "localhost:6379"])
def test_other_urls(url: str) -> None:
    with pytest.raises(ValueError, match="valkey://HOST"):
        ValkeyCounters(url)
