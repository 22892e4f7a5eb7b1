"""Verifying the audit log of an instance: every checkpoint, then every chain, page by page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from mintgate.store.audit import checkpoint_rows, rows
from mintgate.store.audit.chain import Head, genesis
from mintgate.store.audit.chain_walk import ChainWalk, Covered, GivenUpWalk
from mintgate.store.audit.checkpoint_walk import CheckpointWalk
from mintgate.store.audit.findings import Report
from mintgate.store.tables import audit_events, audit_heads

if TYPE_CHECKING:
    from mintgate.store.database import Database

ERASURES = ("user.erasure_started", "user.erased")
"""Only users of whom one of these events tells may have erased values."""
MAX_FINDINGS = 1000


def verify(
    database: Database,
    instance_id: str,
    trusted: frozenset[str],
    *,
    since: float | None = None,
    expected: tuple[int, bytes] | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Report:
    """Walk the audit log of one instance; nothing is locked, and others may go on writing.

    Args:
        trusted: the public keys whose signatures count.
        since: begin at the newest checkpoint before this time (Unix seconds).
        expected: number and hash of a checkpoint that must be there.
        progress: told how many rows were looked at so far.

    Raises:
        DatabaseUnavailable: it cannot be read.
    """
    report = Report()
    walk = CheckpointWalk(database, instance_id, trusted, report, expected)
    walk.run()
    beginnings = walk.beginnings
    writers = database.read_now(lambda c: _writers(c, instance_id, walk.removed_through))
    if since is not None:
        report.since = database.read_now(
            lambda c: checkpoint_rows.newest_before(c, instance_id, since, walk.removed_through)
        )
    if report.since is not None:
        start = report.since.number
        beginnings = beginnings | database.read_now(
            lambda c: checkpoint_rows.heads_at(c, instance_id, start, walk.removed_through, writers)
        )
    chains = _Chains(database, instance_id, walk, report, progress)
    for writer_id in writers:
        chains.walk(writer_id, beginnings.get(writer_id))
    for user_id, place in chains.erased.items():
        if not database.read_now(partial(_was_erased, instance_id=instance_id, user_id=user_id)):
            report.found("personal values were removed without an erasure of the user", *place)
    for writer_id, head in walk.beginnings.items():
        chains.walk_given_up(writer_id, head)
    return report


class _Chains:
    """Walks the chains of all writers, one after the other."""

    def __init__(
        self,
        database: Database,
        instance_id: str,
        checkpoints: CheckpointWalk,
        report: Report,
        progress: Callable[[int], None],
    ) -> None:
        self._database = database
        self._instance_id = instance_id
        self._checkpoints = checkpoints
        self._report = report
        self._progress = progress
        self.erased: dict[str, tuple[str, int]] = {}

    def walk(self, writer_id: str, beginning: Head | None) -> None:
        if len(self._report.findings) >= MAX_FINDINGS:
            return
        self._report.writers += 1
        instance_id = self._instance_id
        start = beginning or genesis(instance_id, writer_id)
        removed_through = self._checkpoints.removed_through
        listed = self._database.read_now(
            lambda c: _covered(c, instance_id, writer_id, removed_through)
        )
        covered = {
            sequence: head
            for sequence, head in listed.items()
            if sequence > start.sequence and head.checkpoint not in self._checkpoints.doubtful
        }
        chain = ChainWalk(writer_id, start, covered, self._report, self.erased)
        after = start.sequence if beginning is not None else None
        while page := self._database.read_now(
            partial(rows.page_of_writer, instance_id=instance_id, writer_id=writer_id, after=after)
        ):
            chain.follow(page)
            after = page[-1].sequence
            self._progress(self._report.rows)
            if len(self._report.findings) >= MAX_FINDINGS:
                return
        chain.finish()

    def walk_given_up(self, writer_id: str, cut: Head) -> None:
        """Rows that retention has not removed yet, from the cut downwards: it begins below."""
        below = GivenUpWalk(writer_id, cut, self._report)
        through = cut.sequence
        while page := self._database.read_now(
            partial(
                rows.page_downwards,
                instance_id=self._instance_id,
                writer_id=writer_id,
                through=through,
            )
        ):
            below.follow(page)
            through = page[-1].sequence - 1


def _writers(connection: Connection, instance_id: str, removed_through: int) -> list[str]:
    """Writers that have rows, or had some that a checkpoint covers."""
    listed = connection.execute(
        select(audit_heads.c.writer_id)
        .where(
            audit_heads.c.instance_id == instance_id,
            audit_heads.c.checkpoint > removed_through,
            audit_heads.c.is_cut.is_(False),
        )
        .distinct()
    ).scalars()
    return sorted({*listed, *rows.writers(connection, instance_id)})


def _covered(
    connection: Connection, instance_id: str, writer_id: str, removed_through: int
) -> dict[int, Covered]:
    found = connection.execute(
        select(audit_heads.c.checkpoint, audit_heads.c.sequence, audit_heads.c.hash).where(
            audit_heads.c.instance_id == instance_id,
            audit_heads.c.writer_id == writer_id,
            audit_heads.c.checkpoint > removed_through,
            audit_heads.c.is_cut.is_(False),
        )
    )
    return {row.sequence: Covered(row.checkpoint, row.hash) for row in found}


def _was_erased(connection: Connection, instance_id: str, user_id: str) -> bool:
    found = connection.execute(
        select(audit_events.c.sequence)
        .where(
            audit_events.c.instance_id == instance_id,
            audit_events.c.subject_id == user_id,
            audit_events.c.event.in_(ERASURES),
        )
        .limit(1)
    )
    return found.first() is not None
