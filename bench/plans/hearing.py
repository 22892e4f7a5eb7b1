"""What a database is asked, heard where the driver is told: some statements go past SQLAlchemy."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine, event

Hear = Callable[[str, Any], None]


def listen(engine: Engine, hear: Hear) -> None:
    """Call `hear` with each statement and its parameters, from any thread.

    Args:
        engine: has no connection yet.
    """
    if engine.dialect.name == "sqlite":
        _listen_to_sqlite(engine, hear)
    else:
        _listen_to_psycopg(engine, hear)


def _listen_to_sqlite(engine: Engine, hear: Hear) -> None:
    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = (), /) -> Any:
            hear(sql, parameters)
            return super().execute(sql, parameters)

        def executemany(self, sql: str, rows: Any, /) -> Any:
            given = list(rows)
            _hear_first(hear, sql, given)
            return super().executemany(sql, given)

    class Connection(sqlite3.Connection):
        def cursor(self, *_: Any, **__: Any) -> Any:
            return super().cursor(Cursor)

        def execute(self, sql: str, parameters: Any = (), /) -> Any:
            return self.cursor().execute(sql, parameters)

    def connect(dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        return dialect.connect(*arguments, **options, factory=Connection)

    event.listen(engine, "do_connect", connect)


def _listen_to_psycopg(engine: Engine, hear: Hear) -> None:
    import psycopg  # comes with an extra

    class Hearing(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            if isinstance(query, str):
                hear(query, params)
            return super().execute(query, params, **options)

        def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
            given = list(params_seq)
            if isinstance(query, str):
                _hear_first(hear, query, given)
            super().executemany(query, given, **options)

    class HearingRaw(Hearing, psycopg.RawCursor[Any]):
        """The same of statements that are given as the server reads them."""

    def connected(raw: Any, _record: Any) -> None:
        raw.cursor_factory, raw.raw_cursor_factory = Hearing, HearingRaw

    event.listen(engine, "connect", connected)


def _hear_first(hear: Hear, statement: str, rows: Sequence[Any]) -> None:
    if rows:
        hear(statement, rows[0])
