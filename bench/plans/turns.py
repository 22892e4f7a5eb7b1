"""One table after the other is filled, looked at and brought back to what it was."""

# ruff: noqa: S608 - names of tables and numbers, all of them ours

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection, Table

from bench.plans import planner
from bench.plans.filling import add, analyze, filling
from bench.plans.findings import OfTable, Scan, Timed
from bench.plans.sizes import Sizes, bytes_of, free_in, lacking
from bench.plans.tables import BIG
from bench.progress import Progress
from mintgate.store import Database
from mintgate.store.tables import metadata

PART = 500_000
"""Rows between two steps of the progress bar."""
FIRST = 100_000
"""The number of the first row that is added: well past those of the recording."""
TIMES = 7
TOO_LONG = 2.0
"""Seconds. What takes longer once is not carried out again."""
SLOWEST = 5
_KEPT = "kept_rows"


class Turns:
    """A database whose statements are recorded.

    Args:
        statements: with the parameters of each.
        folder: on the disk where the database lies.
    """

    def __init__(
        self,
        database: Database,
        instance_id: str,
        statements: Mapping[str, Any],
        sizes: Sizes,
        folder: Path,
        progress: Progress,
    ) -> None:
        self._database = database
        self._instance_id = instance_id
        self._statements = statements
        self._sizes = sizes
        self._folder = folder
        self._progress = progress
        self._where = ""

    def run(self) -> Iterator[OfTable | tuple[str, str]]:
        """What was found of each table; its name and the reason when its rows have no room."""
        each = len(_parts(FIRST + self._sizes.others, self._sizes.rows - self._sizes.others)) + 1
        self._progress.begin(len(BIG) + each * len(self._sizes.tables))
        try:
            self._fill_others()
            for number, name in enumerate(self._sizes.tables, 1):
                self._where = f"{name} ({number} of {len(self._sizes.tables)})"
                with filling(self._database) as connection:
                    problem = self._lacking(connection, name)
                if problem is not None:
                    self._progress.warn(f"{name}: {problem}")
                    yield name, problem
                    continue
                with self._full(metadata.tables[name]):
                    self._progress.step(f"{self._where}: asking the planner")
                    yield self._look(name)
        finally:
            self._progress.end()

    def _fill_others(self) -> None:
        with filling(self._database) as connection:
            _without_foreign_keys(connection)
            for name in BIG:
                self._progress.step(f"{name}: {self._sizes.others:,} rows, as all tables have")
                last = FIRST + self._sizes.others - 1
                add(connection, metadata.tables[name], self._instance_id, FIRST, last)
        analyze(self._database)

    def _lacking(self, connection: Connection, name: str) -> str | None:
        needed = bytes_of(connection, name) * self._sizes.rows // max(1, _count(connection, name))
        return lacking(needed, free_in(connection, self._folder), self._sizes.rows)

    @contextlib.contextmanager
    def _full(self, table: Table) -> Iterator[None]:
        """What was in it is put aside: emptied, a table is as small as before."""
        first = FIRST + self._sizes.others
        with filling(self._database) as connection:
            connection.exec_driver_sql(f"CREATE TABLE {_KEPT} AS SELECT * FROM {table.name}")
        done = 0
        for start, end in _parts(first, self._sizes.rows - self._sizes.others):
            self._progress.step(f"{self._where}: {done:,} of {self._sizes.rows:,} rows")
            with filling(self._database) as connection:
                add(connection, table, self._instance_id, start, end)
            done += end - start + 1
        analyze(self._database, table.name)
        yield
        with filling(self._database) as connection:
            is_sqlite = self._database.is_sqlite
            empty = f"DELETE FROM {table.name}" if is_sqlite else f"TRUNCATE {table.name}"
            connection.exec_driver_sql(empty)
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            back = f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {_KEPT}"
            connection.exec_driver_sql(back)
            connection.exec_driver_sql(f"DROP TABLE {_KEPT}")
        analyze(self._database, table.name)

    def _look(self, name: str) -> OfTable:
        scans: list[Scan] = []
        timed: list[Timed] = []
        on_purpose: dict[str, str] = {}
        naming = [
            (statement, parameters)
            for statement, parameters in self._statements.items()
            if planner.can_be_explained(statement) and planner.names(statement, name)
        ]
        with self._database.engine.connect() as connection:
            self._database.take_time(connection)
            for statement, parameters in naming:
                text = planner.one_line(statement)
                if (why := planner.purpose_of(statement)) is not None:
                    on_purpose[text] = why
                    continue
                plan = planner.scan_in(connection, statement, parameters)
                if plan is not None:
                    scans.append(Scan(statement=text, plan=plan))
                elif planner.only_reads(statement):
                    took = median_ms(connection, statement, parameters)
                    timed.append(Timed(statement=text, median_ms=took))
            found = OfTable(
                table=name,
                rows=_count(connection, name),
                bytes=bytes_of(connection, name),
                statements=len(naming),
                scans=scans,
                timed=len(timed),
                slowest=sorted(timed, key=lambda one: -one.median_ms)[:SLOWEST],
                on_purpose=on_purpose,
            )
            connection.rollback()
        return found


def median_ms(connection: Connection, statement: str, parameters: Any) -> float:
    """Milliseconds of carrying it out and fetching its rows, with pages that were just read."""
    raw: Any = connection.connection.dbapi_connection
    times: list[float] = []
    while len(times) <= TIMES:
        cursor = raw.cursor()
        began = time.perf_counter()
        cursor.execute(statement, parameters)
        cursor.fetchall()
        times.append(time.perf_counter() - began)
        cursor.close()
        if times[-1] > TOO_LONG:
            return times[-1] * 1e3
    return median(times[1:]) * 1e3


def _parts(first: int, count: int) -> list[tuple[int, int]]:
    end = first + count
    return [(start, min(start + PART, end) - 1) for start in range(first, end, PART)]


def _count(connection: Connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def _without_foreign_keys(connection: Connection) -> None:
    # A table that others refer to cannot be emptied. Plans do not depend on them; SQLite's
    # connections here do not look at them.
    if connection.dialect.name == "postgresql":
        for table in metadata.sorted_tables:
            for key in table.foreign_key_constraints:
                connection.exec_driver_sql(f"ALTER TABLE {table.name} DROP CONSTRAINT {key.name}")
