"""How databases are connected to; SQLite's settings."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

BUSY_TIMEOUT_MS = 5000


def make_engine(url: URL, pool_size: int) -> Engine:
    """The engine of a database.

    Raises:
        ArgumentError: it is neither SQLite nor PostgreSQL.
        ImportError: the driver is not installed.
    """
    # hide_parameters: rows of others must not stand in an exception that is logged.
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            connect_args={"check_same_thread": False},
            pool_size=pool_size,
            hide_parameters=True,
        )
        event.listen(engine, "do_connect", _create_private)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if url.get_backend_name() == "postgresql":
        from mintgate.store import postgresql  # its driver comes with an extra

        return postgresql.make_engine(url, pool_size)
    raise ArgumentError(f"{url.get_backend_name()} is not supported; use sqlite or postgresql")


def _create_private(_dialect: Any, _record: Any, arguments: list[str], _options: Any) -> None:
    # The file holds hashes of secrets. SQLite would make it readable for everyone; its journal
    # files take the mode of the file.
    file = arguments[0]
    if file and file != ":memory:":
        with contextlib.suppress(OSError):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver would start transactions by itself, too late for BEGIN IMMEDIATE.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        # What is erased must be gone from the file, too.
        "secure_delete=ON",
        "foreign_keys=ON",
        # Pages that change again and again (the ends of indexes) are copied less often so; the
        # journal grows to 16 MB.
        "wal_autocheckpoint=4000",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A reader must not take the write lock; the writer must take it before its first read.
    writes = connection.get_execution_options().get("mintgate_writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
