"""Fixtures that every folder shares: worlds, and a real PostgreSQL when one can be started."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world import World, sqlite_url


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


def pytest_configure(config: pytest.Config) -> None:
    # A proxy of the machine must not come between tests and their own servers.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        os.environ.pop(name, None)
