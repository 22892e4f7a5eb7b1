"""Backups of either engine, restored into either; what a restore ends, row by row."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from mintgate.contract.applications import ClientType, TrustedApplication
from mintgate.store import Database, applications, keys, portable, schema
from mintgate.store.key_encryption import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.portable import CopyProblem
from mintgate.store.portable import backup as backups
from mintgate.store.portable.tables import TABLES
from mintgate.store.sealing import SEALED
from mintgate.store.tables import audit_events
from tests.newer_release import EXPAND, with_migration
from tests.rich_rows import HOME, fill
from tests.unit.store.test_portable import Interrupted, every_row, interrupt_at
from tests.world import empty_sqlite_url

KEK = KeyEncryptionKey(bytes(32))
NOW = 1_790_000_500.0
ENDED_TABLES = {"identity_sessions", "interactions", "session_applications", "erp_sessions"}
"""Of which a restore leaves nothing."""


def filled(url: str) -> Database:
    database = Database(url, lambda: NOW)
    if not database.is_sqlite:
        fill(database)
    with database.begin() as tx:
        for table in {sealed.table for sealed in SEALED}:  # with values that no key seals
            tx.connection.execute(table.delete())
        keys.create(tx, HOME.id, KEK)
        for change in (
            "UPDATE erp_sessions SET client_ids = '[\"some.app\"]'",
            "UPDATE reference_tokens SET scopes = '[\"read\"]', expires_at = 2e9",
        ):
            tx.connection.exec_driver_sql(change)
    return database


@pytest.fixture
def database(rich_file: Callable[[Path], str], tmp_path: Path) -> Iterator[Database]:
    database = filled(rich_file(tmp_path))
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest) -> Database:
    """The same on both engines in turn."""
    if request.param == "postgresql":
        made = filled(str(request.getfixturevalue("postgresql")()))
        request.addfinalizer(made.close)  # noqa: PT021 - only for one of the two
        return made
    there: Database = request.getfixturevalue("database")
    return there


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "empty").mkdir()
    database = Database(empty_sqlite_url(tmp_path / "empty"), lambda: NOW)
    yield database
    database.close()


def restored(file: Path, database: Database, **options: Any) -> portable.Restored:
    return portable.restore(file, database, lambda: KEK, actor="cli:test", **options)


def test_a_backup_holds_every_row_and_is_private(either: Database, tmp_path: Path) -> None:
    file = tmp_path / "folder with 'quotes' %" / "made.mgb"
    file.parent.mkdir()
    made = portable.back_up(either, file)
    assert made == backups.BackedUp(NOW, file.stat().st_size)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in file.parent.iterdir()] == ["made.mgb"]
    before = file.read_bytes()
    with backups.opened(file) as (opened, at):
        assert every_row(opened) == every_row(either)
        assert at == NOW
    assert file.read_bytes() == before  # reading it changes nothing
    assert [p.name for p in file.parent.iterdir()] == ["made.mgb"]


def test_nothing_runs_on_a_backup(database: Database, tmp_path: Path) -> None:
    portable.back_up(database, tmp_path / "made.mgb")
    as_database = Database(f"sqlite:///{tmp_path}/made.mgb")
    with pytest.raises(schema.NotRunnable, match="the file is a backup"):
        schema.upgrade(as_database)
    as_database.close()


def test_what_cannot_be_written(database: Database, tmp_path: Path) -> None:
    (tmp_path / "there.mgb").write_text("mine")
    with pytest.raises(CopyProblem, match="is there already"):
        portable.back_up(database, tmp_path / "there.mgb")
    assert (tmp_path / "there.mgb").read_text() == "mine"
    with pytest.raises(CopyProblem, match=r"cannot write .*: No such file or directory"):
        portable.back_up(database, tmp_path / "no folder" / "made.mgb")


def test_an_interrupted_backup_leaves_no_file(
    either: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", fails)
    (folder := tmp_path / "backups").mkdir()
    with pytest.raises(CopyProblem, match="No space left on device"):
        portable.back_up(either, folder / "made.mgb")
    assert not list(folder.iterdir())


def test_a_restore_ends_what_may_have_ended(
    database: Database, empty: Database, tmp_path: Path
) -> None:
    """[LIF-18, REF-51, EXT-3, SES-23]"""
    with database.begin() as tx:
        told = TrustedApplication(
            id="told",
            name={"en": "Told"},
            application_uri="told.example/app",
            client_type=ClientType.PUBLIC,
            back_channel_logout_url="https://told.example/logout",
        )
        applications.add(tx, HOME.id, told)
        tx.connection.execute(
            text("UPDATE session_applications SET application_id = 'told' WHERE sid LIKE '1%'")
        )
    before = every_row(database)
    portable.back_up(database, tmp_path / "made.mgb")
    done = restored(tmp_path / "made.mgb", empty)
    after = every_row(empty)
    for table in TABLES:
        if table.name in ENDED_TABLES:
            assert before[table.name], table.name
            assert not after[table.name], table.name
    assert rows_of(empty, "refresh_families", "revoked_at IS NULL") == 0
    assert rows_of(empty, "authorization_codes", "consumed_at IS NULL") == 0
    assert rows_of(empty, "signing_keys", "ended_at IS NULL") == 1
    assert len(after["logout_notices"]) == len(before["logout_notices"]) + 1
    assert after["users"] == before["users"]
    assert after["reference_tokens"] == before["reference_tokens"]
    not_before = empty.read_now(
        lambda c: c.execute(text("SELECT * FROM revoked_before WHERE subject = instance_id")).one()
    )
    assert not_before.not_before == int(NOW) + 1
    [home] = done.instances
    [token] = home.reference_tokens  # the two others had been revoked before
    assert (token.expires_at, token.owner) == (2e9, None)
    event = select(audit_events).where(audit_events.c.event == "database.restored")
    row = empty.read_now(lambda c: c.execute(event).one())
    assert row.actor == "cli:test"
    assert json.loads(row.details)["backup_at"] == NOW
    assert schema.require_current(empty).unfinished is None


def rows_of(database: Database, table: str, where: str) -> int:
    counted = select(func.count()).select_from(text(table)).where(text(where))
    return int(database.read_now(lambda c: c.execute(counted).scalar_one()))


def test_reference_tokens_are_revoked_when_asked(
    database: Database, empty: Database, tmp_path: Path
) -> None:
    portable.back_up(database, tmp_path / "made.mgb")
    done = restored(tmp_path / "made.mgb", empty, revoke_reference_tokens=True)
    assert not done.instances[0].reference_tokens
    assert done.instances[0].ended["reference_tokens"] == 1  # the others had been before
    assert rows_of(empty, "reference_tokens", "revoked_at IS NULL") == 0


def test_an_interrupted_restore_is_begun_anew(
    database: Database, empty: Database, tmp_path: Path
) -> None:
    portable.back_up(database, tmp_path / "made.mgb")
    with pytest.raises(Interrupted):
        restored(tmp_path / "made.mgb", empty, progress=interrupt_at("users"))
    with pytest.raises(schema.NotRunnable, match="the target of a restore"):
        schema.require_current(empty)
    with pytest.raises(CopyProblem, match="a part of a restore that began"):
        restored(tmp_path / "made.mgb", empty)
    restored(tmp_path / "made.mgb", empty, restart=True)
    assert every_row(empty)["users"] == every_row(database)["users"]


def test_another_key_writes_nothing(database: Database, empty: Database, tmp_path: Path) -> None:
    portable.back_up(database, tmp_path / "made.mgb")
    other = KeyEncryptionKey(b"x" * 32)
    with pytest.raises(KeyEncryptionProblem):
        portable.restore(tmp_path / "made.mgb", empty, lambda: other, actor="cli:test")
    assert schema.state(empty).standing is schema.Standing.EMPTY


def test_a_damaged_file_is_refused(database: Database, empty: Database, tmp_path: Path) -> None:
    portable.back_up(database, file := tmp_path / "made.mgb")
    content = bytearray(file.read_bytes())
    for page in range(40, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    file.write_bytes(content)
    with pytest.raises(CopyProblem, match=r"is damaged|is not a backup"):
        restored(file, empty)
    file.write_bytes(b"")
    with pytest.raises(CopyProblem, match="is not a backup"):
        restored(file, empty)


def test_a_backup_of_an_older_release_is_migrated(
    database: Database, empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portable.back_up(database, file := tmp_path / "made.mgb")
    before = file.read_bytes()
    monkeypatch.setattr(schema, "MIGRATIONS", with_migration(tmp_path / "next", EXPAND))
    done = restored(file, empty)
    assert done.rows == sum(len(rows) for rows in every_row(database).values())
    assert schema.state(empty).revision == "9001"
    assert file.read_bytes() == before


def test_a_backup_of_a_newer_release_is_refused(
    database: Database, empty: Database, tmp_path: Path
) -> None:
    portable.back_up(database, file := tmp_path / "made.mgb")
    with sqlite3.connect(file) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.execute("UPDATE schema_state SET oldest_program = '9999'")
    newer.close()
    with pytest.raises(schema.NotRunnable, match="a newer mintgate"):
        restored(file, empty)
    assert schema.state(empty).standing is schema.Standing.EMPTY
