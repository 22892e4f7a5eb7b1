"""What is made at the first request: once, off the event loop, and again after it failed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from mintgate.server.late import Late

# Each of them takes a start some tens of milliseconds, and an idle process megabytes.
LATE = ("odata_query", "httpx", "jinja2", "alembic", "joserfc", "websockets", "rich", "structlog",
        "mintgate.apis.domain", "mintgate.apis.management.tables")  # fmt: skip


async def _nothing(*_: Any) -> Any:
    return {}


def test_it_is_made_once_for_requests_that_come_together() -> None:
    made: list[str] = []

    def make() -> Any:
        made.append(threading.current_thread().name)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["answered"] += 1

        return app

    async def run() -> Scope:
        late, scope = Late(make), {"answered": 0}
        await asyncio.gather(*(late(scope, _nothing, _nothing) for _ in range(5)))
        return scope

    assert asyncio.run(run())["answered"] == 5
    assert len(made) == 1
    assert made[0] != threading.main_thread().name


def test_it_is_made_again_after_a_failure() -> None:
    tries: list[int] = []

    def make() -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise ImportError("not now")
        return _nothing

    async def run() -> None:
        late = Late(make)
        with pytest.raises(ImportError):
            await late({}, _nothing, _nothing)
        await late({}, _nothing, _nothing)

    asyncio.run(run())
    assert len(tries) == 2


def test_a_server_is_imported_without_what_it_needs_later() -> None:
    code = (
        "import sys, uvicorn, mintgate.cli.serve, mintgate.store.schema, mintgate.server.logs\n"
        "import mintgate.server.application, mintgate.server.listening\n"
        f"print([name for name in {LATE!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
