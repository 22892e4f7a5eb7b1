"""Two servers whose database is reached through a real PgBouncer, by the transaction."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg
import pytest
from sqlalchemy import text

from mintgate.store import Database
from tests.clients.conftest import missing
from tests.own_postgresql import OwnPostgresql, free_port, own_postgresql
from tests.promptness import promptly
from tests.wire.other_servers import another_server
from tests.world import BACKOFFICE, SECRET, STOCK, World

AUTH = (BACKOFFICE, SECRET)
_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 6
{user}
"""


class Site(NamedTuple):
    """One server in this process and one in a process of its own, behind one pooler."""

    world: World
    other: httpx.Client
    pooled: str
    direct: str
    said_by_other: Path


@contextlib.contextmanager
def pgbouncer(server: OwnPostgresql) -> Iterator[int]:
    """A PgBouncer as Debian configures it, but for the pool's mode; gives its port."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        missing("pgbouncer (make edge)")
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="mintgate-pgbouncer-"))
    folder.chmod(0o755)
    user = "user = pgserver" if getpass.getuser() == "root" else ""  # it refuses to run as root
    file = folder / "pgbouncer.ini"
    file.write_text(_CONFIGURATION.format(port=server.port, own=port, user=user))
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen([str(program), str(file)], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(psycopg.Error):
                psycopg.connect(server.url(port=port)).close()
                break
            assert process.poll() is None, (folder / "output").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("other")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(own_postgresql())
        pooled = server.url(port=stack.enter_context(pgbouncer(server)))
        world = World(pooled, clock=time.time).start()
        stack.callback(world.stop)
        options = ("--notify-database", server.url())
        other = stack.enter_context(another_server(world, folder, *options))
        (said,) = folder.glob("output serve*")
        yield Site(world, other, pooled, server.url(), said)


def test_tokens_are_minted_and_checked(site: Site) -> None:
    """More often than the driver waits before it prepares a statement."""
    form = {"grant_type": "client_credentials"}
    for _ in range(12):
        answer = site.other.post("/id/connect/token", data=form, auth=(STOCK, SECRET))
        assert answer.status_code == 200, answer.text
    tokens = site.world.user_tokens()
    for _ in range(8):
        refreshed = site.world.refresh(tokens["refresh_token"])
        assert refreshed.status_code == 200, refreshed.text
        tokens = refreshed.json()


def test_a_refresh_race_has_one_winner(site: Site) -> None:
    """[LIF-12, LIF-14] at two servers at once."""
    form = {
        "grant_type": "refresh_token",
        "refresh_token": site.world.user_tokens()["refresh_token"],
    }

    def refresh(number: int) -> str:
        http = site.other if number % 2 else site.world.http
        answer = http.post("/id/connect/token", data=form, auth=AUTH)
        return str(answer.json().get("error", "ok"))

    with ThreadPoolExecutor(16) as pool:
        outcomes = Counter(pool.map(refresh, range(16)))
    assert outcomes == {"ok": 1, "invalid_grant": 15}


def test_a_revocation_is_seen_by_the_other_within_a_second(site: Site) -> None:
    """[TOP-13] by who listens to PostgreSQL itself, and by who can only look."""
    for here, there in (
        (site.world.http, site.other),
        (site.other, site.world.http),
    ):
        token = site.world.user_tokens()["access_token"]

        def status(http: httpx.Client, token: str = token) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return http.get("/id/connect/userinfo", headers=headers).status_code

        assert [status(here), status(there)] == [200, 200]
        done = here.post("/id/connect/revocation", data={"token": token}, auth=AUTH)
        assert done.status_code == 200
        promptly(lambda there=there: status(there) == 401)


def test_it_is_said_who_cannot_listen(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    from mintgate.store.follower import Follower

    async def run() -> None:
        database = Database(site.pooled)
        following = Follower(database, lambda _: None)
        await following.start()
        async with asyncio.timeout(10):
            while "pooler" not in caplog.text:
                await asyncio.sleep(0.02)
        await following.stop()
        database.close()

    asyncio.run(run())
    assert caplog.text.count("--notify-database") == 1
    assert "pooler" not in site.said_by_other.read_text()


def test_the_limits_hold_and_stay_with_their_transaction(site: Site) -> None:
    """Statements have their timeout, and whoever gets the session next does not."""
    database = Database(site.pooled)
    show = text("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
    limits = database.read_now(lambda c: tuple(c.execute(show).one()))
    assert limits == ("5s", "5s")
    prepared = text("SELECT count(*) FROM pg_prepared_statements")
    for _ in range(10):
        assert database.read_now(lambda c: c.execute(prepared).scalar_one()) == 0
    database.close()
    with psycopg.connect(site.pooled, autocommit=True, prepare_threshold=None) as connection:
        for _ in range(10):
            assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
