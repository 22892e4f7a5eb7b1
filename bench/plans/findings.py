"""What was found out of each table, for a file and for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import msgspec

COLUMNS = ("table", "rows", "on disk", "statements", "scans", "timed", "slowest statement")
LIMIT_MS = 10.0
"""What a statement that reads may take, as a median, in the process of the database's caller."""
SHOWN = 90
"""Characters of a statement in a table for people; the file has all of them."""


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that would look at all rows, and what the planner said."""

    statement: str
    plan: str


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that only reads, carried out."""

    statement: str
    median_ms: float


class OfTable(msgspec.Struct, frozen=True, kw_only=True):
    """One table that was full.

    Args:
        bytes: on disk, with its indexes.
        statements: how many of the recorded ones name it.
        timed: how many of them were carried out; `slowest` are the first few, slowest first.
        on_purpose: statements that look at all rows because that is their task, and why.
    """

    table: str
    rows: int
    bytes: int
    statements: int
    scans: list[Scan]
    timed: int
    slowest: list[Timed]
    on_purpose: dict[str, str]


class Plans(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `others` is how many rows the tables have that are not full just then."""

    title: str
    rows: int
    others: int
    recorded: int
    tables: list[OfTable]
    left_out: dict[str, str]
    limit_ms: float = LIMIT_MS

    @classmethod
    def of(
        cls,
        engine: str,
        tables: Sequence[OfTable],
        *,
        rows: int,
        others: int,
        recorded: int,
        left_out: dict[str, str],
    ) -> Self:
        title = f"Every recorded statement, with {rows:,} rows in one table at a time ({engine})"
        return cls(
            title=title,
            rows=rows,
            others=others,
            recorded=recorded,
            tables=list(tables),
            left_out=left_out,
        )


def rows(plans: Plans) -> Iterator[tuple[str, ...]]:
    """What `COLUMNS` names."""
    for one in plans.tables:
        slowest = one.slowest[0] if one.slowest else None
        yield (
            one.table,
            f"{one.rows:,}",
            size(one.bytes),
            str(one.statements),
            str(len(one.scans)),
            str(one.timed),
            "" if slowest is None else f"{slowest.median_ms:.2f} ms: {short(slowest.statement)}",
        )


def remarks(plans: Plans) -> Iterator[str]:
    """Verdicts, each scan with its plan, and what was not measured."""
    scans = [(one.table, scan) for one in plans.tables for scan in one.scans]
    state = "NOT MET" if scans else "met"
    yield f"{state}: no statement looks at a whole table ({len(scans)} do)"
    for table, scan in scans:
        yield f"scan of {table}: {scan.statement}; plan: {'; '.join(scan.plan.splitlines())}"
    yield from _speed(plans)
    yield from (f"left out: {table}: {why}" for table, why in plans.left_out.items())
    purposes: dict[str, Any] = {}
    for one in plans.tables:
        purposes.update(one.on_purpose)
    for statement, why in purposes.items():
        yield f"not timed, for it reads all on purpose: {short(statement)} ({why})"
    yield f"statements recorded: {plans.recorded}"
    yield f"rows of the other tables meanwhile: {plans.others:,}"


def _speed(plans: Plans) -> Iterator[str]:
    timed = {one.statement: one for table in plans.tables for one in table.slowest}
    if not timed:
        return
    slowest = max(timed.values(), key=lambda one: one.median_ms)
    state = "met" if slowest.median_ms <= plans.limit_ms else "NOT MET"
    yield (
        f"{state}: each statement that reads takes at most {plans.limit_ms:g} ms "
        f"({slowest.median_ms:.2f} ms)"
    )
    for one in sorted(timed.values(), key=lambda one: -one.median_ms):
        if one.median_ms > plans.limit_ms:
            yield f"slow: {one.median_ms:,.1f} ms: {one.statement}"


def short(statement: str) -> str:
    """Its beginning and its conditions: the columns in between say little."""
    head, _, tail = statement.partition(" FROM ")
    text = f"{head[:20]}… FROM {tail}" if tail and len(head) > 20 else statement
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
