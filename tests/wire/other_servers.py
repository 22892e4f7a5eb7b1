"""Servers in processes of their own, over the database of a world and under its name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.own_postgresql import free_port
from tests.soak.test_soak import running
from tests.world import World

ZEROS = f"{'A' * 43}="
"""The key of `World`, as the environment gives it."""


@contextlib.contextmanager
def another_server(world: World, folder: Path, *options: str) -> Iterator[httpx.Client]:
    """`mintgate serve` beside the world's own server; its output is in `folder`.

    The world's clock must be the real one.
    """
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = ["serve", "--port", str(port), "--database", world.database_url, *options]
    with running(folder, command, f"{base}/readyz", MINTGATE_KEY_ENCRYPTION_KEY=ZEROS):
        # The instance's name is that of the first server.
        headers = {"Host": world.base.removeprefix("http://")}
        with httpx.Client(base_url=base, headers=headers, timeout=30) as http:
            yield world.leaks.watch(http)
