# ruff: noqa: S608 - statements are made of our own names
"""The audit log's chains, checkpoints, retention and erasure, on both engines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select

from mintgate.store import AuditEvent, Database, Transaction, audit, person, schema, sealing, users
from mintgate.store.audit import chain, checkpoint_rows, checkpoints, keeping, keys, rows
from mintgate.store.audit.checkpoints import AuditLogTampered
from mintgate.store.audit.export import Export
from mintgate.store.keys import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.tables import audit_events, audit_heads
from tests.unit.store.audit_workbench import HERE, KEK, MIRA, ORION, THERE, Log, some_events

DAY = 24 * 3600.0


@pytest.fixture
def log(database_url: str) -> Iterator[Log]:
    log = Log(database_url)
    yield log
    log.close()


def writers(log: Log) -> list[str]:
    return log.database.read_now(lambda c: rows.writers(c, HERE))


def count(log: Log, table: Any = audit_events) -> int:
    statement = select(table).where(table.c.instance_id == HERE)
    return len(log.database.read_now(lambda c: c.execute(statement).all()))


def test_an_empty_log_is_whole(log: Log) -> None:
    report = log.verify()
    assert report.is_whole
    assert (report.rows, report.writers, report.newest) == (0, 0, None)


def test_every_writer_and_instance_has_its_own_chain(log: Log) -> None:
    log.record(3)
    log.record(2, instance_id=THERE)
    log.restart()
    log.record(70)  # more than one statement holds
    log.checkpoint()
    report = log.verify()
    assert report.is_whole, report.findings
    assert (report.rows, report.covered, report.writers) == (74, 73, 2)  # audit.key_added is new
    assert log.verify(THERE).rows == 2
    found = log.database.read_now(lambda c: audit.latest(c, HERE, 1, event="token."))
    assert found[0] == some_events(70, 1000.0)[69]


def test_groups_of_the_writer_thread_are_chained(log: Log) -> None:
    """Events alone, events of units of work, and units that fail, from several processes."""
    others = [Database(log.url, log.clock) for _ in range(3)]

    def unit(tx: Transaction) -> None:
        for event in some_events(2, 1.0):
            tx.record(event)

    def bad(tx: Transaction) -> None:
        unit(tx)
        raise LookupError

    async def load(database: Database) -> None:
        for _ in range(5):
            work = [database.record(event) for event in some_events(20, 1.0)]
            work += [asyncio.ensure_future(database.write(w)) for w in (unit, bad, unit)]
            await asyncio.gather(*work, return_exceptions=True)

    async def run() -> None:
        await asyncio.gather(*(load(database) for database in (log.database, *others)))

    asyncio.run(run())
    for database in others:
        database.close()
    log.checkpoint()
    report = log.verify()
    assert report.is_whole, report.findings
    assert report.rows == 4 * 5 * 24 + 1


def test_a_commit_that_failed_begins_another_chain(log: Log) -> None:
    """Whether it happened is unknown; no number is given twice."""
    log.record()
    before = log.database._chain
    with log.database.engine.connect() as connection:
        connection.begin()
        pooled, kind = connection.connection, connection.dialect

        class Broken:
            dialect = kind
            connection = pooled

            def commit(self) -> None:
                pooled.commit()
                raise OSError("the answer was lost")

        with pytest.raises(Exception, match="lost"):
            log.database.commit(Broken(), some_events(1, 1.0))  # type: ignore[arg-type]
    assert log.database._chain is not before
    log.record()
    assert log.verify().is_whole
    assert count(log) == 3


CHANGES = {
    "event": ("UPDATE audit_events SET event = 'x' WHERE sequence = 3", "row 3 was changed"),
    "time": ("UPDATE audit_events SET at = 999.5 WHERE sequence = 3", "row 3 was changed"),
    "details": (
        "UPDATE audit_events SET details = '{}' WHERE sequence = 3",
        "row 3 was changed",
    ),
    "hash": (
        "UPDATE audit_events SET hash = actor_salt WHERE sequence = 3",
        "row 3 was changed",
    ),
    "actor": ("UPDATE audit_events SET actor = 'eve' WHERE sequence = 3", "personal values of row"),
    "address": (
        "UPDATE audit_events SET address = NULL WHERE sequence = 3",
        "personal values of row 3 were changed",
    ),
    "erased": (
        "UPDATE audit_events SET actor = NULL, address = NULL, actor_salt = NULL "
        "WHERE sequence = 3",
        "without an erasure",
    ),
    "row": ("DELETE FROM audit_events WHERE sequence = 3", "row 3 is missing"),
    "range": (
        "DELETE FROM audit_events WHERE sequence BETWEEN 3 AND 6",
        "rows 3 to 6 are missing",
    ),
    "beginning": ("DELETE FROM audit_events WHERE sequence < 4", "rows 1 to 3 are missing"),
    "end": ("DELETE FROM audit_events WHERE sequence > 7", "rows 8 to 9 are missing: checkpoint"),
    "all": ("DELETE FROM audit_events", "rows 1 to 9 are missing"),
    "number": ("UPDATE audit_events SET sequence = -5 WHERE sequence = 3", "no writer gives"),
    "head": ("UPDATE audit_heads SET sequence = 3 WHERE sequence = 4", "does not list the heads"),
    "heads": ("DELETE FROM audit_heads WHERE sequence = 4", "does not list the heads"),
    "stray head": (
        "UPDATE audit_heads SET checkpoint = 9 WHERE sequence = 4",
        "checkpoints that do not exist",
    ),
    "checkpoint": ("DELETE FROM audit_checkpoints WHERE number = 1", "missing: checkpoint 1"),
    "count": (
        'UPDATE audit_checkpoints SET "rows" = 1 WHERE number = 2',
        "its signature does not hold",
    ),
    "key": ("DELETE FROM audit_keys", "not trusted"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_by_whoever_can_write_the_tables_is_found(log: Log, change: str) -> None:
    log.record(4)
    log.checkpoint()
    log.record(4)
    log.checkpoint()
    assert log.verify().is_whole
    statement, sentence = CHANGES[change]
    log.run(statement)
    assert any(sentence in found for found in log.sentences()), log.sentences()


def test_the_finding_says_where(log: Log) -> None:
    log.record(4)
    log.run("DELETE FROM audit_events WHERE sequence = 2")
    (finding,) = log.verify().findings
    assert (finding.writer_id, finding.sequence) == (writers(log)[0], 2)


def test_a_key_of_somebody_else_is_not_believed(log: Log) -> None:
    """Who writes a key of his own into the table lacks the key-encryption key."""
    log.record(4)
    with log.database.begin() as tx:
        checkpoints.write(tx, HERE, KeyEncryptionKey(b"e" * 32))
    (sentence,) = log.sentences()
    assert "is signed with a key that is not trusted" in sentence
    log.record()
    with log.database.begin() as tx, pytest.raises(AuditLogTampered):
        checkpoints.write(tx, HERE, KEK)


def test_the_key_encryption_key_can_be_changed(log: Log) -> None:
    """Checkpoints from before stay verifiable, and the pinned public key stays the same."""
    log.record(4)
    before = log.checkpoint()
    assert before is not None
    other = KeyEncryptionKey(b"n" * 32)
    with log.database.begin() as tx:
        with pytest.raises(KeyEncryptionProblem):
            sealing.reseal(tx, other)
        assert sealing.reseal(tx, other.opening_also(KEK)) == 1
    assert log.trusted() == frozenset()
    trusted, problems = log.database.read_now(lambda c: keys.trusted(c, HERE, other))
    assert (trusted, problems) == ({before.public_key}, [])
    log.record()
    with log.database.begin() as tx:
        after = checkpoints.write(tx, HERE, other)
    assert after is not None
    assert after.public_key == before.public_key


def test_a_log_set_back_is_found_by_who_kept_a_checkpoint(log: Log) -> None:
    log.record(4)
    log.checkpoint()
    log.record(4)
    last = log.checkpoint()
    assert last is not None
    pinned = (last.number, last.hash)
    assert log.verify(expected=pinned).is_whole
    log.run("DELETE FROM audit_checkpoints WHERE number = 2")
    log.run("DELETE FROM audit_heads WHERE checkpoint = 2")
    log.run("DELETE FROM audit_events WHERE sequence > 4")
    assert log.verify().is_whole  # as the documentation says
    (sentence,) = log.sentences(expected=pinned)
    assert sentence.startswith("checkpoint 2 with the hash")


def test_the_end_after_the_last_checkpoint_is_held_by_its_chain_only(log: Log) -> None:
    log.record(4)
    log.checkpoint()
    log.record(4)
    log.run("DELETE FROM audit_events WHERE sequence = 9")
    assert log.verify().is_whole  # as the documentation says
    log.record()  # the process that wrote it still runs
    assert log.sentences() == ["row 9 is missing"]


def test_since_begins_at_a_checkpoint(log: Log) -> None:
    log.record(4)
    log.checkpoint()
    log.clock.advance(100)
    log.record(4)
    report = log.verify(since=1050.0)
    assert report.since is not None
    assert (report.is_whole, report.rows) == (True, 5)
    log.run("UPDATE audit_events SET event = 'x' WHERE sequence = 2")
    assert log.verify(since=1050.0).is_whole
    log.run("UPDATE audit_events SET event = 'x' WHERE sequence = 8")
    assert not log.verify(since=1050.0).is_whole


def test_nothing_new_makes_no_checkpoint(log: Log) -> None:
    log.record()
    assert log.checkpoint() is not None
    assert log.checkpoint() is not None  # the event of the new key
    assert log.checkpoint() is None
    log.keep()
    log.record()
    log.keep()  # another process may just have written one
    assert log.checkpoint() is not None


def test_retention_cuts_at_a_checkpoint(log: Log) -> None:
    log.record(30)
    log.keep(days=10)
    log.clock.advance(5 * DAY)
    log.restart()
    log.record(700)
    log.keep(days=10)
    assert count(log) == 731
    log.clock.advance(5.5 * DAY)
    log.record(3)
    log.keep(days=10)  # covers, then cuts at the first checkpoint
    report = log.verify()
    assert report.is_whole, report.findings
    assert (report.rows, report.waiting) == (705, 0)
    log.clock.advance(5 * DAY)
    log.keep(days=10)
    report = log.verify()
    assert report.is_whole, report.findings
    assert report.rows < 10
    (first,) = log.database.read_now(lambda c: checkpoint_rows.page(c, HERE, 0, 1))
    assert first.number > 1
    assert [e.event for e in log.database.read_now(lambda c: audit.latest(c, HERE, event="audit."))]
    log.run("DELETE FROM audit_events WHERE sequence = 702")
    assert log.sentences()


def test_retention_that_was_interrupted_goes_on(log: Log) -> None:
    log.record(20)
    log.checkpoint()
    log.clock.advance(2 * DAY)
    with log.database.begin() as tx:
        assert checkpoints.write(tx, HERE, KEK, remove_before=tx.now - DAY)
    assert (log.verify().is_whole, log.verify().waiting) == (True, 20)
    log.run("DELETE FROM audit_events WHERE sequence < 9")
    assert (log.verify().is_whole, log.verify().waiting) == (True, 12)
    log.keep()
    assert (log.verify().is_whole, log.verify().waiting) == (True, 0)
    assert count(log, audit_heads) == 2


def test_nothing_is_cut_from_a_log_that_was_changed(log: Log) -> None:
    """Else the cut would sign what somebody else wrote."""
    log.record(20)
    log.checkpoint()
    log.record(20)
    log.checkpoint()
    log.clock.advance(2 * DAY)
    log.run("UPDATE audit_heads SET sequence = 30 WHERE checkpoint = 1")
    with pytest.raises(AuditLogTampered, match="nothing is removed"):
        log.keep(days=1)
    assert count(log) == 41


def test_purging_does_not_hold_others_up(log: Log) -> None:
    """[bounded batches] a write that comes while rows are removed is done between two batches."""
    log.record(5000)
    log.checkpoint()
    log.clock.advance(2 * DAY)

    async def run() -> list[float]:
        instance = msgspec.structs.replace(ORION, audit_retention_days=1)
        purge = asyncio.create_task(keeping.keep_audit(log.database, instance, KEK))
        waited = []
        while not purge.done():
            start = time.perf_counter()
            await log.database.record(AuditEvent(instance_id=HERE, at=1.0, event="meanwhile"))
            waited.append(time.perf_counter() - start)
        await purge
        return waited

    assert len(asyncio.run(run())) > 5  # it was let in between
    assert log.verify().is_whole


def test_an_erased_person_leaves_a_whole_log(log: Log) -> None:
    with log.database.begin() as tx:
        users.add(tx, HERE, MIRA)
        users.add(tx, HERE, msgspec.structs.replace(MIRA, id="2", login="boss", email=None))
    log.record(3)
    log.record(actor="boss", actor_id="2", subject_id=MIRA.id, event="user.changed")
    log.record(actor="boss", actor_id="2", event="user.signed_in", personal=None)
    log.checkpoint()
    with log.database.begin() as tx:
        names = person.names_of(tx.connection, HERE, MIRA)
        person.start_erasure(tx, HERE, MIRA, "cli:root")
    with log.database.begin() as tx:
        while person.erase_events(tx, HERE, MIRA.id):
            pass
        person.erase(tx, HERE, MIRA, names, "cli:root")
    report = log.verify()
    assert report.is_whole, report.findings
    assert report.erased == 4
    log.checkpoint()
    assert log.verify().is_whole
    events = log.database.read_now(lambda c: audit.latest(c, HERE))
    everything = repr(events)
    assert "mira" not in everything.lower()
    changed = next(event for event in events if event.event == "user.changed")
    assert (changed.actor, changed.address, changed.personal) == ("boss", "192.0.2.7", None)
    assert sum(event.actor == "boss" for event in events) == 2


def test_an_export_misses_nothing_that_becomes_visible_late(log: Log) -> None:
    """An event of another writer may carry an earlier time than one that was read already."""
    log.record(3)
    reading = Export(log.database, HERE)
    log.clock.advance(5)
    log.record(2)
    assert len(list(reading.existing())) == 3
    other = Database(log.url, lambda: 1.0)
    with other.begin() as tx:
        tx.record(AuditEvent(instance_id=HERE, at=1.0, event="late"))
    other.close()
    added = reading.added()
    assert [row.at for row in added] == [1.0, 1005.0, 1005.0]
    assert reading.added() == []
    assert [r.told.event for r in Export(log.database, HERE, 1001.0).existing()] == [
        "token.issued"
    ] * 2


def test_the_hash_is_what_the_documentation_says(log: Log) -> None:
    log.record(2)
    first, second = log.database.read_now(
        lambda c: rows.page_of_writer(c, HERE, rows.writers(c, HERE)[0], None)
    )
    start = chain.genesis(HERE, first.writer_id).hash
    assert first.hash == chain.row_hash(start, first.hashed)
    assert second.hash == chain.row_hash(first.hash, second.hashed)
    assert first.actor_salt is not None
    assert first.actor_salt != second.actor_salt


def test_rows_from_before_are_chained(empty_database_url: str) -> None:
    """What they tell of users can be erased then, too."""
    database = Database(empty_database_url, lambda: 1000.0)
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        mark = "?" if database.is_sqlite else "%s"
        connection.exec_driver_sql(
            "INSERT INTO users (instance_id, id, login, login_key, name, user_type, "
            "email_confirmed, active, is_admin, basic_authentication_allowed, created_at) VALUES "
            f"('{HERE}', '{MIRA.id}', 'mira.k', 'mira.k', '{{}}', 'InternalUser', false, true, "
            "false, false, 1)"
        )
        for number in range(1100):
            event = "user.changed" if number == 7 else "token.issued"
            details = f'{{"id": "{MIRA.id}", "name": "mira.k"}}' if number == 7 else '{"a": "é"}'
            instance_id = HERE if number % 3 else THERE
            connection.exec_driver_sql(
                "INSERT INTO audit_events (instance_id, writer_id, sequence, at, event, actor, "
                f"details) VALUES ({', '.join([mark] * 7)})",
                (instance_id, "w" * 16, number, 5.25, event, "mira.k", details),
            )
    schema.upgrade(database)
    log = Log.__new__(Log)
    log.database = database
    for instance_id in (HERE, THERE):
        assert log.verify(instance_id).is_whole, log.verify(instance_id).findings
    assert log.verify().rows + log.verify(THERE).rows == 1100
    (changed,) = database.read_now(lambda c: audit.latest(c, HERE, event="user.changed"))
    assert (changed.subject_id, changed.actor_id, changed.details) == (MIRA.id, MIRA.id, None)
    assert changed.personal == {"id": MIRA.id, "name": "mira.k"}
    database.close()
