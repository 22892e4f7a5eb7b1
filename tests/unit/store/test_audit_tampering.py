"""Whatever is done to a covered audit log without the key is found; what is allowed never is."""

# ruff: noqa: S608 - statements are made of our own names

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mintgate.store import Database, person, users
from mintgate.store.audit import keys
from mintgate.store.audit.chain import Head, genesis, row_hash
from mintgate.store.audit.checkpoint import Checkpoint
from mintgate.store.audit.rows import COLUMNS, HASHED
from tests.unit.store.audit_workbench import HERE, MIRA, THERE, Log, some_events
from tests.world import sqlite_url

DAY = 24 * 3600.0
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def covered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with two writers of here, one of there, three checkpoints, and a cut."""
    folder = tmp_path_factory.mktemp("covered")
    log = Log(sqlite_url(folder))
    log.record(6)
    log.checkpoint()
    log.clock.advance(2 * DAY)
    log.restart()
    log.record(7, personal=None)
    log.record(2, instance_id=THERE)
    log.checkpoint()
    log.keep(days=1)
    log.record(4)
    log.checkpoint()
    assert log.verify().is_whole
    assert log.verify().rows == log.verify().covered
    log.database.forget_erased()
    log.close()
    return folder / "test.db"


class Attacked:
    """A copy of the file, open for somebody who can write it."""

    def __init__(self, file: Path) -> None:
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(file, self.folder / "test.db")
        self.sql = sqlite3.connect(self.folder / "test.db", isolation_level=None)
        self.sql.row_factory = sqlite3.Row

    def rows(self, table: str = "audit_events") -> list[dict[str, Any]]:
        order = "writer_id, rowid" if table == "audit_events" else "rowid"
        found = self.sql.execute(
            f"SELECT rowid AS rowid, * FROM {table} WHERE instance_id = ? ORDER BY {order}",
            (HERE,),
        )
        return [dict(row) for row in found]

    def put(self, table: str, row: dict[str, Any]) -> None:
        names = [name for name in row if name != "rowid"]
        marks = ", ".join("?" * len(names))
        quoted = ", ".join(f'"{name}"' for name in names)
        self.sql.execute(
            f"INSERT OR REPLACE INTO {table} ({quoted}) VALUES ({marks})",
            [row[name] for name in names],
        )

    def delete(self, table: str, row: dict[str, Any]) -> None:
        self.sql.execute(f"DELETE FROM {table} WHERE rowid = ?", (row["rowid"],))

    def is_found(self) -> bool:
        self.sql.close()
        log = Log.__new__(Log)
        log.database = Database(sqlite_url(self.folder))
        try:
            return not log.verify().is_whole
        finally:
            log.close()
            shutil.rmtree(self.folder)


def another(value: Any, draw: Any) -> Any:
    """A value of the same kind that is not this one, or none."""
    kinds = {
        int: st.integers(-5, 50),
        float: st.floats(0, 1e6, allow_nan=False),
        bytes: st.binary(min_size=16, max_size=32),
    }
    strategy = kinds.get(type(value), st.text("abc{}é", max_size=8))
    return draw(st.one_of(st.none(), strategy).filter(lambda new: new != value))


@given(data=st.data())
@QUICK
def test_any_column_of_any_row(covered: Path, data: st.DataObject) -> None:
    attacked = Attacked(covered)
    table = data.draw(st.sampled_from(["audit_events", "audit_checkpoints", "audit_heads"]))
    row = data.draw(st.sampled_from(attacked.rows(table)))
    column = data.draw(st.sampled_from([name for name in row if name != "rowid"]))
    value = another(row[column], data.draw)
    if column == "is_cut":
        value = 1 - row[column]
    try:
        attacked.sql.execute(
            f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?', (value, row["rowid"])
        )
    except sqlite3.IntegrityError:  # the table itself refuses
        attacked.sql.close()
        return
    assert attacked.is_found(), (table, column, row[column], value)


@given(data=st.data())
@QUICK
def test_any_row_or_rows_removed(covered: Path, data: st.DataObject) -> None:
    attacked = Attacked(covered)
    table = data.draw(st.sampled_from(["audit_events", "audit_checkpoints", "audit_heads"]))
    rows = attacked.rows(table)
    if table == "audit_checkpoints":
        rows = rows[:-1]  # the last one: see the test of a log that was set back
    start = data.draw(st.integers(0, len(rows) - 1))
    for row in rows[start : data.draw(st.integers(start + 1, len(rows)))]:
        attacked.delete(table, row)
    assert attacked.is_found()


@given(data=st.data())
@QUICK
def test_rows_swapped_or_inserted(covered: Path, data: st.DataObject) -> None:
    attacked = Attacked(covered)
    rows = attacked.rows()
    one = data.draw(st.sampled_from(rows))
    place = ("writer_id", "sequence")
    if data.draw(st.booleans()):
        two = data.draw(st.sampled_from([row for row in rows if row != one]))
        attacked.put("audit_events", one | {name: two[name] for name in place})
        attacked.put("audit_events", two | {name: one[name] for name in place})
    else:
        new = one | {"sequence": data.draw(st.integers(-3, 60)), "event": "made.up"}
        if data.draw(st.booleans()):
            new["writer_id"] = "f" * 16
            new["sequence"] = 1
        if any(all(row[name] == new[name] for name in place) for row in rows):
            attacked.sql.close()
            return
        attacked.put("audit_events", new)
    assert attacked.is_found()


@given(data=st.data())
@QUICK
def test_a_chain_written_anew_without_the_key(covered: Path, data: st.DataObject) -> None:
    """Every hash is right afterwards; only the checkpoint knows better."""
    attacked = Attacked(covered)
    rows = attacked.rows()
    writer_id = data.draw(st.sampled_from(sorted({row["writer_id"] for row in rows})))
    chain = [row for row in rows if row["writer_id"] == writer_id]
    changed = data.draw(st.integers(0, len(chain) - 1))
    if data.draw(st.booleans()) and len(chain) > 1:
        attacked.delete("audit_events", chain[-1])
        del chain[changed]
    else:
        chain[changed] |= {"event": "nothing.happened"}
    cuts = {
        row["writer_id"]: Head(row["sequence"], row["hash"])
        for row in attacked.rows("audit_heads")
        if row["is_cut"]
    }
    last = cuts.get(writer_id) or genesis(HERE, writer_id)
    for row in chain:
        row["sequence"] = last.sequence + 1
        row["hash"] = row_hash(last.hash, [row[name] for name in HASHED])
        attacked.put("audit_events", {name: row[name] for name in COLUMNS})
        last = Head(row["sequence"], row["hash"])
    assert attacked.is_found()


def test_checkpoints_signed_anew_with_another_key(covered: Path) -> None:
    attacked = Attacked(covered)
    key = keys.AuditKey(Ed25519PrivateKey.generate())
    for row in attacked.rows("audit_checkpoints"):
        values = {name: row[name] for name in Checkpoint.__struct_fields__}
        forged = Checkpoint(**values | {"public_key": key.public_key})
        attacked.put(
            "audit_checkpoints",
            row | {"public_key": key.public_key, "signature": key.sign(forged.signed)},
        )
    (stored,) = attacked.rows("audit_keys")
    attacked.put("audit_keys", stored | {"public_key": key.public_key})
    assert attacked.is_found()


def test_the_untouched_file_is_whole(covered: Path) -> None:
    assert not Attacked(covered).is_found()


class WhatIsAllowed(RuleBasedStateMachine):
    """Writing, restarting, checkpoints, retention and erasure, in any order: always whole."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.log = Log(sqlite_url(self.folder))
        self.written = 0
        self.is_stored = False

    @initialize()
    def begin(self) -> None:
        with self.log.database.begin() as tx:
            users.add(tx, HERE, MIRA)
        self.is_stored = True

    @rule(count=st.integers(1, 5), is_here=st.booleans())
    def record(self, count: int, is_here: bool) -> None:
        more = {} if self.is_stored else {"actor": "root", "actor_id": None}
        self.log.record(count, instance_id=HERE if is_here else THERE, **more)

    @rule()
    def undo(self) -> None:
        """A transaction that fails gives no numbers away."""
        with contextlib.suppress(LookupError), self.log.database.begin() as tx:
            for event in some_events(2, 1.0):
                tx.record(event)
            raise LookupError

    @rule()
    def restart(self) -> None:
        self.log.restart()

    @rule()
    def checkpoint(self) -> None:
        self.log.checkpoint()

    @rule(hours=st.integers(1, 40))
    def wait(self, hours: int) -> None:
        self.log.clock.advance(hours * 3600.0)

    @rule()
    def retain(self) -> None:
        self.log.keep(days=1)

    @precondition(lambda self: self.is_stored)
    @rule()
    def erase(self) -> None:
        with self.log.database.begin() as tx:
            names = person.names_of(tx.connection, HERE, MIRA)
            person.start_erasure(tx, HERE, MIRA, None)
        with self.log.database.begin() as tx:
            while person.erase_events(tx, HERE, MIRA.id):
                pass
            person.erase(tx, HERE, MIRA, names, None)
        self.is_stored = False

    @invariant()
    def everything_is_whole(self) -> None:
        for instance_id in (HERE, THERE):
            report = self.log.verify(instance_id)
            assert report.is_whole, report.findings
            assert report.waiting == 0

    def teardown(self) -> None:
        self.log.close()
        shutil.rmtree(self.folder)


TestWhatIsAllowed = WhatIsAllowed.TestCase
TestWhatIsAllowed.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
