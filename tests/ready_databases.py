"""Databases whose tables are there already: copied, as migrating each anew takes most of a test."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from mintgate.store import Database, schema


def make_sqlite(file: Path) -> None:
    """A database of this release."""
    shutil.copyfile(_sqlite_original(), file)


class PostgresqlDatabases:
    """New databases of one server; calling it gives the URL of one of this release.

    Args:
        run: carries out SQL.
        url_of: the URL of a database, by its name.
    """

    def __init__(self, run: Callable[[str], object], url_of: Callable[[str], str]) -> None:
        self._run = run
        self._url_of = url_of
        self._made = 0
        self._original: str | None = None

    def __call__(self) -> str:
        if self._original is None:
            self._original = self._new()
            _migrate(self._url_of(self._original))
        return self._url_of(self._new(f" TEMPLATE {self._original}"))

    def empty(self) -> str:
        """One without tables."""
        return self._url_of(self._new())

    def _new(self, more: str = "") -> str:
        name = f"mintgate_{self._made}"
        self._made += 1
        self._run(f"CREATE DATABASE {name}{more}")
        return name


@functools.cache
def _sqlite_original() -> Path:
    """Made once a process."""
    folder = Path(tempfile.mkdtemp(prefix="mintgate-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "original.db"
    _migrate(f"sqlite:///{file}")
    return file


def _migrate(url: str) -> None:
    database = Database(url)
    schema.upgrade(database)
    database.close()
