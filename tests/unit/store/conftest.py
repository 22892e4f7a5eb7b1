"""A database with rows in every table, filled once for all tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mintgate.store import Database
from tests.rich_rows import fill
from tests.world import sqlite_url


@pytest.fixture(scope="session")
def rich_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Puts a copy of it into a folder; returns its URL."""
    folder = tmp_path_factory.mktemp("rich")
    database = Database(sqlite_url(folder))
    fill(database)
    database.close()

    def copied(into: Path) -> str:
        shutil.copyfile(folder / "test.db", into / "test.db")
        return sqlite_url(into)

    return copied
