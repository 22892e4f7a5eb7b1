"""Copies of whole databases between engines: nothing is lost, and what differs is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Identity,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    text,
    update,
)

from mintgate.store import AuditEvent, Database, portable, schema
from mintgate.store.portable import CopyProblem, comparing, snapshot
from mintgate.store.portable.tables import TABLES, key_of
from mintgate.store.portable.target import Target, _set_sequences
from mintgate.store.tables import state_feed, users
from tests.rich_rows import HOME, add_rows
from tests.world import empty_sqlite_url


@pytest.fixture
def new_database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[str], Database]]:
    """Empty databases of either engine."""
    made: list[Database] = []

    def make(engine: str) -> Database:
        if engine == "postgresql":
            url = str(request.getfixturevalue("postgresql").empty())
        else:
            (tmp_path / str(len(made))).mkdir()
            url = empty_sqlite_url(tmp_path / str(len(made)))
        made.append(Database(url, lambda: 1000.0))
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture
def target(request: pytest.FixtureRequest, new_database: Any) -> Database:
    database: Database = new_database(getattr(request, "param", "sqlite"))
    return database


into_both = pytest.mark.parametrize("target", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def source(rich_file: Callable[[Path], str], tmp_path: Path) -> Iterator[Database]:
    (folder := tmp_path / "source").mkdir()
    database = Database(rich_file(folder), lambda: 1000.0)
    yield database
    database.close()


def every_row(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """As SQLAlchemy reads it, without the code that copies."""

    def read(connection: Any) -> dict[str, list[tuple[Any, ...]]]:
        return {
            t.name: sorted((tuple(r) for r in connection.execute(select(t))), key=repr)
            for t in TABLES
        }

    return database.read_now(read)


class Interrupted(Exception):
    """Whoever copies is gone."""


def interrupt_at(table: str) -> Any:
    def progress(step: str, name: str, done: int, total: int) -> None:
        if (step, name) == ("copy", table):
            raise Interrupted

    return progress


@into_both
def test_there_and_back(
    source: Database, target: Database, new_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every value of every table, in batches that are smaller than a table."""
    monkeypatch.setattr(snapshot, "BATCH_ROWS", 40)
    steps: dict[tuple[str, str], list[int]] = {}

    def progress(step: str, table: str, done: int, total: int) -> None:
        steps.setdefault((step, table), []).append(done)

    copied = portable.copy(source, target, progress=progress)
    assert every_row(target) == every_row(source)
    assert all(copied.rows.values()), "the test has no rows for a table"
    assert steps["copy", "crm_sales_orders"][:2] == [40, 80]
    assert steps["compare", "users"][-1] == 3
    assert schema.require_current(target).unfinished is None
    back = new_database("sqlite")
    assert portable.copy(target, back).digests == copied.digests
    assert every_row(back) == every_row(source)
    assert not copied.written_meanwhile


@into_both
def test_json_is_copied_to_the_letter(source: Database, target: Database) -> None:
    odd = '{"b": 1,  "a": [1.0, 1e2]}'
    with source.begin() as tx:
        tx.connection.execute(text("UPDATE users SET name = :odd"), {"odd": odd})
    portable.copy(source, target)
    read = text("SELECT CAST(name AS TEXT) FROM users")
    assert set(target.read_now(lambda c: c.execute(read).scalars().all())) == {odd}


def test_a_target_with_rows_is_left_alone(source: Database, target: Database) -> None:
    portable.copy(source, target)
    with pytest.raises(CopyProblem, match="the target is not empty: it has rows in"):
        portable.copy(source, target, restart=True)
    with pytest.raises(CopyProblem, match="the same database"):
        portable.copy(source, source)


@into_both
def test_an_interrupted_copy_is_seen_and_begun_anew(source: Database, target: Database) -> None:
    with pytest.raises(Interrupted):
        portable.copy(source, target, progress=interrupt_at("users"))
    with pytest.raises(schema.NotRunnable, match="the target of a copy that has not ended"):
        schema.require_current(target)
    with pytest.raises(schema.NotRunnable):
        portable.copy(target, source)  # nor is it a source
    with pytest.raises(CopyProblem, match=r"began at 1970-01-01 00:16:40Z .* --restart"):
        portable.copy(source, target)
    portable.copy(source, target, restart=True)
    assert every_row(target) == every_row(source)


@into_both
def test_who_begins_anew_ends_the_run_before(source: Database, target: Database) -> None:
    def take_over(step: str, table: str, done: int, total: int) -> None:
        if (step, table) == ("copy", "users"):
            Target.begin(target, "copy", restart=True)

    with pytest.raises(CopyProblem, match="another run has taken the target over"):
        portable.copy(source, target, progress=take_over)


def test_what_is_written_meanwhile_is_not_copied_and_told(
    source: Database, target: Database
) -> None:
    before = every_row(source)

    def write(step: str, table: str, done: int, total: int) -> None:
        if (step, table) == ("copy", "rate_counters"):
            with source.begin() as tx:
                add_rows(tx, users, first=10)
                tx.record(AuditEvent(instance_id=HOME.id, at=2e9, event="user.added"))

    assert portable.copy(source, target, progress=write).written_meanwhile
    assert every_row(target) == before


@pytest.mark.parametrize(
    ("tampered", "sentence"),
    [
        (update(users).values(name={"en": "Eve"}), r"row .* of users differs in the copy: name"),
        (delete(users), r"the row instance_id 'h+', id .* of users is not in the copy"),
        (
            insert(state_feed).values(
                instance_id=HOME.id, position=1, kind="x", subject="x", data={}, at=0.0
            ),
            r"a row .* position 1 of state_feed that the source has not",
        ),
    ],
    ids=["changed", "missing", "one too many"],
)
def test_a_row_that_differs_is_named(
    tampered: Any, sentence: str, source: Database, target: Database
) -> None:
    with source.begin() as tx:
        tx.connection.execute(delete(state_feed).where(state_feed.c.position == 1))

    def tamper(step: str, table: str, done: int, total: int) -> None:
        if table == "instances" and step == "copy":
            with target.begin() as tx:
                tx.connection.execute(tampered)

    with pytest.raises(CopyProblem, match=sentence):
        portable.copy(source, target, progress=tamper)
    with pytest.raises(schema.NotRunnable):
        schema.require_current(target)


def test_a_row_that_postgresql_cannot_store_is_named(source: Database, new_database: Any) -> None:
    with source.begin() as tx:
        tx.connection.execute(text("UPDATE users SET login = 'a' || char(0) WHERE id LIKE '1%'"))
    with pytest.raises(CopyProblem, match=r"the row .*'1id.* of users cannot be stored: .*NUL"):
        portable.copy(source, new_database("postgresql"))


def test_numbers_go_on_after_the_greatest_that_was_copied(new_database: Any) -> None:
    """No table has such a column today; one that gets it must not number rows twice."""
    database = new_database("postgresql")
    numbered = Table(
        "numbered",
        MetaData(),
        Column("id", Integer, Identity(), primary_key=True),
        Column("name", String(10)),
    )
    with database.begin() as tx:
        numbered.create(tx.connection)
        tx.connection.execute(insert(numbered).values(id=41, name="copied"))
        _set_sequences(tx.connection, numbered)
        made = tx.connection.execute(insert(numbered).values(name="new").returning(numbered.c.id))
        assert made.scalar_one() == 42


def test_a_source_that_this_program_cannot_read_whole(
    source: Database, target: Database, new_database: Any
) -> None:
    with pytest.raises(CopyProblem, match="the source has no tables"):
        portable.copy(new_database("sqlite"), target)
    with source.begin() as tx:
        tx.connection.execute(text("UPDATE alembic_version SET version_num = '0015'"))
    with pytest.raises(CopyProblem, match="mintgate db upgrade"):
        portable.copy(source, target)


def test_the_order_of_keys_is_the_same_on_both_engines(new_database: Any) -> None:
    """PostgreSQL orders texts by language: a, B, ä; comparing goes by their bytes."""
    databases = [new_database("sqlite"), new_database("postgresql")]
    for database in databases:
        schema.upgrade(database)
        with database.begin() as tx:
            for subject in ("b", "B", "ä", "a", "😀", "_", "\uffff"):
                tx.connection.execute(
                    text("INSERT INTO revoked_before VALUES ('x', :s, 1)"), {"s": subject}
                )
    table = next(t for t in TABLES if t.name == "revoked_before")
    with snapshot.snapshot(databases[0]) as a, snapshot.snapshot(databases[1]) as b:
        assert comparing.require_same(table, a, b, lambda rows: None)
        assert [key_of(table, r) for p in a.batches(table, in_order=True) for r in p]
