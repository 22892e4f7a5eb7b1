"""One database into another one, of either engine, and compared row by row afterwards."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from mintgate.store import schema
from mintgate.store.database import Database
from mintgate.store.portable.comparing import require_same
from mintgate.store.portable.problems import CopyProblem
from mintgate.store.portable.snapshot import Snapshot, mark, snapshot
from mintgate.store.portable.tables import TABLES
from mintgate.store.portable.target import Purpose, Target
from mintgate.store.schema import Standing

Step = Literal["copy", "compare"]


class Progress(Protocol):
    def __call__(self, step: Step, table: str, done: int, total: int) -> None:
        """Told after each batch: `done` of `total` rows of this table."""


class Copied(msgspec.Struct, frozen=True):
    """What was copied.

    Args:
        rows: how many, by table.
        digests: SHA-256 over the rows of each table in the order of the key.
        written_meanwhile: whether somebody wrote to the source after it was read.
    """

    rows: dict[str, int]
    digests: dict[str, str]
    written_meanwhile: bool


def no_progress(step: Step, table: str, done: int, total: int) -> None:
    """Tells nobody."""


def copy(
    source: Database,
    target: Database,
    *,
    restart: bool = False,
    progress: Progress = no_progress,
) -> Copied:
    """Copy everything, as it is at this moment, into an empty database.

    Raises:
        CopyProblem: the source cannot be copied, the target is not empty, or a row differs.
        DatabaseUnavailable: one of them cannot be reached.
    """
    if source.url == target.url:
        raise CopyProblem("source and target are the same database")
    require_source(source)
    into = Target.begin(target, "copy", restart=restart)
    copied = fill(source, into, progress)
    into.finish()
    return copied


def require_source(source: Database, *, purpose: Purpose = "copy") -> None:
    """Raises CopyProblem when this program cannot read all that the database has."""
    found = schema.state(source)
    found.require_runnable()
    if found.standing is Standing.EMPTY:
        raise CopyProblem("the source has no tables; is its URL right?")
    if found.standing is not Standing.CURRENT:
        raise CopyProblem(
            f"the source has schema {found.revision} and this program {found.head}: "
            + (
                f"migrate it with mintgate db upgrade, then {purpose}"
                if found.standing is Standing.OLDER
                else "use the newer release"
            )
        )


def fill(source: Database, into: Target, progress: Progress, *, compare: bool = True) -> Copied:
    """Copy all tables from one snapshot, and hold every row against it."""
    rows: dict[str, int] = {}
    digests: dict[str, str] = {}
    with snapshot(source) as from_:
        totals = {table.name: from_.count(table) for table in TABLES}
        for table in TABLES:
            done, total = 0, totals[table.name]
            for batch in from_.batches(table):
                into.add(table, batch)
                done += len(batch)
                progress("copy", table.name, done, total)
            rows[table.name] = done
        if compare:
            digests = _compared(from_, into.database, totals, progress)
        was = from_.mark
    return Copied(rows, digests, source.read_now(mark) != was)


def _compared(
    source: Snapshot, target: Database, totals: dict[str, int], progress: Progress
) -> dict[str, str]:
    digests: dict[str, str] = {}
    with snapshot(target) as copy_:
        for table in TABLES:
            done = 0

            def more(rows: int, name: str = table.name) -> None:
                nonlocal done
                done += rows
                progress("compare", name, done, totals[name])

            digests[table.name] = require_same(table, source, copy_, more)
    return digests
