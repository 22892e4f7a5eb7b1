"""How many rows, of which tables, and whether the disk has room for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Self

import msgspec
from sqlalchemy import Connection

from bench.plans.findings import size
from bench.plans.tables import BIG, FEW, FEWER, SMALL
from bench.problems import Unmeasurable

OTHERS = 200_000
"""Rows of the tables that are not full just then."""
RECORDED = FEW
"""Rows of every table while the statements are recorded: what is removed must be there."""
LEAST = 1000
MARGIN = 1.2
"""More than the rows that were measured take: an index has half-empty pages while it grows."""
SPARE = 2_000_000_000
"""Bytes. PostgreSQL's write-ahead log, and what the machine needs for itself."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Args: rows: of the full table; others: of those that are not; tables: to be full in turn."""

    rows: int
    others: int
    tables: tuple[str, ...]

    @classmethod
    def of(cls, rows: int, tables: str | None) -> Self:
        """Args: tables: names with commas between them; None for all that grow.

        Raises:
            Unmeasurable: too few rows, or no such table.
        """
        if rows < LEAST:
            raise Unmeasurable(f"--rows must be at least {LEAST}")
        chosen = BIG if tables is None else tuple(name.strip() for name in tables.split(","))
        for name in chosen:
            if name in SMALL:
                raise Unmeasurable(f"--tables: {name} stays small: {SMALL[name]}")
            if name in FEWER:
                raise Unmeasurable(f"--tables: {name} has {FEWER[name]:,} rows and no more")
            if name not in BIG:
                raise Unmeasurable(f"--tables: no table {name!r}; there are {', '.join(BIG)}")
        return cls(rows=rows, others=min(OTHERS, rows), tables=tuple(dict.fromkeys(chosen)))


def bytes_of(connection: Connection, table: str) -> int:
    """On disk, with its indexes; `table` is one of ours."""
    if connection.dialect.name == "sqlite":
        asked = (
            "SELECT sum(s.pgsize) FROM sqlite_schema AS o CROSS JOIN dbstat AS s "
            "ON s.name = o.name WHERE o.tbl_name = ? AND s.aggregate = TRUE"
        )
        return int(connection.exec_driver_sql(asked, (table,)).scalar_one() or 0)
    asked = "SELECT pg_total_relation_size(%s::regclass)"
    return int(connection.exec_driver_sql(asked, (table,)).scalar_one())


def free_in(connection: Connection, folder: Path) -> int:
    """Bytes that the database can still take: of the disk, and pages of its own that are empty."""
    free = shutil.disk_usage(folder).free
    if connection.dialect.name == "sqlite":
        pages = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        free += pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    return int(free)


def lacking(needed: int, free: int, rows: int) -> str | None:
    """What is wrong with the room on the disk; None when there is enough.

    Args:
        needed: bytes that the rows will take, by what the first ones took.
    """
    wanted = int(needed * MARGIN) + SPARE
    if free >= wanted:
        return None
    return (
        f"{rows:,} rows take some {size(needed)}; with what must stay free that is "
        f"{size(wanted)}, and {size(free)} are there. Free the disk, set TMPDIR to a bigger one, "
        "or take fewer --rows"
    )
