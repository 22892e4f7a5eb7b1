"""ERP sessions of a running server: its clockwork, its settings, its end."""

from __future__ import annotations

import pytest

from mintgate.contract.errors import NoFreeSlot
from mintgate.gate.sessions import ErpSessions
from mintgate.server.application import Application
from mintgate.server.instance_application import InstanceApplication
from mintgate.store import Database
from tests.unit.gate.test_session_model import principal_of
from tests.world import World, sqlite_url


def test_sessions_outlive_the_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    """[EXT-17] with what was noted in the last seconds"""
    world = World(sqlite_url(tmp_path_factory.mktemp("world"))).start()

    async def call(_: Application, instance: InstanceApplication) -> None:
        ann = principal_of("ann", "A")
        await instance.erp_sessions.open_async(ann)
        world.clock.advance(5)
        for _ in range(6):
            assert instance.erp_sessions.touch(ann) is not None

    world.run_in_server(call)
    before = world.clock()
    world.stop()
    world.database = Database(world.database_url, world.clock)
    (row,) = world.rows("erp_sessions")
    assert (row["key"], row["total_requests"], row["last_request_at"]) == ("A", 7, before)
    world.database.close()


def test_a_new_number_of_licences_counts_at_once(world: World) -> None:
    """[SES-38] and what the process has noted is kept"""
    sources: list[ErpSessions] = []

    async def fill(_: Application, instance: InstanceApplication) -> None:
        sources.append(instance.erp_sessions)
        for number in range(3):
            await instance.erp_sessions.open_async(principal_of("ann", f"A{number}"))

    async def one_more(_: Application, instance: InstanceApplication) -> None:
        assert instance.erp_sessions is sources[0]
        assert instance.instance.licences == 3
        with pytest.raises(NoFreeSlot):
            await instance.erp_sessions.open_async(principal_of("bob", "B"))
        assert instance.erp_sessions.touch(principal_of("ann", "A2")) is not None

    world.run_in_server(fill)
    world.declare(replace=("licences = 1000", "licences = 3"))
    assert world.http.get("/id/.well-known/openid-configuration").status_code == 200
    world.run_in_server(one_more)


def test_the_server_flushes_and_sweeps_by_itself(world: World) -> None:
    """[SES-14, SES-27]"""

    async def call(application: Application, instance: InstanceApplication) -> None:
        for key in ("A", "B"):
            await instance.erp_sessions.open_async(principal_of("ann", key))
        world.clock.advance(1000)
        assert instance.erp_sessions.touch(principal_of("ann", "B")) is not None
        await application.chores.keep_sessions(instance)
        world.clock.advance(200)
        await application.chores.keep_sessions(instance)

    world.run_in_server(call)
    assert [row["key"] for row in world.rows("erp_sessions")] == ["B"]
    (closed,) = world.events("erp_session.closed")
    assert (closed.session, (closed.details or {})["because"]) == ("A", "idle")
