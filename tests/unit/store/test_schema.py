"""Which programs run on which schema, and migrating with several processes at once."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import update

from mintgate.store import Database, DatabaseUnavailable, checking, schema
from mintgate.store.key_encryption import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.schema import Standing
from mintgate.store.tables import schema_state
from tests.newer_release import EXPAND, with_migration

TAKES_AWAY = {"drop_column", "drop_table", "drop_constraint", "alter_column", "rename_table"}
"""Operations after which a release that knows nothing of them may fail."""
BEFORE_IT_WAS_SAID = 16


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    database = Database(empty_database_url, lambda: 1000.0)
    yield database
    database.close()


def downgrade(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def mark(database: Database, **values: object) -> None:
    with database.engine.begin() as connection:
        connection.execute(update(schema_state).values(values))


def findings(database: Database, key: bytes = bytes(32)) -> dict[str, checking.Finding]:
    return {f.name: f for f in checking.check(database, lambda: KeyEncryptionKey(key))}


def test_an_empty_database_and_one_that_is_whole(database: Database) -> None:
    assert schema.state(database).standing is Standing.EMPTY
    with pytest.raises(schema.NeedsUpgrade):
        schema.require_current(database)
    assert findings(database)["schema"].verdict == "wrong"
    assert schema.upgrade(database).standing is Standing.EMPTY
    assert schema.require_current(database).standing is Standing.CURRENT
    found = findings(database)
    assert not [f for f in found.values() if f.verdict == "wrong"]
    assert len(found) == 7


def test_an_older_schema_is_migrated_when_asked(database: Database) -> None:
    schema.upgrade(database)
    downgrade(database, "0015")
    with pytest.raises(schema.NeedsUpgrade, match="mintgate db upgrade"):
        schema.require_current(database)
    assert "mintgate db upgrade" in findings(database)["schema"].advice
    assert schema.upgrade(database).revision == "0015"
    assert schema.state(database).standing is Standing.CURRENT
    assert findings(database)["tables"].verdict == "ok"


def test_an_older_program_runs_on_what_was_only_expanded(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema.upgrade(database)
    with monkeypatch.context() as newer:
        newer.setattr(schema, "MIGRATIONS", with_migration(tmp_path / "newer", EXPAND))
        assert schema.upgrade(database).standing is Standing.OLDER
    found = schema.require_current(database)
    assert (found.standing, found.revision) == (Standing.NEWER, "9001")
    assert schema.upgrade(database).revision == "9001"  # and leaves it alone
    assert findings(database)["schema"].verdict == "note"


def test_an_older_program_refuses_what_was_contracted(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema.upgrade(database)
    contract = EXPAND + '\noldest_program = "9001"\n'
    with monkeypatch.context() as newer:
        newer.setattr(schema, "MIGRATIONS", with_migration(tmp_path / "newer", contract))
        schema.upgrade(database)
    for refused in (schema.require_current, schema.upgrade):
        with pytest.raises(schema.NotRunnable, match="needs a program that knows 9001"):
            refused(database)
    assert findings(database)["schema"].verdict == "wrong"


@pytest.mark.parametrize("unfinished", ["copy", "restore", "backup"])
def test_nothing_runs_on_what_is_not_whole(unfinished: str, database: Database) -> None:
    schema.upgrade(database)
    mark(database, unfinished=unfinished, since=1.0)
    for refused in (schema.require_current, schema.upgrade):
        with pytest.raises(schema.NotRunnable, match="mintgate db"):
            refused(database)


def test_of_many_that_start_at_once_one_migrates(empty_database_url: str) -> None:
    found: list[Standing] = []
    ready = threading.Barrier(4)

    def start() -> None:
        mine = Database(empty_database_url)
        ready.wait()
        found.append(schema.upgrade(mine).standing)
        mine.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(s.name for s in found) == ["CURRENT", "CURRENT", "CURRENT", "EMPTY"]


def test_a_migration_does_not_wait_for_long_behind_a_table(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for the table after the migration would wait behind it."""
    if database.is_sqlite:
        pytest.skip("has one writer, who waits for nobody who reads")
    before = schema.upgrade(database).head
    monkeypatch.setattr(schema, "MIGRATIONS", with_migration(tmp_path / "newer", EXPAND))
    monkeypatch.setattr(schema, "TABLE_SECONDS", 0.1)
    with database.engine.begin() as reader:
        reader.exec_driver_sql("SELECT * FROM users")
        with pytest.raises(DatabaseUnavailable, match="in use by a long transaction"):
            schema.upgrade(database)
    assert schema.upgrade(database).revision == before


def test_check_tells_of_tables_that_somebody_changed(database: Database) -> None:
    schema.upgrade(database)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_state_feed_at")
    found = findings(database)["tables"]
    assert (found.verdict, found.text) == ("wrong", "add_index ix_state_feed_at")


def test_check_tells_of_a_key_that_is_missing(database: Database) -> None:
    def missing() -> KeyEncryptionKey:
        raise KeyEncryptionProblem("cannot read the key file")

    schema.upgrade(database)
    assert {f.name: f.verdict for f in checking.check(database, missing)}["keys"] == "ok"


def test_migrations_that_take_something_away_say_who_may_still_run() -> None:
    for file in sorted((schema.MIGRATIONS / "versions").glob("[0-9]*.py")):
        if int(file.name[:4]) <= BEFORE_IT_WAS_SAID:
            continue
        tree = ast.parse(file.read_text())
        names = {t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets}  # type: ignore[attr-defined]
        upgrade = next(n for n in tree.body if getattr(n, "name", "") == "upgrade")
        called = {n.attr for n in ast.walk(upgrade) if isinstance(n, ast.Attribute)}
        assert not called & TAKES_AWAY or "oldest_program" in names, (
            f"{file.name} takes something away: name the oldest program that may run on it"
        )
