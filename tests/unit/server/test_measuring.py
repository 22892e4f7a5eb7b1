"""Measuring around an application, and what is read of the database for it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import event

from mintgate.identity.repeating import REPEAT, RepeatedRequest, SendWhole
from mintgate.server.application import Application
from mintgate.server.telemetry.database_facts import KEPT_SECONDS, DatabaseFacts
from mintgate.server.telemetry.figures import ServerFigures
from mintgate.server.telemetry.requests import REQUESTS, SECONDS, MeasuredServer, ObservedServer
from mintgate.store import Database, DatabaseUnavailable
from mintgate.store.tallies import FAILED
from mintgate.verify import ApiRequest
from tests.world import NOW, MovableClock, World, sqlite_url

ASKED = ApiRequest("GET", b"/gate/nginx/orion/Orders", b"", [])


class Prepared:
    """A call that is answered at once; also about something else."""

    varying = b"x-mintgate-gate-uri"

    def __init__(self, at_once: bytes | dict[str, Any]) -> None:
        self.at_once = at_once

    def at(self, value: bytes) -> Prepared | None:
        return Prepared(self.at_once) if value.startswith(b"/") else None

    def answer(self) -> bytes | dict[str, Any]:
        return self.at_once


class Answering:
    """An application in place of ours: answers with a status, at once what it may."""

    def __init__(self, status: int = 200, at_once: bytes | dict[str, Any] = b"yes") -> None:
        self.status = status
        self.at_once = at_once

    def instance_name_of(self, scope: Any) -> str:
        return "orion"

    def prepare(self, request: ApiRequest) -> Prepared:
        return Prepared(self.at_once)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not self.status:
            raise ConnectionAbortedError
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def ask(server: MeasuredServer | ObservedServer, path: str, **more: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "raw_path": path.encode(), "headers": []} | more

    async def run() -> None:
        with contextlib.suppress(ConnectionAbortedError):
            await server(scope, cast("Any", None), send)

    asyncio.run(run())
    return sent


@pytest.mark.parametrize(
    ("status", "counted"), [(200, "2xx"), (404, "4xx"), (503, "5xx"), (999, "none"), (0, "none")]
)
@pytest.mark.parametrize("logged", [False, True])
def test_answers_are_counted_and_timed(status: int, counted: str, logged: bool) -> None:
    application = cast("Application", Answering(status))
    server = (
        ObservedServer(application, traces=None, names_requests=True)
        if logged
        else MeasuredServer(application)
    )
    before, timed = dict(REQUESTS), sum(SECONDS.of("userinfo").read()[0])
    sent = ask(server, "/id/connect/userinfo")
    key = ("userinfo", counted)
    assert dict(REQUESTS)[key] == before.get(key, 0) + 1
    assert sum(SECONDS.of("userinfo").read()[0]) == timed + 1
    if status:
        names = [name for name, _ in sent[0]["headers"]]
        assert names == ([b"x-request-id"] if logged else [])


def test_answers_at_once_are_counted_when_they_are_given() -> None:
    cell = REQUESTS.cell("forward_auth", "2xx")
    before = cell[0]
    call = MeasuredServer(cast("Application", Answering())).prepare(ASKED)
    assert call is not None
    assert call.answer() == b"yes"
    assert cell[0] == before + 1
    elsewhere = call.at(b"/elsewhere")
    assert elsewhere is not None
    assert elsewhere.answer() == b"yes"
    assert cell[0] == before + 2
    assert call.at(b"nowhere") is None
    waiting = MeasuredServer(cast("Application", Answering(at_once={"found": 1}))).prepare(ASKED)
    assert waiting is not None
    assert waiting.answer() == {"found": 1}
    assert cell[0] == before + 2
    # A line of the log, or a span, is made where the application is called.
    observed = ObservedServer(cast("Application", Answering()), traces=None, names_requests=True)
    assert observed.prepare(ASKED) is None


class Repeated:
    """A request that is answered again, at once."""

    def begin(self, send: SendWhole) -> bool:
        send(200, (), b"again")
        return True


def test_repeated_answers_are_counted_when_they_are_given() -> None:
    told: list[RepeatedRequest] = []

    class Telling(Answering):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if REPEAT in scope:
                scope[REPEAT](Repeated())
            await super().__call__(scope, receive, send)

    server = MeasuredServer(cast("Application", Telling()))
    assert server.repeats
    # A line of the log, or a span, is made where the application is called.
    assert not ObservedServer(
        cast("Application", Telling()), traces=None, names_requests=True
    ).repeats
    ask(server, "/id/connect/token", **{REPEAT: told.append})
    cell, spread = REQUESTS.cell("token", "2xx"), SECONDS.of("token")
    before, timed = cell[0], sum(spread.read()[0])
    sent: list[Any] = []
    assert told[0].begin(lambda *answer: sent.append(answer))
    assert sent == [(200, (), b"again")]
    assert (cell[0], sum(spread.read()[0])) == (before + 1, timed + 1)


def test_what_the_database_knows(database_url: str) -> None:
    world = World(database_url).start()
    try:
        world.http.get(
            "/api/domain/odata/", headers={"Authorization": f"Bearer {world.service_token()}"}
        )
        monotonic = MovableClock()
        facts = DatabaseFacts(world.server_database, world.clock, monotonic)
        found = facts.read()
        assert found is not None
        [one] = found
        assert (one.name, one.sessions) == ("orion", 1)
        assert one.slots == {"total": 1000, "reserved": 0, "taken": 1, "free": 999}
        assert facts.read() is found  # as long as it is new
        monotonic.advance(KEPT_SECONDS)
        assert facts.read() is not found
        assert world.application is not None
        figures = {f.name: f for f in ServerFigures(world.application, world.clock)()}
        assert figures["mintgate_writes_waiting"].samples[0].value == 0
        assert figures["mintgate_signing_keys"].samples
    finally:
        world.stop()


def test_a_database_that_is_away() -> None:
    before = sum(count for _, count in FAILED)
    facts = DatabaseFacts(Database("sqlite:////nowhere/x.db"), lambda: NOW, time.monotonic)
    assert facts.read() is None
    assert sum(count for _, count in FAILED) == before + 1


def test_failures_of_the_database_are_told_apart(tmp_path: Path) -> None:
    before = dict(FAILED)
    database = Database(sqlite_url(tmp_path))

    @event.listens_for(database.engine, "connect")
    def hurry(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout=0").close()

    with database.begin() as tx:
        tx.connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")
    other = sqlite3.connect(tmp_path / "test.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable), database.begin():
        pass
    other.close()
    database.close()
    assert dict(FAILED).get(("busy",), 0) == before.get(("busy",), 0) + 1
