"""The benchmark of plans with a few rows, so that its code does not rot."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench import plans
from bench.plans import findings, planner
from bench.plans.filling import fill
from bench.plans.findings import OfTable, Plans, Scan, Timed
from bench.plans.sizes import Sizes, lacking
from bench.plans.tables import BIG
from bench.plans.turns import Turns
from bench.problems import Unmeasurable
from bench.progress import Progress
from rich.console import Console
from sqlalchemy import inspect

from mintgate.store import Database, schema

INSTANCE = "00000000-0000-0000-0000-000000000001"
RECORDED, ROWS = 300, 3000
BY_KEY = "SELECT jti FROM revoked_tokens WHERE instance_id = :i AND jti = :jti"
BY_NOTHING = "SELECT jti FROM revoked_tokens WHERE jti = :jti"
LOADED = "SELECT revoked_tokens.jti, revoked_tokens.expires_at FROM revoked_tokens"
WRITTEN = "DELETE FROM revoked_tokens WHERE instance_id = :i AND jti = :jti"


@pytest.fixture
def progress() -> Progress:
    return Progress(Console(file=io.StringIO()))


def test_a_scan_is_found_and_the_table_is_as_before(
    database_url: str, tmp_path: Path, progress: Progress
) -> None:
    database = Database(database_url)
    schema.upgrade(database)
    fill(database, INSTANCE, RECORDED)
    sizes = Sizes.of(ROWS, "revoked_tokens, refresh_tokens")
    sizes = msgspec.structs.replace(sizes, others=1000)
    statements = [BY_KEY, BY_NOTHING, LOADED, WRITTEN]
    try:
        asked = dict(_for(database, statement) for statement in statements)
        turns = Turns(database, INSTANCE, asked, sizes, tmp_path, progress)
        tokens, others = (one for one in turns.run() if isinstance(one, OfTable))
        left = database.read_now(
            lambda c: c.exec_driver_sql("SELECT count(*) FROM revoked_tokens").scalar_one()
        )
        tables = inspect(database.engine).get_table_names()
    finally:
        database.close()
    assert (tokens.table, tokens.rows) == ("revoked_tokens", RECORDED + ROWS)
    assert tokens.bytes > 50 * ROWS
    assert tokens.statements == len(statements)
    (scan,) = tokens.scans
    assert "instance_id" not in scan.statement
    assert "SCAN" in scan.plan.upper()
    assert [list(one) for one in (tokens.on_purpose, others.on_purpose)] == [[LOADED], []]
    assert [one.median_ms > 0 for one in tokens.slowest] == [True]  # the one by its key
    assert (others.table, others.statements, others.scans) == ("refresh_tokens", 0, [])
    assert left == RECORDED + sizes.others
    assert "kept_rows" not in tables


def _for(database: Database, statement: str) -> tuple[str, Any]:
    """In the words of the driver."""
    given = {"i": INSTANCE, "jti": "x"}
    if database.is_sqlite:
        return statement, given
    return statement.replace(":i ", "%(i)s ").replace(":jti", "%(jti)s"), given


def test_requests_are_recorded_and_none_scans(tmp_path: Path, progress: Progress) -> None:
    made = plans.run(tmp_path, Sizes.of(1000, "refresh_tokens,users"), progress)
    assert [one.table for one in made.tables] == ["refresh_tokens", "users"]
    assert made.recorded > 60
    assert all(one.rows >= 1000 for one in made.tables)
    tokens, users = made.tables
    assert tokens.statements >= 4  # redeemed, looked at, marked as used, removed
    assert users.timed >= 3
    assert [one.scans for one in made.tables] == [[], []]
    assert msgspec.json.decode(msgspec.json.encode(made), type=Plans) == made


def test_what_was_found_is_told() -> None:
    slow = Timed(statement="SELECT a FROM users", median_ms=25.0)
    scan = Scan(statement="SELECT b FROM users", plan="SCAN users\nUSE TEMP B-TREE")
    users = OfTable(
        table="users",
        rows=10_000_000,
        bytes=3_200_000_000,
        statements=7,
        scans=[scan],
        timed=5,
        slowest=[slow],
        on_purpose={"SELECT c FROM users": "all of them"},
    )
    made = Plans.of(
        "SQLite", [users], rows=10_000_000, others=200_000, recorded=90, left_out={"consents": "?"}
    )
    shown = ("users", "10,000,000", "3.2 GB", "7", "1", "5", "25.00 ms: SELECT a FROM users")
    assert list(findings.rows(made)) == [shown]
    told = list(findings.remarks(made))
    assert told[0] == "NOT MET: no statement looks at a whole table (1 do)"
    assert "SCAN users; USE TEMP B-TREE" in told[1]
    assert told[2].startswith("NOT MET: each statement that reads takes at most 10 ms")
    assert "left out: consents: ?" in told


def test_a_disk_without_room_is_told_before_it_is_full() -> None:
    assert lacking(10**9, 10**10, 10) is None
    told = lacking(5 * 10**9, 6 * 10**9, 10_000_000)
    assert told is not None
    assert "10,000,000 rows take some 5.0 GB" in told
    assert "6.0 GB are there" in told


def test_a_table_without_room_is_left_out(tmp_path: Path, progress: Progress) -> None:
    """On a disk that is nearly full; the tables that fit are looked at nevertheless."""
    free = os.statvfs(tmp_path)
    database = Database(f"sqlite:///{tmp_path / 'plans.db'}")
    schema.upgrade(database)
    too_many = Sizes(rows=free.f_frsize * free.f_bavail // 20, others=200, tables=("users",))
    try:
        turns = Turns(database, INSTANCE, {}, too_many, tmp_path, progress)
        ((name, why),) = (one for one in turns.run() if not isinstance(one, OfTable))
    finally:
        database.close()
    assert name == "users"
    assert "Free the disk" in why


@pytest.mark.parametrize(
    ("rows", "tables"), [(10, None), (1000, "nobody"), (1000, "instances"), (1000, "applications")]
)
def test_what_cannot_be_filled_is_refused(rows: int, tables: str | None) -> None:
    with pytest.raises(Unmeasurable):
        Sizes.of(rows, tables)


def test_all_tables_that_grow_are_filled() -> None:
    assert Sizes.of(10_000_000, None) == Sizes(rows=10_000_000, others=200_000, tables=BIG)
    assert {"audit_events", "refresh_tokens", "revoked_tokens"} < set(BIG)


def test_only_what_reads_is_carried_out() -> None:
    assert planner.only_reads(BY_KEY)
    assert not planner.only_reads(WRITTEN)
    assert not planner.only_reads("SELECT jti FROM revoked_tokens FOR UPDATE SKIP LOCKED")
    assert not planner.only_reads("WITH gone AS (DELETE FROM users) SELECT 1")
    assert not planner.only_reads("BEGIN IMMEDIATE")
    assert planner.names(BY_KEY, "revoked_tokens")
    assert not planner.names(BY_KEY, "revoked")
