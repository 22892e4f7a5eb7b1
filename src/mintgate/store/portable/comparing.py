"""Two databases held against each other, row by row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from sqlalchemy import Table

from mintgate.store.portable.problems import CopyProblem
from mintgate.store.portable.snapshot import Snapshot
from mintgate.store.portable.tables import Row, key_of, sort_key


def row_digest(row: Row) -> bytes:
    """SHA-256 of a row's values, the same on both engines."""
    return hashlib.sha256(repr(tuple(row)).encode()).digest()


def require_same(
    table: Table, source: Snapshot, target: Snapshot, progress: Callable[[int], None]
) -> str:
    """Compare every row of a table; both are read in the order of the key.

    Args:
        progress: told how many more rows were compared.

    Returns:
        A digest over all of them.

    Raises:
        CopyProblem: a row is missing, is one too many, or differs; the message names it.
    """
    whole = hashlib.sha256()
    ours, theirs = _rows(table, source), _rows(table, target)
    seen = 0
    for mine, copied in _pairs(table, ours, theirs):
        if copied is None and mine is not None:
            raise CopyProblem(f"the row {key_of(table, mine)} of {table.name} is not in the copy")
        if mine is None and copied is not None:
            raise CopyProblem(
                f"the copy has a row {key_of(table, copied)} of {table.name} that the source has "
                "not: somebody else writes to it"
            )
        assert mine is not None and copied is not None  # noqa: S101, PT018 - for the type checker
        digest = row_digest(mine)
        if digest != row_digest(copied):
            names = [c.name for c, a, b in zip(table.columns, mine, copied, strict=True) if a != b]
            raise CopyProblem(
                f"the row {key_of(table, mine)} of {table.name} differs in the copy: "
                f"{', '.join(names)}"
            )
        whole.update(digest)
        seen += 1
        if seen == _TOLD:
            progress(seen)
            seen = 0
    progress(seen)
    return whole.hexdigest()


_TOLD = 1000


def _rows(table: Table, snapshot: Snapshot) -> Iterator[Row]:
    for batch in snapshot.batches(table, in_order=True):
        yield from batch


def _pairs(
    table: Table, ours: Iterator[Row], theirs: Iterator[Row]
) -> Iterator[tuple[Row | None, Row | None]]:
    """Rows with the same key together; None where a side has none."""
    mine, copied = next(ours, None), next(theirs, None)
    while mine is not None or copied is not None:
        if copied is None or (mine is not None and sort_key(table, mine) < sort_key(table, copied)):
            yield mine, None
            mine = next(ours, None)
        elif mine is None or sort_key(table, copied) < sort_key(table, mine):
            yield None, copied
            copied = next(theirs, None)
        else:
            yield mine, copied
            mine, copied = next(ours, None), next(theirs, None)
