"""A streaming replica: what may be read there, and what happens when it becomes the primary."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import insert, select, text

from mintgate.store import Database, DatabaseUnavailable, revocations, schema
from mintgate.store.tables import instances, revoked_tokens
from tests.own_postgresql import OwnPostgresql, own_postgresql
from tests.unit.store.test_growth import INSTANCE
from tests.wire.management_world import MORE, robot_token
from tests.wire.other_servers import ZEROS
from tests.wire.test_serve import run
from tests.world import SECRET, STOCK, World

REPORTS = ("/manage/api/v1/audit-events?limit=1", "/manage/api/v1/legacy-uses")
HERE = "the-instance-that-moves"


class Pair(NamedTuple):
    """A primary and a standby that follows it."""

    primary: OwnPostgresql
    standby: OwnPostgresql

    @property
    def both(self) -> str:
        """Wherever is written to, as libpq finds it."""
        ports = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://postgres@{ports}/postgres?target_session_attrs=read-write"

    def wait(self) -> None:
        """Until the standby has all that the primary has."""
        ((position,),) = self.primary.execute("SELECT pg_current_wal_flush_lsn()::text")
        deadline = time.monotonic() + 20
        asked = f"SELECT pg_last_wal_replay_lsn() >= '{position}'"
        while self.standby.execute(asked) != [(True,)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(own_postgresql())
        database = Database(primary.url())
        schema.upgrade(database)
        database.close()
        standby = stack.enter_context(own_postgresql(copy_of=primary))
        yield Pair(primary, standby)


def test_reports_are_read_at_the_replica_and_nothing_else(pair: Pair, tmp_path: Path) -> None:
    """With the replay of the standby held, reports are old and decisions are not."""
    world = World(
        pair.primary.url(), clock=time.time, read_url=pair.standby.url(), more=MORE
    ).start()
    headers = {"Authorization": f"Bearer {robot_token(world)}"}

    def newest() -> str:
        answer = world.http.get(REPORTS[0], headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["items"][0]["event"])

    pair.wait()
    assert [world.http.get(path, headers=headers).status_code for path in REPORTS] == [200, 200]
    before = newest()
    pair.standby.execute("SELECT pg_wal_replay_pause()")
    try:
        tokens = world.user_tokens()
        token = tokens["access_token"]
        assert world.refresh(tokens["refresh_token"]).status_code == 200
        assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
        world.http.post("/id/connect/revocation", data={"token": token}, auth=(STOCK, SECRET))
        assert newest() == before
    finally:
        pair.standby.execute("SELECT pg_wal_replay_resume()")
    pair.wait()
    assert newest() != before
    done = run(
        *("audit", "verify", "--database", pair.standby.url()),
        cwd=tmp_path,
        MINTGATE_KEY_ENCRYPTION_KEY=ZEROS,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    pair.standby.stop("immediate")
    assert newest() != before  # of the primary
    pair.standby.start()
    world.stop()


def test_the_standby_takes_over(pair: Pair) -> None:
    """A URL with both hosts goes on at the one that is written to, without a restart."""
    database = Database(pair.both)
    schema.upgrade(database)
    with database.begin() as tx:
        tx.connection.execute(insert(instances), INSTANCE | {"id": HERE, "name": HERE})
    with database.begin() as tx:
        revocations.add(tx, HERE, "A" * 32, time.time() + 60)
    pair.wait()
    pair.primary.kill()
    with pytest.raises(DatabaseUnavailable), database.begin() as tx:
        revocations.add(tx, HERE, "B" * 32, time.time() + 60)
    pair.standby.promote()
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(DatabaseUnavailable), database.begin() as tx:
            revocations.add(tx, HERE, "C" * 32, time.time() + 60)
            break
        assert time.monotonic() < deadline
    kept = select(revoked_tokens.c.jti).where(revoked_tokens.c.instance_id == HERE)
    found = database.read_now(lambda c: sorted(c.execute(kept).scalars()))
    database.close()
    assert found == ["A" * 32, "C" * 32]


def test_a_server_that_only_reads_is_left(pair: Pair) -> None:
    """Its connections are not kept: the next one may lead to the new primary."""
    database = Database(pair.standby.url())
    with database.begin() as tx:
        pid = tx.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()

    def only_read() -> None:
        with database.begin() as tx:
            tx.connection.execute(text("SET TRANSACTION READ ONLY"))
            revocations.add(tx, HERE, "D" * 32, time.time() + 60)

    with pytest.raises(DatabaseUnavailable):
        only_read()
    with database.begin() as tx:
        assert tx.connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != pid
    database.close()
