"""Walking the chain of one writer: its numbers, its hashes, its personal values, its heads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mintgate.store.audit.chain import Head, actor_digest, personal_digest, row_hash
from mintgate.store.audit.findings import Report
from mintgate.store.audit.rows import StoredEvent


class Covered(NamedTuple):
    """A head that a signed checkpoint lists."""

    checkpoint: int
    hash: bytes


class ChainWalk:
    """One writer's chain, told row by row.

    Args:
        beginning: what the first row links to.
        covered: by number, the heads that checkpoints list.
        erased: filled with the ids of users whose personal values are gone, and where.
    """

    def __init__(
        self,
        writer_id: str,
        beginning: Head,
        covered: Mapping[int, Covered],
        report: Report,
        erased: dict[str, tuple[str, int]],
    ) -> None:
        self._writer_id = writer_id
        self._last = beginning
        self._links = True
        self._covered = dict(covered)
        self._covered_through = max(covered, default=0)
        self._report = report
        self._erased = erased

    def follow(self, rows: Iterable[StoredEvent]) -> None:
        """The next rows, in order."""
        for row in rows:
            self._report.rows += 1
            self._follow(row)

    def finish(self) -> None:
        """There are no more rows."""
        missing = {s: c for s, c in self._covered.items() if s > self._last.sequence}
        if missing:
            last = max(missing)
            self._found(
                f"{_rows(self._last.sequence + 1, last)} missing: "
                f"checkpoint {missing[last].checkpoint} covers them",
                self._last.sequence + 1,
            )

    def _follow(self, row: StoredEvent) -> None:
        expected = self._last.sequence + 1
        if row.sequence < expected:
            self._found(f"row {row.sequence} has a number that no writer gives", row.sequence)
            return
        if row.sequence > expected:
            self._found(f"{_rows(expected, row.sequence - 1)} missing", expected)
            self._links = False
        # After a gap the row before is unknown; what follows is looked at again.
        if self._links and row_hash(self._last.hash, row.hashed) != row.hash:
            self._found(f"row {row.sequence} was changed, or the one before it", row.sequence)
        covered = self._covered.get(row.sequence)
        if covered is not None and covered.hash != row.hash:
            self._found(
                f"the rows up to {row.sequence} were written anew: they are not what "
                f"checkpoint {covered.checkpoint} covers",
                row.sequence,
            )
        if row.sequence <= self._covered_through:
            self._report.covered += 1
        self._look_at_person(row)
        self._last, self._links = Head(row.sequence, row.hash), True

    def _look_at_person(self, row: StoredEvent) -> None:
        by_actor = personal = None
        if row.actor_salt is not None:
            by_actor = actor_digest(row.actor_salt, row.actor, row.address)
        if row.personal_salt is not None and row.personal is not None:
            personal = personal_digest(row.personal_salt, row.personal)
        parts = (
            (row.actor_digest, by_actor, (row.actor_salt, row.actor, row.address), row.actor_id),
            (
                row.personal_digest,
                personal,
                (row.personal_salt, row.personal),
                row.subject_id or row.actor_id,
            ),
        )
        is_erased = False
        for digest, made, values, person in parts:
            if digest is not None and all(value is None for value in values):
                is_erased = True
                self._erased.setdefault(person or "", (self._writer_id, row.sequence))
            elif digest != made or (digest is None and any(v is not None for v in values)):
                self._found(f"personal values of row {row.sequence} were changed", row.sequence)
        self._report.erased += is_erased

    def _found(self, sentence: str, sequence: int) -> None:
        self._report.found(sentence, self._writer_id, sequence)


class GivenUpWalk:
    """Rows of one writer that retention is about to remove, told from the cut downwards.

    What is left of them must lead to the cut: else somebody has put something there. Of the last
    one told nothing is known but its hash, as the row before it is gone.
    """

    def __init__(self, writer_id: str, cut: Head, report: Report) -> None:
        self._writer_id = writer_id
        self._cut = cut
        self._above: StoredEvent | None = None
        self._report = report

    def follow(self, rows: Iterable[StoredEvent]) -> None:
        """The next rows, each before the one that was told last."""
        for row in rows:
            self._report.waiting += 1
            if self._above is None:
                leads_on = (row.sequence, row.hash) == self._cut
            else:
                leads_on = row.sequence == self._above.sequence - 1 and (
                    row_hash(row.hash, self._above.hashed) == self._above.hash
                )
            if not leads_on:
                self._report.found(
                    f"row {row.sequence} is not what retention has left there",
                    self._writer_id,
                    row.sequence,
                )
            self._above = row


def _rows(first: int, last: int) -> str:
    return f"row {first} is" if first == last else f"rows {first} to {last} are"
